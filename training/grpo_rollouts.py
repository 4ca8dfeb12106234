"""Fork–join rollouts of Countdown problems: groups for training, and greedy answers to held-out problems."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from itertools import islice
from statistics import fmean

from orchestra.countdown.attempt import Attempt, Setup, attempt
from orchestra.countdown.problem import Problem, Split, generate
from orchestra.engine import Engine
from orchestra.errors import EngineError

from .rollout import Facts, Rollout, rollout_of_attempt, scorable

_STEP_STRIDE = 1_000_003
"""A prime: seeds of steps of runs with near seeds do not meet."""


def problems_of_step(number: int, *, seed: int, step: int, size: int) -> list[Problem]:
    """Training problems of one step, decided by the seed and the step alone, so that a resumed run sees the same."""
    return problems("train", number, seed=seed * _STEP_STRIDE + step, size=size)


def problems(split: Split, number: int, *, seed: int, size: int) -> list[Problem]:
    return list(islice(generate(split, seed=seed, size=size), number))


async def sample_groups(
    engine: Engine, problems: Sequence[Problem], setup: Setup, *, group: int, step: int, seed: int | None
) -> list[Rollout]:
    """`group` rollouts of each problem, all at once; `setup` says how, and must ask for log-probabilities. `seed` None: the engine's.

    Rollouts whose engine failed are among them, with their error. Raises `EngineError` when all of them failed.
    """
    jobs = [(place, problem, member) for place, problem in enumerate(problems) for member in range(group)]
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(
                attempt(
                    engine,
                    problem,
                    setup if seed is None else dataclasses.replace(setup, seed=seed * _STEP_STRIDE + step),
                    session=f"{step}/{place}/{member}",
                )
            )
            for place, problem, member in jobs
        ]
    rollouts = [
        rollout_of_attempt(task.result(), group=f"{step}/{place}") for (place, _, _), task in zip(jobs, running, strict=True)
    ]
    if rollouts and not scorable(rollouts):
        raise EngineError(f"all {len(rollouts)} rollouts of step {step} failed, the first with: {rollouts[0].error}")
    return rollouts


async def evaluate(engine: Engine, problems: Sequence[Problem], setup: Setup) -> dict[str, float]:
    """Greedy, at the window of `setup`: means over the problems on which the engine did not fail, and how many did (`failed`).

    Raises `EngineError` when it failed on all."""
    setup = dataclasses.replace(setup, temperature=0.0, seed=None, logprobs=False)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(attempt(engine, problem, setup)) for problem in problems]
    done = [task.result() for task in running]
    kept = [one for one in done if one.error is None]
    if not kept:
        raise EngineError(f"all {len(done)} evaluation problems failed, the first with: {done[0].error}")
    return {
        "accuracy": fmean(one.correct for one in kept),
        "work": fmean(one.ledger.work for one in kept),
        "span": fmean(one.ledger.span for one in kept),
        "children": fmean(_children(one) for one in kept),
        "problems": len(kept),
        "failed": len(done) - len(kept),
    }


def _children(one: Attempt) -> int:
    return sum(thread.depth > 0 and thread.started is not None for thread in one.tree.threads)


def means(facts: Sequence[Facts]) -> dict[str, float]:
    """What the log says about a step's scored rollouts."""
    return {
        "accuracy": fmean(one.correct for one in facts),
        "work": fmean(one.work for one in facts),
        "span": fmean(one.span for one in facts),
        "parallelism": fmean(one.parallelism for one in facts),
        "children": fmean(one.children for one in facts),
        "format_errors": fmean(one.malformed for one in facts),
        "refused": fmean(one.refused for one in facts),
        "cut": fmean(one.cut for one in facts),
        "wrong": fmean(one.flaw is not None for one in facts),
    }
