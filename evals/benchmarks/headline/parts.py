"""What a headline run measures, part by part. Each part needs the window, samples also the sweep,
and clock what serial and fork have found.

window   validation problems: the serial policy in its whole context, from which every window follows, and a sweep of temperatures;
         not those by which training chose its checkpoints
serial   in the window, in its whole context, and again where the first try fails
samples  tries within the window at the best temperature, as many as the largest budget holds
fork     in the window, joining all and the first, by its dials, and several tries; all of it on validation problems too, which choose;
race     fork, join first, beside serial searches by the same model; the first answer that holds when it is checked ends it
start    the model that RL began with, both ways, where there is one
five     a first look at problems of five numbers, by a model of their own where there is one
clock    wall clock, one problem at a time up to 256 at once, against the serial search that is as accurate
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

from rich.console import Console

from orchestra.countdown import notation
from orchestra.countdown.attempt import Setup
from orchestra.countdown.problem import Split
from orchestra.errors import ConfigError, first_cause
from orchestra.thread import Join

from . import window as windows
from .choice import VALIDATION
from .clock import Contender, race, repeated
from .figures import BUDGETS, FORK_TRIES, RACE, Tries, as_good_as, at_n, first_try, sequences
from .measure import Problems, measured
from .models import Models
from .plan import Plan
from .record import Point, Recording, Role, Timed

PARTS = ("window", "serial", "samples", "fork", "race", "start", "five", "clock")
_VALIDATION_SEED = 1
"""Training chooses its checkpoints by the list of seed 0, on which they do better than they are."""
_MOST_TRIES = 128
"""Holds the largest budget from a mean of 43 tokens a try on; where it does not, rows are marked as short."""
_MARGIN = 1.1
"""Tries beyond what the sweep's mean length asks for, because those at the test problems may be shorter."""


