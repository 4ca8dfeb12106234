"""Tries at Countdown problems for self-training."""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from orchestra.countdown.attempt import Setup, attempt
from orchestra.countdown.model import read_card
from orchestra.countdown.problem import SPLITS, Problem, Split
from orchestra.engine import Engine
from orchestra.errors import ConfigError

from ..countdown_problems import problems_of
from ..formats import check_unit
from ..packing import Demonstration
from ..rollout import Rollout, rollout_of_attempt
from .run import Attempts, Try

AT_ONCE = 64
"""Problems. Each has a few dozen requests at a time."""


def countdown(args: argparse.Namespace) -> Attempts:
    """Raises `ConfigError` for a model of another notation or without the method, and for a split that Countdown does not have."""
    card = read_card(args.model)
    splits = {split: _known(split) for split in args.split}
    setup = Setup(method=args.method, window=args.window, temperature=args.temperature, logprobs=True)
    card.check(args.model, setup)

    async def attempts(engine: Engine, split: str, shard: int) -> Sequence[Sequence[Try]]:
        rng = random.Random(f"self-training/{split}/{args.seed}/{shard}")
        count = min(args.shard_size, args.problems - shard * args.shard_size)
        problems = list(islice(problems_of(splits[split], rng), count))
        room = asyncio.Semaphore(AT_ONCE)

        async def one(problem: Problem, number: int) -> Try:
            async with room:
                found = await attempt(engine, problem, replace(setup, seed=_seed(args.seed, shard, problem, number)))
                return read(rollout_of_attempt(found, group=problem.key), strict=args.strict, split=splits[split])

        async with asyncio.TaskGroup() as group:
            tasks = [[group.create_task(one(problem, number)) for number in range(args.samples)] for problem in problems]
        return [[task.result() for task in tries] for tries in tasks]

    return attempts


def _seed(seed: int, shard: int, problem: Problem, number: int) -> int:
    return random.Random(f"{seed}/{shard}/{problem.key}/{number}").getrandbits(31)


def read(rollout: Rollout, *, strict: bool, split: Split) -> Try:
    """A rollout as a try. Its cost is its work."""
    facts = rollout.facts
    units = tuple(Demonstration(unit.prompt, unit.sampled) for unit in rollout.units)
    verified = rollout.error is None and facts.correct and not (facts.malformed or facts.refused or facts.cut)
    if strict and verified:
        verified = not any(check_unit(unit, split=split) for unit in rollout.units)
    return Try(units, facts.correct and rollout.error is None, verified, facts.work, rollout.error)


def _known(split: str) -> Split:
    for known in SPLITS:
        if known == split:
            return known
    raise ConfigError(f"Countdown's splits are {', '.join(SPLITS)}, got {split!r}")
