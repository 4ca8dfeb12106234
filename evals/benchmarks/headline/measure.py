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
from orchestra.countdown.problem import Problem, Split, targets_of
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
    seed: int = 0
    places: Sequence[int]
    games: Sequence[Problem]

    @classmethod
    def of(cls, split: Split, *, size: int, limit: int, seed: int = 0) -> Problems:
        """The first `limit` of the split's list for `seed`. Takes a while: most draws have no solution and are not used."""
        games = from_split(split, seed=seed, limit=limit, size=size)
        return cls(split=split, size=size, seed=seed, places=range(limit), games=games)

    def first(self, count: int) -> Problems:
        return replace(self, places=self.places[:count], games=self.games[:count])

    def chosen(self, keep: Callable[[int], bool]) -> Problems:
        """Those whose index satisfies `keep`."""
        indices = [index for index in range(len(self.games)) if keep(index)]
        return replace(self, places=[self.places[i] for i in indices], games=[self.games[i] for i in indices])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Try:
    claim: str | None
    """The answer in a form that equal answers share; None where there is none."""
    right: bool
    work: int
    span: int
    children: int


@dataclass(slots=True)
class Tried:
    """The tries at one problem, in the order in which they began: they end in another one, the short ones first."""

    prompt: int
    explored: int = 0
    _tries: dict[int, _Try] = field(default_factory=dict)

    def add(self, number: int, done: Attempt) -> None:
        """The `number`-th try to begin. Raises `EngineError` for one that the engine failed."""
        if done.error is not None:
            raise EngineError(f"a try at {done.problem.key} failed, which says nothing about the answer: {done.error}")
        path = notation.read_path(done.tree.speaker.last_words) if done.tree.speaker.status == "finished" else None
        self._tries[number] = _Try(
            claim=None if path is None else canonical(done.problem.numbers, done.problem.target, path),
            right=done.correct,
            work=done.ledger.work,
            span=done.ledger.span,
            children=done.ledger.children,
        )
        self.explored += done.explored

    @property
    def solved(self) -> bool:
        return any(one.right and one.claim is not None for one in self._tries.values())

    @property
    def votes(self) -> list[int]:
        """As `Point.votes` has them."""
        numbers: dict[tuple[str, bool], int] = {}
        votes = []
        for one in self._ordered:
            if one.claim is None:
                votes.append(0)
                continue
            number = numbers.setdefault((one.claim, one.right), 1 + sum(right == one.right for _, right in numbers))
            votes.append(number if one.right else -number)
        return votes

    @property
    def work(self) -> list[int]:
        return [one.work for one in self._ordered]

    @property
    def span(self) -> list[int]:
        return [one.span for one in self._ordered]

    @property
    def children(self) -> list[int]:
        return [one.children for one in self._ordered]

    @property
    def _ordered(self) -> list[_Try]:
        return [self._tries[number] for number in sorted(self._tries)]


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

        async def one(item: tuple[int, int]) -> None:
            index, _ = item
            for number in range(tries):
                found[index].add(number, await attempt(engine, problems.games[index], setup))
                if found[index].solved:
                    return

        work = [(index, 0) for index in range(len(found))]
    else:

        async def one(item: tuple[int, int]) -> None:
            index, number = item
            found[index].add(number, await attempt(engine, problems.games[index], setup))

        work = [(index, number) for number in range(tries) for index in range(len(found))]
    started = time.perf_counter()
    await at_most(at_once, work, one)
    forked = setup.method != "serial"
    return Point(
        name=name,
        role=role,
        split=problems.split,
        size=problems.size,
        largest_target=targets_of(problems.size).stop - 1,
        problem_seed=problems.seed,
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
        "window": setup.effective_window,
        "temperature": setup.temperature,
    }
    if setup.method != "serial":
        shown |= {"child_beam": setup.effective_child_beam, "join": setup.join, "depth": setup.depth}
    if setup.scouts:
        shown |= {"scouts": setup.scouts, "scout_temperature": setup.scout_temperature}
    return shown
