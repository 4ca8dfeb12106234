"""Countdown for `grpo`: fork–join rollouts by the same `attempt` that answers users."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Sequence
from itertools import islice

from orchestra.countdown.attempt import Setup, attempt
from orchestra.countdown.problem import Problem, Split, generate
from orchestra.engine import Engine
from orchestra.errors import ConfigError

from ..countdown_problems import large_problems
from ..rollout import Rollout, facts_of_attempt, rollout_of_attempt
from .domain import STEP_STRIDE, Answer, held_out_splits, some_succeeded

HELD_OUT: tuple[Split, ...] = ("validation", "test")
""""test" is measured, and does not choose the best policy (`grpo.domain.evaluate`)."""


class Countdown:
    """`setup` says how problems are tried; its temperature is that of training."""

    def __init__(
        self,
        setup: Setup,
        *,
        size: int,
        problems: int,
        group: int,
        seed: int,
        held_out: Sequence[str] | None = None,
        held_out_problems: int = 0,
        hard: float = 0.0,
    ) -> None:
        """`problems` of `size` numbers a step, `held_out_problems` of each held-out split (default: "validation").

        `hard` is the share among the `problems` of a step of those that take large numbers (`training.countdown_problems`).
        """
        if hard and size != 4:
            raise ConfigError(f"--hard knows problems of 4 numbers, got --size {size}: leave it out")
        self._setup = dataclasses.replace(setup, logprobs=True)
        self._size, self._problems, self._group, self._seed, self._hard = size, problems, group, seed, hard
        asked = held_out_splits(held_out, HELD_OUT, "validation") if held_out_problems else ()
        self._asked = {split: generated(split, held_out_problems, seed=0, size=size) for split in HELD_OUT if split in asked}

    @property
    def held_out(self) -> tuple[str, ...]:
        return tuple(self._asked)

    async def rollouts(self, engine: Engine, *, step: int, seed: int | None) -> list[Rollout]:
        asked = problems_of_step(self._problems, seed=self._seed, step=step, size=self._size, hard=self._hard)
        return await sample_groups(engine, asked, self._setup, group=self._group, step=step, seed=seed)

    async def answers(self, engine: Engine, split: str) -> list[Answer]:
        setup = dataclasses.replace(self._setup, temperature=0.0, seed=None, logprobs=False)
        problems = next(problems for known, problems in self._asked.items() if known == split)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(attempt(engine, problem, setup)) for problem in problems]
        return [Answer(facts_of_attempt(task.result()), task.result().error) for task in running]


def problems_of_step(number: int, *, seed: int, step: int, size: int, hard: float = 0.0) -> list[Problem]:
    """Training problems of one step, decided by the seed and the step alone; the share `hard` of them take large numbers."""
    harder, own = round(hard * number), seed * STEP_STRIDE + step
    return [
        *islice(large_problems("train", random.Random(own)), harder),
        *generated("train", number - harder, seed=own, size=size),
    ]


def generated(split: Split, number: int, *, seed: int, size: int) -> list[Problem]:
    return list(islice(generate(split, seed=seed, size=size), number))


async def sample_groups(
    engine: Engine, problems: Sequence[Problem], setup: Setup, *, group: int, step: int, seed: int | None
) -> list[Rollout]:
    """`group` rollouts of each problem, all at once; `setup` says how, and must ask for log-probabilities. `seed` None: the engine's.

    Rollouts whose engine failed are among them, with their error. Raises `EngineError` when all of them failed.
    """
    if seed is not None:
        setup = dataclasses.replace(setup, seed=seed * STEP_STRIDE + step)
    jobs = [(place, problem, member) for place, problem in enumerate(problems) for member in range(group)]
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(attempt(engine, problem, setup, session=f"{step}/{place}/{member}"))
            for place, problem, member in jobs
        ]
    found = [rollout_of_attempt(task.result(), group=f"{step}/{place}") for (place, _, _), task in zip(jobs, running, strict=True)]
    return some_succeeded(found, step=step)
