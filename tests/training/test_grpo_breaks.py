"""Whatever breaks a run off, its checkpoint is whole, the message says what to do, and the same command ends where an unbroken run ends."""

from __future__ import annotations

import json
import math
import shutil
import signal
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("transformers", reason="training needs transformers")

from orchestra.training.checkpoint import CHECKPOINT, Interrupted
from orchestra.training.grpo import run as grpo
from orchestra.training.grpo.update import BadBatch, Learner
from orchestra.training.planner.data import make_tokenizer
from tiny_policy import arguments, checkpoint, lines, same_state, write_countdown, write_planner

from orchestra.engine.decoder import Decoder
from orchestra.errors import ConfigError, EngineError

STEPS = (
    "--steps",
    "4",
    "--save-every",
    "2",
    "--minibatches",
    "2",
    "--eval-every",
    "2",
    "--eval-problems",
    "2",
    "--problems-per-step",
    "3",
)
BREAKS_IN_STEP = 3


@pytest.fixture(scope="module", params=["countdown", "planner"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy")
    (write_countdown if request.param == "countdown" else write_planner)(path)
    return path


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing broke off."""
    out = tmp_path_factory.mktemp("whole")
    grpo.train(arguments(folder, out, *STEPS))
    return out


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[type, str, Callable[[], None]], None]]:
    """Calls something in front of a method, from the step on in which runs break here."""
    step = count(1)
    at = 0
    sampled = grpo._Run._one_step

    async def one_step(run: Any, *args: Any) -> Any:
        nonlocal at
        at = next(step)
        return await sampled(run, *args)

    def break_at(owner: type, name: str, act: Callable[[], None]) -> None:
        original = getattr(owner, name)

        def method(*args: Any, **options: Any) -> Any:
            if at >= BREAKS_IN_STEP:
                act()
            return original(*args, **options)

        monkeypatch.setattr(owner, name, method)

    monkeypatch.setattr(grpo._Run, "_one_step", one_step)
    yield break_at
    monkeypatch.undo()


def ends_like(whole: Path, folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same command, with nothing in its way."""
    monkeypatch.undo()
    grpo.train(arguments(folder, out, *STEPS))
    one, other = checkpoint(whole), checkpoint(out)
    for name in ("model", "optimizer", "step", "arguments"):
        ours = {key: value for key, value in other[name].items() if key != "out"} if name == "arguments" else other[name]
        theirs = {key: value for key, value in one[name].items() if key != "out"} if name == "arguments" else one[name]
        assert same_state(theirs, ours), name
    timed = ("seconds", "per_second")
    for a, b in zip(lines(whole), lines(out), strict=True):
        assert {k: v for k, v in a.items() if not k.endswith(timed)} == {k: v for k, v in b.items() if not k.endswith(timed)}
    best = [json.loads((run / grpo.FACTS).read_text())["best"] for run in (whole, out)]
    assert best[0] == best[1] is not None


def test_a_run_whose_engine_died_goes_on(
    folder: Path, whole: Path, tmp_path: Path, breaking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die() -> None:
        raise RuntimeError("device lost")

    breaking(Decoder, "step", die)
    with pytest.raises(EngineError, match=r"rollouts of step 3 failed.*device lost.*same command goes on.*up to step 2 is saved"):
        grpo.train(arguments(folder, tmp_path, *STEPS))
    assert checkpoint(tmp_path)["step"] == 2
    ends_like(whole, folder, tmp_path, monkeypatch)


def test_steps_before_an_engine_died_are_saved_even_between_two_checkpoints(
    folder: Path, whole: Path, tmp_path: Path, breaking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die() -> None:
        raise RuntimeError("device lost")

    breaking(Decoder, "step", die)
    with pytest.raises(EngineError, match=r"rollouts of step 3 failed.*up to step 2 is saved"):
        grpo.train(arguments(folder, tmp_path, *STEPS, "--save-every", "99", "--eval-every", "0"))
    assert checkpoint(tmp_path)["step"] == 2


def test_a_half_learned_step_is_not_saved(folder: Path, tmp_path: Path, breaking: Any) -> None:
    learned = iter([False])

    def die() -> None:
        if next(learned, True):  # in front of the second minibatch
            raise EngineError("gone")

    breaking(Learner, "learn", die)
    with pytest.raises(EngineError, match=r"gone.*up to step 2 is saved"):
        grpo.train(arguments(folder, tmp_path, *STEPS))
    assert checkpoint(tmp_path)["step"] == 2


def test_a_step_is_saved_before_its_evaluation_which_is_made_up_for(
    folder: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = grpo.evaluate, count(1)

    async def second_fails(*args: Any) -> Any:
        if next(calls) == 2:
            raise EngineError("device lost")
        return await original(*args)

    monkeypatch.setattr(grpo, "evaluate", second_fails)
    with pytest.raises(EngineError, match=r"device lost.*up to step 2 is saved"):
        grpo.train(arguments(folder, tmp_path, *STEPS, "--save-every", "99"))
    monkeypatch.undo()
    grpo.train(arguments(folder, tmp_path, *STEPS, "--save-every", "99"))
    assert [(line["step"], line.get("evaluation")) for line in lines(tmp_path)] == [
        (line["step"], line.get("evaluation")) for line in lines(whole)
    ]


def test_a_run_that_was_killed_after_its_last_checkpoint_still_leaves_its_model(folder: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    grpo.train(arguments(folder, out, *STEPS))
    said = json.loads((out / grpo.FACTS).read_text())
    for name in (grpo.FACTS, "model.safetensors"):
        (out / name).unlink()
    grpo.train(arguments(folder, out, *STEPS))
    assert (out / "model.safetensors").exists()
    again = json.loads((out / grpo.FACTS).read_text())
    assert {**again, "seconds": 0} == {**said, "seconds": 0}
    grpo.train(arguments(folder, out, *STEPS))  # nothing to do
    assert json.loads((out / grpo.FACTS).read_text()) == again


def test_nothing_is_removed_from_a_folder_of_another_run(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    grpo.train(arguments(folder, out, *STEPS))
    (out / CHECKPOINT).unlink()
    foreign = tmp_path / "foreign"
    (foreign / "best").mkdir(parents=True)
    (foreign / "best" / "config.json").write_text("{}")
    (foreign / "metrics.jsonl").write_text("{}\n")
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    for where, more, message in (
        (out, ("--seed", "1"), "is of a run with --seed 0, not 1"),
        (out, ("--steps", "9"), "is trained already, and .* is gone"),
        (foreign, (), r"metrics\.jsonl is of a run that nothing else is known of"),
        (folder, (), "--model and --out are the same folder"),
    ):
        with pytest.raises(ConfigError, match=message):
            grpo.train(arguments(folder, where, *STEPS, *more))
    assert {path: path.read_bytes() for path in before} == before


def test_ctrl_c_ends_the_step_and_saves_it(
    folder: Path, whole: Path, tmp_path: Path, breaking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pressed = iter([True])
    breaking(Learner, "learn", lambda: signal.raise_signal(signal.SIGINT) if next(pressed, False) else None)
    with pytest.raises(Interrupted, match="stopped after step 3: the same command goes on from here"):
        grpo.train(arguments(folder, tmp_path, *STEPS))
    assert checkpoint(tmp_path)["step"] == 3
    ends_like(whole, folder, tmp_path, monkeypatch)


@pytest.mark.parametrize("where", ["forward", "optimizer", "sampling", "cpu"])
def test_out_of_memory_names_what_to_lower(
    folder: Path, whole: Path, tmp_path: Path, breaking: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def run_out() -> None:
        # As the CPU's allocator says it.
        raise (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 2 GiB")
            if where == "cpu"
            else (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
        )

    owner, name = {
        "forward": (Learner, "_accumulate"),
        "optimizer": (torch.optim.AdamW, "step"),
        "cpu": (torch.optim.AdamW, "step"),
        "sampling": (Decoder, "step"),
    }[where]
    breaking(owner, name, run_out)
    knobs = "--max-requests, --slots or --row-tokens" if where == "sampling" else "--slots, --row-tokens or --gpu-memory"
    with pytest.raises((ConfigError, EngineError), match=knobs):
        grpo.train(arguments(folder, tmp_path, *STEPS))
    assert checkpoint(tmp_path)["step"] == 2
    ends_like(whole, folder, tmp_path, monkeypatch)


def test_a_loss_that_is_no_number_saves_its_batch_and_a_lower_rate_goes_on(
    folder: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grpo.train(arguments(folder, tmp_path, *STEPS, "--steps", "2"))
    with pytest.raises(BadBatch, match=r"step 3: the loss is nan .*lower --lr.*stopped\.jsonl"):
        grpo.train(arguments(folder, tmp_path, *STEPS, "--lr", "1e30"))
    rows = [json.loads(line) for line in (tmp_path / grpo.STOPPED).read_text().splitlines()]
    assert rows and all(row["units"] and all(map(math.isfinite, row["weights"])) for row in rows)
    ends_like(whole, folder, tmp_path, monkeypatch)


def test_a_policy_whose_samples_are_no_numbers_says_so(tmp_path: Path) -> None:
    write_countdown(tmp_path / "model")
    run = arguments(tmp_path / "model", tmp_path / "out", "--steps", "2", "--minibatches", "1", "--lr", "1e30")
    with pytest.raises(EngineError, match=r"step 2 failed.*logits are no numbers.*lower --lr; there is no checkpoint yet"):
        grpo.train(run)


def test_a_power_cut_while_saving_leaves_the_last_checkpoint_whole(
    folder: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerCut(Exception):
        pass

    saves, original = count(1), torch.save

    def save_or_fail(state: object, path: Path) -> None:
        if next(saves) == 2:
            path.write_bytes(b"half")
            raise PowerCut
        original(state, path)

    monkeypatch.setattr(torch, "save", save_or_fail)
    with pytest.raises(PowerCut):
        grpo.train(arguments(folder, tmp_path, *STEPS))
    assert checkpoint(tmp_path)["step"] == 2
    ends_like(whole, folder, tmp_path, monkeypatch)


def test_a_checkpoint_of_another_tokenizer_is_not_gone_on_with(tmp_path: Path) -> None:
    model, out = tmp_path / "model", tmp_path / "out"
    write_planner(model)
    grpo.train(arguments(model, out, "--steps", "1"))
    other = tmp_path / "other"
    make_tokenizer(other, samples=100, vocabulary=600)
    shutil.copyfile(other / "tokenizer.json", model / "tokenizer.json")
    with pytest.raises(ConfigError, match=r"is of a run with (--)?tokenizer '\w+', not '\w+'"):
        grpo.train(arguments(model, out, "--steps", "2"))


def test_a_model_with_another_tokenizer_is_refused(tmp_path: Path) -> None:
    write_countdown(tmp_path / "countdown")
    make_tokenizer(tmp_path / "countdown", samples=100, vocabulary=600)
    with pytest.raises(ConfigError, match="is a countdown model with another tokenizer"):
        grpo.train(arguments(tmp_path / "countdown", tmp_path / "out", "--steps", "1"))
    write_planner(tmp_path / "planner")
    make_tokenizer(tmp_path / "planner", samples=200, vocabulary=700)
    with pytest.raises(ConfigError, match="has 700 tokens, its model 600: they are of two models"):
        grpo.train(arguments(tmp_path / "planner", tmp_path / "out", "--steps", "1"))
    assert not (tmp_path / "out" / CHECKPOINT).exists()
