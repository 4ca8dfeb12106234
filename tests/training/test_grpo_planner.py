"""GRPO on plans: facts come from what the scheduler ran, tasks from the train split, and a run needs nothing but the model's folder."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("transformers", reason="training needs transformers")

from orchestra.training.grpo import planner as grpo_planner
from orchestra.training.grpo import run as grpo
from orchestra.training.grpo.domain import evaluate
from orchestra.training.grpo.planner import DRAWN, OFFERED, Planner, facts_of
from orchestra.training.planner.check import Checker
from orchestra.training.planner.grammar import Split
from orchestra.training.planner.task import PlanningTask, tasks
from orchestra.training.planner.tokenizer import Encoder
from orchestra.training.rewards import Setting, read_reward
from orchestra.training.rollout import Facts, from_line, scorable, to_line
from tiny_policy import arguments, lines, write_countdown, write_planner

from orchestra.engine.scripted import ScriptedEngine
from orchestra.errors import ConfigError, EngineError

REWARD = read_reward("correct - wasted(price=0.1) - span(price=0.02) - format_errors(price=0.05)")
Play = Callable[[PlanningTask], Sequence[int]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("planner")
    write_planner(path)
    return path


@pytest.fixture
def known(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[int, ...], PlanningTask]:
    """Every task that is drawn, by its prompt."""
    encoder, seen = Encoder(folder), {}

    def remembered(split: Split, seed: int) -> Iterator[PlanningTask]:
        for task in tasks(split, seed):
            seen[encoder.demonstration(task).prompt] = task
            yield task

    monkeypatch.setattr(grpo_planner, "tasks", remembered)
    return seen


def planner(folder: Path, **more: Any) -> Planner:
    sizes = {"window": 512, "temperature": 1.0, "problems": 4, "group": 2, "seed": 0}
    return Planner(folder, **sizes | more)


def easy() -> PlanningTask:
    return next(one for one in islice(tasks("train", 0), 200) if one.skeleton == "subtract(lookup(s,s),lookup(s,s))")


def graded(task: PlanningTask, plan: str) -> Facts:
    return facts_of(task, asyncio.run(Checker().grade(task, plan)), ended="finished")


def test_a_plan_is_paid_for_its_answer_less_its_span_and_its_wasted_calls() -> None:
    task = easy()
    right = graded(task, task.plan)
    assert (right.correct, right.work, right.span, right.wasted, right.malformed) == (True, 3, 2, 0, 0)
    assert right.parallelism == 1.5
    wasteful = graded(task, task.plan.replace("4. join($3)", "4. add([$3, 0])\n5. join($4)"))
    assert (wasteful.correct, wasteful.work, wasteful.span, wasteful.wasted) == (True, 4, 3, 1)
    wrong = graded(task, task.plan.replace("subtract", "multiply"))
    assert (wrong.correct, wrong.work) == (False, 3) and wrong.flaw and str(task.answer) in wrong.flaw
    stray = graded(task, "I do not know.")
    assert (stray.correct, stray.work, stray.flaw) == (False, 0, None) and stray.malformed
    endless = facts_of(task, None, ended="cut")
    assert endless.malformed == 1 and facts_of(task, None, ended="failed").malformed == 0
    paid = [REWARD(facts, Setting(step=1, solved=0.5)).value for facts in (right, wasteful, endless, wrong, stray)]
    assert paid == pytest.approx([1 - 0.04, 1 - 0.1 - 0.06, -0.05, 0.0, -0.05 * stray.malformed])


def test_a_group_is_sampled_graded_and_kept_as_it_was_sampled(folder: Path, known: dict[tuple[int, ...], PlanningTask]) -> None:
    encoder = Encoder(folder)
    tries: dict[tuple[int, ...], int] = {}

    def answer(prompt: list[int]) -> Sequence[int]:
        tries[tuple(prompt)] = tries.get(tuple(prompt), 0) + 1
        first = tries[tuple(prompt)] == 1
        return encoder.demonstration(known[tuple(prompt)]).target if first else (encoder.end,)

    found = asyncio.run(planner(folder).rollouts(ScriptedEngine(answer), step=3, seed=0))
    assert [one.group for one in found] == ["3/0", "3/0", "3/1", "3/1", "3/2", "3/2", "3/3", "3/3"]
    assert [one.facts.correct for one in found] == [True, False] * 4
    for one in found:
        (unit,) = one.units
        gold = encoder.demonstration(known[unit.prompt])
        assert unit.sampled == (gold.target if one.facts.correct else (encoder.end,)) and len(unit.logprobs) == len(unit.sampled)
        assert from_line(to_line(one)) == one


def test_plans_whose_engine_failed_are_dropped_and_all_of_them_stop_the_run(
    folder: Path, known: dict[tuple[int, ...], PlanningTask]
) -> None:
    calls = iter(range(100))

    def flaky(prompt: list[int]) -> Sequence[int]:
        if next(calls) % 2:
            raise EngineError("connection lost")
        return [Encoder(folder).end]

    found = asyncio.run(planner(folder).rollouts(ScriptedEngine(flaky), step=1, seed=0))
    assert len(found) == 8 and len(scorable(found)) == 4

    def dead(prompt: list[int]) -> Sequence[int]:
        raise EngineError("connection lost")

    with pytest.raises(EngineError, match="all 8 rollouts of step 1 failed, the first with: .*connection lost"):
        asyncio.run(planner(folder).rollouts(ScriptedEngine(dead), step=1, seed=0))


def test_held_out_splits_are_answered_apart_and_together(folder: Path, known: dict[tuple[int, ...], PlanningTask]) -> None:
    encoder = Encoder(folder)

    def answer(prompt: list[int]) -> Sequence[int]:
        task = known[tuple(prompt)]
        return encoder.demonstration(task).target if task.split == "deeper" else (encoder.end,)

    domain = planner(folder, held_out=["deeper", "names"], held_out_problems=3)
    found = asyncio.run(evaluate(domain, ScriptedEngine(answer)))
    assert found["accuracy"] == 0.5 and found["problems"] == 6
    assert {split: one["accuracy"] for split, one in found["splits"].items()} == {"names": 0.0, "deeper": 1.0}
    assert found["by_children"]["0"] == (0, 3)
    assert sum(right for right, _ in found["by_children"].values()) == 3


def sampled_tasks(
    folder: Path, known: dict[tuple[int, ...], PlanningTask], *, step: int, **more: Any
) -> tuple[list[PlanningTask], int]:
    """The tasks of a step, for a policy that solves those with an even number of calls, and how many it was tried on before."""
    encoder, asked = Encoder(folder), list[tuple[int, ...]]()

    def answer(prompt: list[int]) -> Sequence[int]:
        asked.append(tuple(prompt))
        task = known[tuple(prompt)]
        return encoder.demonstration(task).target if task.calls % 2 == 0 else (encoder.end,)

    found = asyncio.run(planner(folder, problems=6, **more).rollouts(ScriptedEngine(answer), step=step, seed=0))
    return [known[one.units[0].prompt] for one in found[::2]], len(asked) - len(found)


def test_harder_tasks_are_those_that_the_policy_fails_at_and_long(folder: Path, known: dict[tuple[int, ...], PlanningTask]) -> None:
    plain, none = sampled_tasks(folder, known, step=2)
    hard, tried = sampled_tasks(folder, known, step=2, hard=1.0)
    assert (none, tried) == (0, 6 * OFFERED)
    assert all(task.calls % 2 for task in hard) and len({task.task for task in hard}) == 6
    assert sum(task.calls for task in hard) > 1.5 * sum(task.calls for task in plain)
    assert {task.split for task in (*plain, *hard)} == {"train"}


def test_some_tasks_of_a_step_stay_as_they_come(folder: Path, known: dict[tuple[int, ...], PlanningTask]) -> None:
    mixed, tried = sampled_tasks(folder, known, step=3, hard=0.5)
    assert tried == 3 * OFFERED
    drawn = list(known.values())
    assert mixed[3:] == drawn[3 * DRAWN : 3 * DRAWN + 3]
    assert sampled_tasks(folder, known, step=3, hard=0.5)[0] == mixed != sampled_tasks(folder, known, step=4, hard=0.5)[0]


def test_a_run_needs_nothing_but_the_model_s_folder(folder: Path, tmp_path: Path) -> None:
    more = ("--steps", "1", "--eval-every", "1", "--eval-problems", "2", "--eval-split", "names", "wider", "--hard", "0.5")
    grpo.train(arguments(folder, tmp_path, *more))
    before, step, _ = lines(tmp_path)
    assert set(before["evaluation"]["splits"]) == {"names", "wider"}
    assert step["rollouts"] == 12 and step["sampler_kl"] < 1e-6 and step["updates"]
    assert {"accuracy", "children", "work", "span", "parallelism", "clip_share", "staleness", "format_errors"} <= set(step)
    facts = json.loads((tmp_path / grpo.FACTS).read_text())
    assert facts["arguments"]["window"] == 160 and facts["best"]["folder"] == "best"
    for kept in (tmp_path, tmp_path / "best"):
        assert (kept / "planner.json").exists() and Encoder(kept).end == Encoder(folder).end


@pytest.mark.parametrize(
    ("domain", "more", "message"),
    [
        ("planner", ("--method", "serial"), "--method serial means nothing to the planner model"),
        ("planner", ("--eval-split", "train"), "--eval-split may name names, combinations, deeper, wider here, got 'train'"),
        ("planner", ("--hard", "2"), "--hard is a share from 0 to 1, got 2"),
        ("planner", ("--window", "161"), "--window 161 is more than the 160"),
        ("countdown", ("--hard", "-1"), "--hard is a share from 0 to 1, got -1"),
        ("countdown", ("--hard", "0.5", "--size", "3"), "--hard knows problems of 4 numbers, got --size 3"),
        ("countdown", ("--eval-split", "names"), "--eval-split may name validation, test here, got 'names'"),
    ],
)
def test_arguments_of_the_other_domain_are_refused(
    folder: Path, tmp_path: Path, domain: str, more: tuple[str, ...], message: str
) -> None:
    model = folder
    if domain == "countdown":
        model = tmp_path / "countdown"
        write_countdown(model)
    with pytest.raises(ConfigError, match=message):
        grpo.train(arguments(model, tmp_path / "out", "--steps", "1", "--eval-every", "1", *more))
