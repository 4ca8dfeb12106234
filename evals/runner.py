"""Runs the owed problems of an eval concurrently and writes each row the moment it is finished."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from orchestra.countdown.attempt import Attempt, Setup, attempt
from orchestra.countdown.problem import Problem
from orchestra.engine import Engine
from orchestra.errors import first_cause

from .samples import Sample, SampleFolder

OnSample = Callable[[Sample, Attempt], None]


def to_sample(attempted: Attempt, *, epoch: int, at_once: int) -> Sample:
    tree, account = attempted.tree, attempted.ledger
    return Sample(
        problem=attempted.problem.key,
        epoch=epoch,
        numbers=list(attempted.problem.numbers),
        target=attempted.problem.target,
        answer=attempted.answer,
        correct=attempted.correct,
        error=attempted.error,
        flaw=attempted.flaw,
        status=tree.root.status,
        timed_out=tree.timed_out,
        work=account.work,
        span=account.span,
        injected=account.injected,
        cached=account.cached,
        prefilled=account.prefilled,
        wasted=account.wasted,
        unobserved=account.unobserved,
        explored=attempted.explored,
        requests=account.requests,
        children=account.children,
        refused=account.refused,
        engine_seconds=round(account.engine_seconds, 6),
        wall_seconds=round(account.wall_seconds, 6),
        at_once=at_once,
    )


async def run_owed(
    engine: Engine,
    problems: Sequence[Problem],
    setup: Setup,
    folder: SampleFolder,
    *,
    epochs: int = 1,
    concurrency: int = 64,
    on_sample: OnSample | None = None,
) -> None:
    """Run every (problem, epoch) that `folder` does not hold yet, `concurrency` at a time.

    An engine failure becomes a row with `error`; the others go on. A row that cannot be written ends the run with `ConfigError`. Cancelling
    (Ctrl-C) aborts what runs; finished rows are on disk.
    """
    owed: Iterator[tuple[Problem, int]] = iter(
        [(problem, epoch) for epoch in range(epochs) for problem in problems if (problem.key, epoch) not in folder.done]
    )

    async def worker() -> None:
        for problem, epoch in owed:
            attempted = await attempt(engine, problem, setup, session=f"{problem.key}#{epoch}")
            sample = to_sample(attempted, epoch=epoch, at_once=concurrency)
            folder.append(sample)
            if on_sample:
                on_sample(sample, attempted)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
    except ExceptionGroup as errors:
        # All workers share one disk and one engine: the first to fail says it for all.
        raise first_cause(errors) from errors
