"""Runs the owed tries of an eval concurrently, grades them, and writes each row the moment it is finished."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from orchestra.errors import EngineError, first_cause

from .method import Attempted, Method
from .problem import Grade, Problem
from .row import Row
from .rows import RowFolder

Grading = Callable[[Problem, str], Awaitable[Grade]]
"""A benchmark's grader with the run's equivalence."""
OnRow = Callable[[Row], None]
FEWEST_FAILURES = 3
"""Problems that fail in a row before an engine that runs one problem at a time is taken for dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How often and how many at once."""

    epochs: int = 1
    concurrency: int = 16
    retries: int = 2
    """Of a try that an infrastructure failure took, before it becomes a row with `error`."""
    traces: int | None = 0
    """How many tries are kept for looking at them, counted from the first problem of the first epoch; None: all."""


def owed_by(problems: Sequence[Problem], folder: RowFolder, epochs: int) -> Iterator[tuple[int, Problem, int]]:
    """(place, problem, epoch) of each try that `folder` does not hold yet, epoch by epoch, made one at a time."""
    ids = [problem.id for problem in problems]
    for epoch in range(epochs):
        for number, (problem, id) in enumerate(zip(problems, ids, strict=True)):
            if (id, epoch) not in folder.done:
                yield epoch * len(problems) + number, problem, epoch


async def run_owed(
    method: Method,
    problems: Sequence[Problem],
    folder: RowFolder,
    grading: Grading,
    *,
    schedule: Schedule | None = None,
    on_row: OnRow | None = None,
) -> None:
    """Run every (problem, epoch) that `folder` does not hold yet.

    An infrastructure failure is retried and then becomes a row with `error`; the others go on, until as many problems in a row as run at
    once have failed: then the engine is taken for dead and `EngineError` ends the run, instead of every owed problem waiting in vain.
    A row that cannot be written ends the run with `ConfigError`. Cancelling (Ctrl-C) aborts what runs; finished rows are on disk.
    """
    settings = schedule or Schedule()
    run = _Running(method, folder, grading, settings, on_row)
    owed = owed_by(problems, folder, settings.epochs)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(settings.concurrency):
                group.create_task(run.work(owed))
    except ExceptionGroup as errors:
        # All workers share one disk and one engine: the first to fail says it for all.
        raise first_cause(errors) from errors


class _Running:
    """What the workers of one run share."""

    def __init__(self, method: Method, folder: RowFolder, grading: Grading, schedule: Schedule, on_row: OnRow | None) -> None:
        self._method = method
        self._folder = folder
        self._grading = grading
        self._schedule = schedule
        self._on_row = on_row
        self._failing: set[tuple[str, int]] = set()
        """Tries that have failed since the last one that did not."""

    async def work(self, owed: Iterator[tuple[int, Problem, int]]) -> None:
        for place, problem, epoch in owed:
            await self._one(place, problem, epoch)

    async def _one(self, place: int, problem: Problem, epoch: int) -> None:
        key = (problem.id, epoch)
        retries = 0
        while True:
            attempted = await self._method.attempt(problem, epoch=epoch)
            if attempted.error is None:
                self._failing.clear()
                break
            self._failing.add(key)
            if retries == self._schedule.retries or len(self._failing) >= self._patience:
                break
            retries += 1
        row = row_of(
            problem, epoch, attempted, await self._grade(problem, attempted), at_once=self._schedule.concurrency, retries=retries
        )
        kept = self._schedule.traces is None or place < self._schedule.traces
        self._folder.append(row, replace(attempted.keep(), problem=problem.text) if kept and attempted.error is None else None)
        if self._on_row is not None:
            self._on_row(row)
        if len(self._failing) >= self._patience:
            raise EngineError(
                f"the engine failed on {len(self._failing)} problems in a row, at last with: {attempted.error}. Finished rows are kept: mend"
                " the engine and run the same command again"
            )

    @property
    def _patience(self) -> int:
        return max(FEWEST_FAILURES, self._schedule.concurrency)

    async def _grade(self, problem: Problem, attempted: Attempted) -> Grade:
        if attempted.error is not None or attempted.text is None:
            return Grade(correct=False, answer=None, flaw=attempted.flaw)
        grade = await self._grading(problem, attempted.text)
        return grade if grade.flaw is not None or grade.correct or attempted.flaw is None else replace(grade, flaw=attempted.flaw)


def row_of(problem: Problem, epoch: int, attempted: Attempted, grade: Grade, *, at_once: int, retries: int = 0) -> Row:
    """One try and its grade as a row."""
    costs = attempted.costs
    return Row(
        benchmark=problem.benchmark,
        problem=problem.id,
        name=problem.name,
        group=problem.group,
        epoch=epoch,
        gold=problem.gold,
        answer=grade.answer,
        correct=grade.correct,
        score=float(grade.correct) if grade.score is None else grade.score,
        flaw=grade.flaw,
        error=attempted.error,
        status=attempted.status,
        timed_out=attempted.timed_out,
        work=costs.work,
        span=costs.span,
        wasted=costs.wasted,
        unobserved=costs.unobserved,
        injected=costs.injected,
        cached=costs.cached,
        prefilled=costs.prefilled,
        judged=costs.judged,
        context=costs.context,
        requests=costs.requests,
        threads=costs.threads,
        refused=costs.refused,
        cut=costs.cut,
        explored=costs.explored,
        engine_seconds=round(costs.engine_seconds, 6),
        wall_seconds=round(costs.wall_seconds, 6),
        at_once=at_once,
        retries=retries,
        facts=dict(attempted.facts),
    )