@dataclass(slots=True)
class Measuring:
    """One run: its plan, its engines, and what it has found so far."""

    plan: Plan
    models: Models
    log: Console
    window: int | None = None
    known: list[Point] = field(default_factory=list)
    """Points of other processes, such as the sweep."""
    problems: dict[tuple[Split, int], Problems] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    timed: list[Timed] = field(default_factory=list)

    async def prepare(self, parts: Sequence[str]) -> None:
        """Make the problems that `parts` need while the first engine starts, which happens in another process."""
        lists: list[tuple[Split, int, int]] = []
        if not {"window", "fork"}.isdisjoint(parts):
            lists.append(("validation", 4, self.plan.validation if "window" in parts else self.plan.swept))
        if not {"window", "five"}.issuperset(parts):
            lists.append(("test", 4, self.plan.limit))
        if "five" in parts:
            lists.append(("test", 5, self.plan.five))
        try:
            async with asyncio.TaskGroup() as group:
                made = group.create_task(asyncio.to_thread(lambda: [_listed(*one) for one in lists]))
                await self.models.engine(self._first(parts[0]))
        except ExceptionGroup as errors:
            raise first_cause(errors) from errors
        for problems in made.result():
            self.problems[problems.split, problems.size] = problems if problems.split == "validation" else self._shard(problems)

    async def run(self, part: str) -> None:
        """Measure one part, after `prepare`."""
        parts: dict[str, Callable[[], Awaitable[None]]] = {
            "window": self._window,
            "serial": self._serial,
            "samples": self._samples,
            "fork": self._fork,
            "race": self._race,
            "start": self._start,
            "five": self._five,
            "clock": self._clock,
        }
        await parts[part]()

    def take(self, earlier: Recording) -> None:
        """Go on with the window and the points of other processes."""
        if self.window is not None and self.window != earlier.window:
            raise ConfigError(
                f"the other parts were measured at the window {earlier.window}, not {self.window}: leave out --window"
            )
        self.window = earlier.window
        self.known += earlier.points

    async def _window(self) -> None:
        problems = self.problems["validation", 4]
        wide = replace(self._serial_setup, window=await self.models.context("serial"))
        point = await self._measure("serial-validation", "serial", problems, wide)
        self.window = self.window or windows.choose(point)
        found = windows.within(point, self.window)
        self.log.print(f"window {self.window}: {100 * found.accuracy:.1f} % on {len(found.correct)} validation problems")
        for temperature in self.plan.temperatures:
            setup = replace(self._serial_setup, window=self.window, temperature=temperature)
            await self._measure(f"sweep-{temperature:g}", "serial", problems.first(self.plan.swept), setup, tries=16)

    async def _serial(self) -> None:
        await self._measure("serial-window", "serial", self._tested, self._within(self._serial_setup))
        wide = await self._wide()
        first = await self._measure("serial-wide", "serial", self._tested, wide)
        again = self._tested.chosen(lambda index: first.votes[index][0] <= 0)
        if again.games and self.plan.serial_tries > 1:
            setup = replace(wide, temperature=self.plan.again)
            await self._measure("serial-again", "serial", again, setup, tries=self.plan.serial_tries - 1, until_solved=True)

    async def _samples(self) -> None:
        sweep = [point for point in (*self.known, *self.points) if point.name.startswith("sweep-")]
        if not sweep:
            raise ConfigError("the best temperature is not known yet: run the part window first, with the same --out")
        best = max(sweep, key=lambda point: sum(at_n(point, len(point.votes[0]))))
        mean = sum(map(sum, best.work)) / best.tries
        wanted = math.ceil(_MARGIN * max(BUDGETS) / mean)
        tries = min(_MOST_TRIES, wanted)
        setup = replace(self._within(self._serial_setup), temperature=best.setup["temperature"])
        short = f", {wanted} would hold the largest budget: its row may say `serial short`" if tries < wanted else ""
        self.log.print(f"{tries} samples a problem at temperature {setup.temperature:g}{short}")
        await self._measure("serial-samples", "serial", self._tested, setup, tries=tries)

    async def _fork(self) -> None:
        validation = self._shard(self.problems["validation", 4].first(self.plan.swept))
        for prefix, problems in ((VALIDATION, validation), ("", self._tested)):
            for place, dial in enumerate(self.plan.dials):
                joins: tuple[Join, ...] = ("all", "first") if not place else ("first",)
                for join in joins:
                    name = f"{prefix}fork-{join}" + ("" if not place else f"-{dial[0]}x{dial[1]}")
                    await self._measure(name, "fork", problems, self._within(_forking(dial, join)))
            if self.plan.fork_tries > 1:
                setup = replace(self._within(_forking(self.plan.dials[-1], "first")), temperature=self.plan.fork_temperature)
                await self._measure(prefix + FORK_TRIES, "fork", problems, setup, tries=self.plan.fork_tries)

    async def _race(self) -> None:
        await self._measure(RACE, "fork", self._tested, self._racing)

    async def _start(self) -> None:
        await self._measure("start-serial", "start", self._tested, self._within(self._serial_setup))
        for join in ("all", "first"):
            await self._measure(f"start-fork-{join}", "start", self._tested, self._within(_forking(self.plan.dials[0], join)))

    async def _five(self) -> None:
        problems, joins = self.problems["test", 5], get_args(Join)
        width = self._chosen_window if self.plan.five_window is None else self.plan.five_window
        serial, fork = self._roles_of_five
        wide, dial = await self._wide(serial), self.plan.dials[0]
        if serial == "five":
            wide, dial = replace(wide, beam=notation.FREE), (notation.FREE, notation.FREE)
        # Greedy, so that the narrower windows are read from it: `breakdown.five_numbers`.
        await self._measure("five-serial", serial, problems, wide)
        for window in (width, 2 * width):
            for join in joins:
                setup = replace(_forking(dial, join), window=window)
                await self._measure(f"five-fork-{join}-{window}", fork, problems, setup)

    async def _clock(self) -> None:
        wide, fork = await self._wide(), await self.models.engine("fork")
        equal = self._serial_as_good()
        serial = [replace(wide, window=equal.window)] + [replace(wide, temperature=self.plan.again)] * (equal.most - 1)
        searching = await self.models.engine("serial")
        contenders = {"serial": Contender.of(searching, *serial)}
        for join in ("all", "first"):
            contenders[f"fork-{join}"] = Contender.of(fork, self._within(_forking(self.plan.dials[0], join)))
        contenders[RACE] = Contender.of(fork, self._racing)
        both = (searching, self._within(self._serial_setup)), (fork, self._within(_forking(self.plan.dials[-1], "first")))
        contenders["serial-then-fork"] = Contender(both)
        games, plan = self._tested.games, self.plan
        if again := repeated(len(games), alone=plan.alone, loads=plan.loads, rounds=plan.rounds):
            self.log.print(f"{len(games)} problems are too few for {plan.rounds} rounds at {again} at once: some are timed again")
        self.timed += await race(contenders, games, alone=plan.alone, loads=plan.loads, rounds=plan.rounds)

    async def _measure(
        self, name: str, role: Role, problems: Problems, setup: Setup, *, tries: int = 1, until_solved: bool = False
    ) -> Point:
        engine = await self.models.engine(role)
        at_once = self.plan.requests if setup.method == "serial" else max(1, self.plan.requests // 16)
        point = await measured(
            engine, problems, setup, name=name, role=role, at_once=at_once, tries=tries, until_solved=until_solved
        )
        self.points.append(point)
        tokens, right = sum(map(sum, point.work)), sum(any(vote > 0 for vote in votes) for votes in point.votes)
        self.log.print(
            f"{name}: {right} of {len(point.votes)} problems, {tokens:,} tokens in {point.seconds:.1f} s"
            f" ({tokens / max(point.seconds, 0.001):,.0f} tokens/s)"
        )
        return point

    def _serial_as_good(self) -> Tries:
        """The serial search that is as accurate as forking."""
        points = {point.name: point for point in (*self.known, *self.points)}
        tries = list(sequences(points))
        if not tries or "fork-first" not in points:
            raise ConfigError(
                "the serial search of equal accuracy is not known yet: run the parts serial and fork first, with the same --out"
            )
        found = as_good_as(first_try(points["fork-first"]).accuracy, tries)
        self.log.print(
            f"serial at equal accuracy: {100 * found.way.accuracy:.1f} % in a window of {found.window}, {found.most} tries at most"
        )
        return found

    @property
    def _chosen_window(self) -> int:
        if self.window is None:
            raise ConfigError("the window is not known yet: run the part window first, with the same --out, or give --window")
        return self.window

    def _within(self, setup: Setup) -> Setup:
        return replace(setup, window=self._chosen_window)

    @property
    def _serial_setup(self) -> Setup:
        return Setup(method="serial", beam=self.plan.serial_beam)

    @property
    def _racing(self) -> Setup:
        setup = self._within(_forking(self.plan.dials[0], "first"))
        return replace(setup, scouts=self.plan.scouts, scout_temperature=self.plan.scout_temperature)

    async def _wide(self, role: Role = "serial") -> Setup:
        return Setup(method="serial", beam=self.plan.wide_beam, window=await self.models.context(role))

    def _first(self, part: str) -> Role:
        """Whose engine a part opens first."""
        roles: dict[str, Role] = {"fork": "fork", "race": "fork", "start": "start", "five": self._roles_of_five[0]}
        return roles.get(part, "serial")

    @property
    def _roles_of_five(self) -> tuple[Role, Role]:
        """Who searches for five numbers serially, and who by forking."""
        return ("five", "five") if self.models.has("five") else ("serial", "fork")

    def _shard(self, problems: Problems) -> Problems:
        index, count = self.plan.shard
        mine = problems.chosen(lambda place: place % count == index)
        if not mine.games:
            raise ConfigError(f"the shard {index}/{count} of {len(problems.games)} problems is empty: make fewer shards")
        return mine

    @property
    def _tested(self) -> Problems:
        return self.problems["test", 4]


def _listed(split: Split, size: int, limit: int) -> Problems:
    return Problems.of(split, size=size, limit=limit, seed=_VALIDATION_SEED if split == "validation" else 0)


def _forking(dial: tuple[int, int], join: Join) -> Setup:
    return Setup(method="fork", join=join, beam=dial[0], child_beam=dial[1])
