"""Tries at planning tasks for self-training."""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Sequence
from itertools import islice

from orchestra.chat.tokenizer import ChatTokenizer
from orchestra.engine import Engine, Request, Sampling
from orchestra.errors import ConfigError

from ..packing import Demonstration
from ..planner.check import Checker
from ..planner.data import WIDTH
from ..planner.grammar import SPLITS, Split
from ..planner.task import PlanningTask, tasks
from ..planner.tokenizer import Encoder
from .run import Attempts, Try


def planner(args: argparse.Namespace) -> Attempts:
    """Raises `ConfigError` for a split that the planner does not have."""
    splits = {split: _known(split) for split in args.split}
    encoder, chat = Encoder(args.model), ChatTokenizer.load(args.model)

    async def attempts(engine: Engine, split: str, shard: int) -> Sequence[Sequence[Try]]:
        count = min(args.shard_size, args.problems - shard * args.shard_size)
        # Beyond the seeds that the data writer gives its shards, so that these are new tasks.
        made = list(islice(tasks(splits[split], 1_000_000_007 + args.seed * 1_000_003 + shard), count))
        checker, room = Checker(), asyncio.Semaphore(args.requests)

        async def one(task: PlanningTask, number: int) -> tuple[Demonstration, str] | None:
            """What was sampled, as ids and as text; None where the plan found no end."""
            prompt = encoder.demonstration(task).prompt
            if (most := (engine.capabilities.context or WIDTH) - len(prompt)) < 1:
                return None
            seed = random.Random(f"{args.seed}/{shard}/{task.task}/{number}").getrandbits(31)
            sampling = Sampling(
                max_tokens=most, temperature=args.temperature, seed=seed, stop_token_ids=(encoder.end,), logprobs=False
            )
            async with room:
                completion = await engine.generate(Request(prompt=prompt, sampling=sampling, session=task.task))
            if completion.finish != "stop":
                return None
            reading = chat.detokenizer()
            text = reading.feed(completion.token_ids) + reading.end()
            return Demonstration(prompt, tuple(completion.token_ids)), text

        async with asyncio.TaskGroup() as group:
            running = [[group.create_task(one(task, number)) for number in range(args.samples)] for task in made]
        return [
            [await read(checker, task, sampled.result()) for sampled in tries] for task, tries in zip(made, running, strict=True)
        ]

    return attempts


async def read(checker: Checker, task: PlanningTask, sampled: tuple[Demonstration, str] | None) -> Try:
    """A plan as a try. Its cost is its length: of plans with the same calls the one with nothing superfluous."""
    if sampled is None:
        return Try((), False, False, 0)
    demonstration, text = sampled
    grade = await checker.grade(task, text)
    verified = grade.correct and not grade.findings and grade.calls <= task.calls
    return Try((demonstration,), grade.correct, verified, len(demonstration.target))


def _known(split: str) -> Split:
    for known in SPLITS:
        if known == split:
            return known
    raise ConfigError(f"the planner's splits are {', '.join(SPLITS)}, got {split!r}")
