"""Self-training keeps what was verified, as it was sampled, and only from the train split."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("transformers", reason="training needs transformers")

from orchestra.training.formats import check_file
from orchestra.training.packing import Demonstration, Rows, load
from orchestra.training.planner.check import Checker
from orchestra.training.planner.data import make_tokenizer
from orchestra.training.planner.grammar import Split
from orchestra.training.planner.task import PlanningTask, tasks
from orchestra.training.planner.tokenizer import Encoder
from orchestra.training.self_training import countdown as self_training_countdown
from orchestra.training.self_training import planner as self_training_planner
from orchestra.training.self_training import run as self_training
from orchestra.training.self_training.planner import read
from orchestra.training.self_training.run import Try, select
from orchestra.training.sft.language import of_rows

from orchestra.countdown import player
from orchestra.countdown.model import shipped_model
from orchestra.engine import Engine
from orchestra.engine.scripted import ScriptedEngine
from orchestra.errors import EngineError


def tried(target: int, *, verified: bool = True, cost: int = 1, error: str | None = None) -> Try:
    return Try((Demonstration((1,), (target,)),), verified, verified, cost, error)


def test_the_cheapest_different_verified_tries_are_kept() -> None:
    problems = [
        [tried(5, cost=3), tried(6, cost=2), tried(6, cost=2), tried(7, verified=False, cost=1)],
        [tried(8, verified=False, error="the engine died")],
    ]
    chosen, count = select(problems, keep=2)
    assert [one.target for one in chosen] == [(6,), (5,)]
    assert (count.problems, count.tries, count.errors, count.verified, count.solved, count.kept) == (2, 5, 1, 3, 1, 2)


def countdown(out: Path, *more: str) -> list[str]:
    few = ["--problems", "6", "--temperature", "0", "--shard-size", "4", "--engine", "scripted"]
    return ["--model", str(shipped_model()), "--out", str(out), *few, *more]


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    """The symbolic player in place of the model."""
    monkeypatch.setattr(self_training, "open_engine", lambda spec, **options: ScriptedEngine(player.answer))


@pytest.mark.usefixtures("played")
@pytest.mark.parametrize("strict", [(), ("--strict",)])
def test_verified_searches_become_rows_that_the_checks_let_pass(tmp_path: Path, strict: Sequence[str]) -> None:
    assert self_training.main(countdown(tmp_path, *strict)) == 0
    shards = sorted(tmp_path.glob("*.npz"))
    assert len(shards) == 2 and load(shards).trained.any()
    for shard in shards:
        check_file(shard).require()
    assert of_rows(tmp_path).domain == "countdown"
    counts = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("train-*.json"))]
    assert [count["problems"] for count in counts] == [4, 2]
    total = json.loads((tmp_path / "summary.json").read_text())["train"]
    assert total["problems"] == 6 and 0 < total["kept"] == total["verified"] <= total["correct"]
    before = [shard.stat().st_mtime_ns for shard in shards]
    assert self_training.main(countdown(tmp_path, *strict)) == 0
    assert [shard.stat().st_mtime_ns for shard in shards] == before


@pytest.mark.usefixtures("played")
def test_held_out_splits_are_measured_and_never_written_as_rows(tmp_path: Path) -> None:
    assert self_training.main(countdown(tmp_path, "--split", "validation", "test")) == 0
    assert not list(tmp_path.glob("*.npz"))
    assert {split: count["tries"] for split, count in json.loads((tmp_path / "summary.json").read_text()).items()} == {
        "validation": 6,
        "test": 6,
    }


def test_an_engine_that_fails_leaves_no_shard_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def dead(spec: str, **options: object) -> Engine:
        raise EngineError("the server is gone")

    monkeypatch.setattr(self_training, "open_engine", dead)
    assert self_training.main(countdown(tmp_path)) == 1
    assert "the server is gone" in capsys.readouterr().err and not list(tmp_path.glob("*.npz"))
    assert self_training.main(countdown(tmp_path, "--split", "wider")) == 1
    assert "Countdown's splits are" in capsys.readouterr().err


def test_shards_stay_when_the_engine_dies_and_the_next_run_makes_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(self_training, "open_engine", lambda spec, **options: ScriptedEngine(player.answer))
    assert self_training.main(countdown(tmp_path / "unbroken")) == 0
    alive = self_training_countdown.countdown

    def dying(args: argparse.Namespace) -> self_training.Attempts:
        attempts = alive(args)

        async def some(engine: Engine, split: str, shard: int) -> Sequence[Sequence[Try]]:
            return [[Try((), False, False, 0, "the server is gone")]] * 2 if shard else await attempts(engine, split, shard)

        return some

    with monkeypatch.context() as patch:
        patch.setattr(self_training_countdown, "countdown", dying)
        assert self_training.main(countdown(tmp_path / "broken")) == 1
    assert "2 of the 2 tries of train-0001 failed (the server is gone)" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "broken").glob("*.npz")] == ["train-0000.npz"]
    assert self_training.main(countdown(tmp_path / "broken")) == 0
    for whole in sorted((tmp_path / "unbroken").glob("*.npz")):
        assert (tmp_path / "broken" / whole.name).read_bytes() == whole.read_bytes()
    assert self_training.main(countdown(tmp_path / "broken", "--seed", "1")) == 1
    assert "is of a run with --seed 0, not 1" in capsys.readouterr().err


def test_a_plan_counts_when_it_ran_to_the_answer_without_a_wasted_call(tmp_path: Path) -> None:
    make_tokenizer(tmp_path, samples=200, vocabulary=700)
    encoder, checker = Encoder(tmp_path), Checker()

    def judged(task: PlanningTask, plan: str) -> Try:
        return asyncio.run(read(checker, task, (encoder.demonstration(task), plan)))

    task = next(one for one in islice(tasks("train", 0), 100) if one.skeleton == "subtract(lookup(s,s),lookup(s,s))")
    assert judged(task, task.plan).verified
    wasteful = judged(task, task.plan.replace("4. join($3)", "4. add([$3, 0])\n5. join($4)"))
    assert (wasteful.correct, wasteful.verified) == (True, False)
    assert not judged(task, random.Random(0).choice(("I do not know.", ""))).correct
    assert not asyncio.run(read(checker, task, None)).correct


def trained_parts(rows: Rows) -> Iterator[tuple[int, ...]]:
    for ids, document, trained in zip(rows.token_ids, rows.document, rows.trained, strict=True):
        for number in range(1, document.max() + 1):
            yield tuple(ids[trained & (document == number)].tolist())


def test_plans_that_ran_become_rows_of_what_was_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, out = tmp_path / "model", tmp_path / "out"
    make_tokenizer(model, samples=200, vocabulary=700)
    (model / "planner.json").write_text("{}")
    (model / "config.json").write_text('{"max_position_embeddings": 512}')
    encoder = Encoder(model)
    gold: dict[tuple[int, ...], tuple[int, ...]] = {}

    def remembered(split: Split, seed: int) -> Iterator[PlanningTask]:
        for number, task in enumerate(tasks(split, seed)):
            one = encoder.demonstration(task)
            gold[one.prompt] = one.target if number % 2 else (encoder.end,)
            yield task

    monkeypatch.setattr(self_training_planner, "tasks", remembered)
    monkeypatch.setattr(self_training, "open_engine", lambda spec, **options: ScriptedEngine(lambda prompt: gold[tuple(prompt)]))
    few = ["--model", str(model), "--out", str(out), "--problems", "8", "--shard-size", "8", "--temperature", "0"]
    assert self_training.main([*few, "--split", "train", "deeper"]) == 0
    total = json.loads((out / "summary.json").read_text())
    assert {split: (one["tries"], one["correct"], one["kept"]) for split, one in total.items()} == {
        "train": (8, 4, 4),
        "deeper": (8, 4, 4),
    }
    rows = load([*out.glob("*.npz")])
    assert sorted(trained_parts(rows)) == sorted(target for target in [*gold.values()][:8] if len(target) > 1)
    assert of_rows(out).domain == "planner"
