"""Runs a search set-up on many problems and keeps what the figures need of each try.

An engine failure ends the measurement: there is no row that could be taken for a wrong answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from orchestra.countdown import notation
from orchestra.countdown.attempt import Attempt, Setup, attempt
from orchestra.countdown.canonical import canonical
from orchestra.countdown.problem import Problem, Split
from orchestra.engine import Engine
from orchestra.errors import EngineError, first_cause

from ...problems import from_split
from .record import Point, Role

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problems:
    """Some problems of a seeded list, with their places in it."""

    split: Split
    size: int
    places: Sequence[int]
    games: Sequence[Problem]

    @classmethod
    def of(cls, split: Split, *, size: int, limit: int) -> Problems:
        """The first `limit` of the split's list for seed 0. Takes a while: most draws have no solution and are not used."""
        return cls(split=split, size=size, places=range(limit), games=from_split(split, seed=0, limit=limit, size=size))

    def first(self, count: int) -> Problems:
        return replace(self, places=self.places[:count], games=self.games[:count])

    def chosen(self, keep: Callable[[int], bool]) -> Problems:
        """Those whose index satisfies `keep`."""
        indices = [index for index in range(len(self.games)) if keep(index)]
        return replace(self, places=[self.places[i] for i in indices], games=[self.games[i] for i in indices])


@dataclass(slots=True)
class Tried:
    """The tries at one problem, in order."""

    prompt: int
    votes: list[int] = field(default_factory=list)
    work: list[int] = field(default_factory=list)
    span: list[int] = field(default_factory=list)
    children: list[int] = field(default_factory=list)
    explored: int = 0
    _answers: dict[tuple[str, bool], int] = field(default_factory=dict)

    def add(self, done: Attempt) -> None:
        """Raises `EngineError` for a try that the engine failed."""
        if done.error is not None:
            raise EngineError(f"a try at {done.problem.key} failed, which says nothing about the answer: {done.error}")
        self.votes.append(self._vote(done))
        self.work.append(done.ledger.work)
        self.span.append(done.ledger.span)
        self.children.append(done.ledger.children)
        self.explored += done.explored

    @property
    def solved(self) -> bool:
        return bool(self.votes) and self.votes[-1] > 0

    def _vote(self, done: Attempt) -> int:
        path = notation.read_path(done.tree.root.last_words) if done.tree.root.status == "finished" else None
        if path is None:
            return 0
        key = canonical(done.problem.numbers, done.problem.target, path)
        number = self._answers.setdefault((key, done.correct), 1 + sum(right == done.correct for _, right in self._answers))
        return number if done.correct else -number


async def measured(
    engine: Engine,
    problems: Problems,
    setup: Setup,
    *,
    name: str,
    role: Role,
    at_once: int,
    tries: int = 1,
    until_solved: bool = False,
) -> Point:
    """`tries` tries at each problem; the tries at one problem with `until_solved` one after the other, until one is right."""
    found = [Tried(len(setup.prompt(game))) for game in problems.games]
    if until_solved:

        async def one(index: int) -> None:
            for _ in range(tries):
                found[index].add(await attempt(engine, problems.games[index], setup))
                if found[index].solved:
                    return

        work = list(range(len(found)))
    else:

        async def one(index: int) -> None:
            found[index].add(await attempt(engine, problems.games[index], setup))

        work = [index for _ in range(tries) for index in range(len(found))]
    started = time.perf_counter()
    await at_most(at_once, work, one)
    forked = setup.method != "serial"
    return Point(
        name=name,
        role=role,
        split=problems.split,
        size=problems.size,
        setup=described(setup),
        places=list(problems.places),
        votes=[one.votes for one in found],
        work=[one.work for one in found],
        span=[one.span for one in found] if forked else None,
        children=[one.children for one in found] if forked else None,
        prompts=[one.prompt for one in found],
        explored=sum(one.explored for one in found),
        seconds=round(time.perf_counter() - started, 3),
    )


async def at_most(limit: int, items: Sequence[Item], run: Callable[[Item], Awaitable[None]]) -> None:
    """Await `run` of every item, `limit` of them at once. The first failure cancels the rest and is raised."""
    queue = iter(items)

    async def worker() -> None:
        for item in queue:
            await run(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(limit, len(items))):
                group.create_task(worker())
    except ExceptionGroup as errors:
        raise first_cause(errors) from errors


def described(setup: Setup) -> dict[str, Any]:
    """What decides a try."""
    shown: dict[str, Any] = {
        "method": setup.method,
        "beam": setup.effective_beam,
        "window": setup.window,
        "temperature": setup.temperature,
    }
    return shown if setup.method == "serial" else shown | {"child_beam": setup.child_beam, "join": setup.join}
