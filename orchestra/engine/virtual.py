"""Virtual time for asyncio: `run_virtual(main())` is `asyncio.run(main())` with a clock that starts at 0 and jumps to the next timer
as soon as every task waits.

`asyncio.sleep`, `asyncio.timeout` and the backoff of retries then cost no real time and come in the same order on every machine. Work
in executor threads (`asyncio.to_thread`) takes no virtual time: the clock stands still until it is done. Sockets are polled, but not
waited for while a timer is pending, so a real server loses against any timeout.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def run_virtual(main: Coroutine[Any, Any, T], *, real_wait_s: float = 30.0) -> T:
    """Run `main` in virtual time and return its result.

    Raises `RuntimeError`, naming the waiting tasks, when every task waits and no timer, executor thread or socket can wake one, and
    when threads or sockets that could do so stay silent for `real_wait_s` real seconds.
    """
    with asyncio.Runner(loop_factory=lambda: _VirtualLoop(real_wait_s)) as runner:
        return runner.run(main)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, real_wait_s: float) -> None:
        self._clock = _VirtualClock(real_wait_s, self._waiting)
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now

    def run_in_executor(self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts) -> asyncio.Future[T]:
        return self._track(super().run_in_executor(executor, func, *args))

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's signature
        # It joins the executor in a thread of its own, guarded by a timer that the clock would jump to.
        await self._track(asyncio.ensure_future(super().shutdown_default_executor()))

    def _track(self, work: asyncio.Future[T]) -> asyncio.Future[T]:
        self._clock.in_threads.add(work)
        work.add_done_callback(self._clock.in_threads.discard)
        return work

    def _waiting(self) -> str:
        return ", ".join(sorted(_where(task) for task in asyncio.all_tasks(self)))


def _where(task: asyncio.Task[Any]) -> str:
    frames = [f"{frame.f_code.co_filename}:{frame.f_lineno}" for frame in task.get_stack(limit=1)]
    return " at ".join([task.get_name(), *frames])


class _VirtualClock(selectors.DefaultSelector):
    """A selector sees every moment at which the loop would block, and for how long: the place to move time instead."""

    def __init__(self, real_wait_s: float, waiting: Callable[[], str]) -> None:
        super().__init__()
        self.now = 0.0
        self.in_threads: set[asyncio.Future[Any]] = set()
        self._real_wait_s = real_wait_s
        self._waiting = waiting

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        has_sockets = len(self.get_map()) > 1  # one is the loop's own, through which threads wake it
        if self.in_threads or (timeout is None and has_sockets):
            if events := super().select(self._real_wait_s):
                return events
            raise RuntimeError(
                f"threads and sockets were silent for {self._real_wait_s:g} real seconds; waiting: {self._waiting()}"
            )
        if timeout is None:
            raise RuntimeError(f"deadlock: no timer, thread or socket can wake any task; waiting: {self._waiting()}")
        self.now += timeout
        return []
