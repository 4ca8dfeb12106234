"""Runs the owed problems of an eval concurrently and writes each row the moment it is finished."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from orchestra.countdown.attempt import Attempt, Setup, attempt
from orchestra.countdown.problem import Problem
from orchestra.engine import Engine
from orchestra.errors import EngineError, first_cause

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

    An engine failure becomes a row with `error`; the others go on, until as many in a row as run at once have failed: then the engine is
    taken for dead and `EngineError` ends the run, instead of every owed problem waiting in vain. A row that cannot be written ends the run with `ConfigError`. Cancelling
    (Ctrl-C) aborts what runs; finished rows are on disk.
    """
    owed: Iterator[tuple[Problem, int]] = iter(
        [(problem, epoch) for epoch in range(epochs) for problem in problems if (problem.key, epoch) not in folder.done]
    )

    failed_in_a_row = 0

    async def worker() -> None:
        nonlocal failed_in_a_row
        for problem, epoch in owed:
            attempted = await attempt(engine, problem, setup, session=f"{problem.key}#{epoch}")
            sample = to_sample(attempted, epoch=epoch, at_once=concurrency)
            folder.append(sample)
            if on_sample:
                on_sample(sample, attempted)
            failed_in_a_row = failed_in_a_row + 1 if sample.error else 0
            if failed_in_a_row >= max(3, concurrency):
                raise EngineError(
                    f"the engine failed on {failed_in_a_row} problems in a row, at last with: {sample.error}. Finished rows are kept: mend"
                    " the engine and run the same command again"
                )

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
    except ExceptionGroup as errors:
        # All workers share one disk and one engine: the first to fail says it for all.
        raise first_cause(errors) from errors
