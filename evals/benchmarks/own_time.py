"""The seconds that a policy and the live runner take for themselves, apart from what they wait for and what the source does.

Everything runs on one event loop, so these seconds are seconds in which nothing else of this process runs. Counted is every stretch of
`run_live` and of its tasks that lies outside of the source, and what a source's stream calls back. They are this thread's seconds on a
processor: those of the clock would hold the pauses in which the operating system runs something else, the engine for one. What reading the
clock takes is taken off, because it takes as long as what is to be told of most tokens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import thread_time
from typing import Any, TypeVar

from orchestra.engine.scores import Scores
from orchestra.sample import live
from orchestra.sample.decisions import Decision
from orchestra.sample.events import Event
from orchestra.sample.live import run_live
from orchestra.sample.outcome import Outcome
from orchestra.sample.policy import Decider, Needs, Policy, Standing
from orchestra.sample.source import Ending, LiveTrace, Source, Usage

T = TypeVar("T")


@dataclass(slots=True)
class OwnTime:
    policy: float = 0.0
    """Seconds in `Decider.on`."""
    total: float = 0.0
    """With the runner's own."""
    events: int = 0
    clock: float = field(default_factory=lambda: _clock_seconds())
    """What a stretch of nothing seems to take."""

    def add(self, seconds: float) -> None:
        """A stretch outside of the source."""
        self.total += seconds - self.clock

    def decided(self, seconds: float) -> None:
        """A decision, in a stretch that is added as a whole: both readings of its clock are part of that."""
        self.policy += seconds - self.clock
        self.total -= 2 * self.clock
        self.events += 1


def _clock_seconds() -> float:
    count = 10_000
    began = thread_time()
    for _ in range(count):
        thread_time()
    return (thread_time() - began) / count


async def run_timed(policy: Policy, source: Source, time: OwnTime, *, session: str, traces: list[LiveTrace]) -> Outcome:
    """`run_live`, with its own seconds added to `time`. The running loop must have the task factory `factory(time)`."""
    run = run_live(TimedPolicy(policy, time), TimedSource(source, time), session=session, traces=traces)
    return await _Stretches(run, time)


def factory(time: OwnTime) -> Callable[..., asyncio.Task[Any]]:
    """Of tasks: those of the live runner are timed."""

    def make(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
        code = getattr(work, "cr_code", None)
        own = code is not None and code.co_filename == live.__file__
        return asyncio.Task(_awaited(_Stretches(work, time)) if own else work, loop=loop, **options)

    return make


async def _awaited(work: Awaitable[T]) -> T:
    return await work


@dataclass(slots=True)
class _Stretch:
    """Of one task."""

    since: float = 0.0
    away: bool = False
    """It is in the source."""


_STRETCH: ContextVar[_Stretch] = ContextVar("stretch")


class _Stretches(Awaitable[T]):
    """Steps through a coroutine and times each stretch between two of its waits."""

    def __init__(self, work: Coroutine[Any, Any, T], time: OwnTime) -> None:
        self._work = work
        self._time = time

    def __await__(self) -> Generator[Any, Any, T]:
        steps = self._work.__await__()
        stretch = _Stretch()
        _STRETCH.set(stretch)
        error: BaseException | None = None
        while True:
            if not stretch.away:
                stretch.since = thread_time()
            try:
                waits_for = next(steps) if error is None else _throw(steps, error)
            except StopIteration as stop:
                result: T = stop.value
                return result
            finally:
                if not stretch.away:
                    self._time.add(thread_time() - stretch.since)
            try:
                yield waits_for
                error = None
            except BaseException as thrown:  # noqa: BLE001 - whatever it is, a cancellation for one, the coroutine is to get it
                error = thrown


def _throw(steps: Generator[Any, Any, Any], error: BaseException) -> Any:
    return steps.throw(error)


class TimedSource:
    """Passes everything on to `source`, and knows when it is left."""

    def __init__(self, source: Source, time: OwnTime) -> None:
        self._source = source
        self._time = time

    def now(self) -> float:
        return self._source.now()

    async def run(self, trace: LiveTrace) -> Ending:
        told = trace.on_tokens
        assert told is not None

        def on_tokens(count: int, scores: Scores | None) -> None:
            began = thread_time()
            told(count, scores)
            self._time.add(thread_time() - began)

        trace.on_tokens = on_tokens
        return await self._away(self._source.run(trace))

    async def probe(self, trace: LiveTrace) -> tuple[str | None, Usage]:
        return await self._away(self._source.probe(trace))

    def words(self, trace: LiveTrace, tokens: int | None) -> str:
        return self._source.words(trace, tokens)

    async def _away(self, work: Awaitable[T]) -> T:
        stretch = _STRETCH.get()
        self._time.add(thread_time() - stretch.since)
        stretch.away = True
        try:
            return await work
        finally:
            stretch.away = False
            stretch.since = thread_time()


@dataclass(frozen=True, slots=True)
class TimedPolicy:
    """Passes everything on to `policy`, and times its decisions."""

    policy: Policy
    time: OwnTime

    @property
    def needs(self) -> Needs:
        return self.policy.needs

    @property
    def most(self) -> int:
        return self.policy.most

    def decider(self) -> Decider:
        return _TimedDecider(self.policy.decider(), self.time)


@dataclass(frozen=True, slots=True)
class _TimedDecider:
    decider: Decider
    time: OwnTime

    def on(self, event: Event) -> Iterable[Decision]:
        began = thread_time()
        decisions = tuple(self.decider.on(event))
        self.time.decided(thread_time() - began)
        return decisions

    def standing(self) -> Standing:
        return self.decider.standing()
