"""A model's card says what its rows have shown it, and what the model knew that it began from."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("transformers", reason="training needs transformers")

from orchestra.training.packing import Demonstration, Rows, pack
from orchestra.training.sft.card import card_of

from orchestra.countdown import notation, player
from orchestra.countdown.model import ModelCard
from orchestra.countdown.problem import generate
from orchestra.errors import ConfigError

PROBLEMS = list(islice(generate("train", seed=1), 3))
SERIAL = [notation.serial_prompt(problem, beam=3) for problem in PROBLEMS]
FORK = [notation.fork_prompt(problem, beam=3, child_beam=4) for problem in PROBLEMS]
CHILD = [notation.child_prompt(prompt, player.answer(prompt)[1:4]) for prompt in FORK]
WEAVE = [notation.weave_prompt(problem, beam=3, child_beam=4) for problem in PROBLEMS]


def rows(*prompts: tuple[int, ...], width: int = 300) -> Rows:
    return pack([Demonstration(prompt, (notation.NONE, notation.END)) for prompt in prompts], width=width)


def test_methods_are_those_of_the_prompts_in_all_rows() -> None:
    assert card_of([rows(*SERIAL)], init=None).methods == ("serial",)
    assert card_of([rows(*CHILD)], init=None).methods == ("fork",)
    assert card_of([rows(*SERIAL, *FORK), rows(*WEAVE)], init=None) == ModelCard(sizes=(4,), methods=("serial", "fork", "weave"))


@pytest.mark.parametrize("width", [30, 300])
def test_a_width_that_was_left_to_the_model_makes_its_method_free(width: int) -> None:
    free = [
        notation.serial_prompt(PROBLEMS[0], beam=notation.FREE),
        notation.fork_prompt(PROBLEMS[0], beam=5, child_beam=notation.FREE),
        notation.weave_prompt(PROBLEMS[0], beam=notation.FREE, child_beam=5),
    ]
    shown = [*SERIAL, *FORK, *WEAVE]
    assert card_of([rows(*shown, width=width)], init=None).free == ()
    for prompt, method in zip(free, ("serial", "fork", "weave"), strict=True):
        assert card_of([rows(*shown, prompt, width=width)], init=None).free == (method,)


def test_a_model_keeps_what_it_began_with(tmp_path: Path) -> None:
    ModelCard(sizes=(4, 5), methods=("fork",), free=("fork",)).write(tmp_path)
    found = card_of([rows(*WEAVE)], init=tmp_path)
    assert found == ModelCard(sizes=(4, 5), methods=("fork", "weave"), free=("fork",))
    with pytest.raises(ConfigError, match="there is no model folder"):
        card_of([rows(*WEAVE)], init=tmp_path / "gone")
