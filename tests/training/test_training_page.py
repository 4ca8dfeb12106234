"""docs/training.md: what it names exists, and its code runs."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import runpy
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from orchestra.training.grpo.domain import evaluate
from orchestra.training.rewards import KINDS

from orchestra.countdown import player
from orchestra.countdown.attempt import FORK, Setup, read_attempt
from orchestra.countdown.problem import generate
from orchestra.engine.open import open_engine

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
SOURCES = "".join(
    path.read_text(encoding="utf-8") for part in ("training", "evals", "orchestra") for path in (ROOT / part).rglob("*.py")
)


def test_every_program_on_the_page_is_there() -> None:
    found = set(re.findall(r"-m (orchestra\.[\w.]+)", PAGE))
    assert len(found) > 8
    assert [name for name in found if importlib.util.find_spec(name) is None] == []


def test_every_flag_on_the_page_is_some_program_s() -> None:
    found = set(re.findall(r"--[a-z][a-z-]+", PAGE)) - {"--nproc-per-node"}
    assert sorted(flag for flag in found if f'"{flag}"' not in SOURCES) == []


def test_every_file_on_the_page_is_there() -> None:
    found = re.findall(r"`((?:training|tests|recipes|rewards|orchestra)/[\w/.]+)`", PAGE)
    places = [(ROOT / name, ROOT / "training" / name) for name in found]
    assert [str(first) for first, second in places if not (first.exists() or second.exists())] == []


def test_every_reward_that_there_is_is_on_the_page() -> None:
    assert sorted(name for name in KINDS if f"`{name}" not in PAGE) == []


def test_every_anchor_of_the_page_is_a_heading() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in PAGE.splitlines() if line.startswith("##")
    }
    assert sorted(set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) - headings) == []


def test_the_domain_on_the_page_can_be_evaluated(tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    (tmp_path / "own.py").write_text(code[1])
    names = runpy.run_path(str(tmp_path / "own.py"))
    setup = Setup(beam=24, child_beam=12)
    own = names["Own"](
        FORK,
        lambda split, step: list(islice(generate("train" if split == "train" else "validation", seed=step, size=4), 2)),
        setup.prompt,
        lambda problem, tree: read_attempt(problem, tree).answer,
    )

    async def found() -> dict[str, Any]:
        async with open_engine("scripted", model=None, answer=player.answer, max_requests=64) as engine:
            return await evaluate(own, engine)

    assert asyncio.run(found())["accuracy"] == 1.0


@pytest.mark.parametrize(
    "word", ["stopped.jsonl", "nan-batch.npz", "stopped.pt", "nats a token apart", "memory ran out", "is not a whole model"]
)
def test_what_the_page_quotes_of_errors_is_said_somewhere(word: str) -> None:
    assert word in SOURCES
