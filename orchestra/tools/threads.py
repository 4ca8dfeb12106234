"""Threads that ordinary functions run in, so that none of them blocks the event loop.

asyncio's own executor joins its threads when the interpreter exits, so one call that never returns keeps the process alive for ever; these
are daemons. A call that nobody waits for any more goes on, because a thread cannot be stopped: it keeps its thread and is counted as
abandoned. When all threads are abandoned, calls fail at once instead of waiting for a thread that may never come back.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..errors import ToolError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ThreadStatistics:
    """The state of a pool at one moment."""

    running: int
    """Calls that somebody waits for."""
    abandoned: int
    """Calls that nobody waits for any more, and that have not returned."""
    waiting: int
    """Calls without a thread yet."""
    idle: int
    """Threads without a call."""


@dataclass(eq=False, slots=True)
class _Call:
    name: str
    function: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    context: contextvars.Context = field(default_factory=contextvars.copy_context)


class Threads:
    """At most `max_threads` daemon threads, started when they are needed. It may be used from several event loops."""

    def __init__(self, max_threads: int = 64) -> None:  # 64: idle ones cost next to nothing, and runs rarely have more slots
        if max_threads < 1:
            raise ValueError(f"`max_threads` must be positive, got {max_threads}")
        self._max_threads = max_threads
        self._changed = threading.Condition()
        # Everything below is read and written while holding `_changed`.
        self._waiting: deque[_Call] = deque()
        self._running: set[_Call] = set()
        self._abandoned: set[_Call] = set()
        self._num_threads = 0

    @property
    def statistics(self) -> ThreadStatistics:
        with self._changed:
            running, abandoned = len(self._running), len(self._abandoned)
            return ThreadStatistics(running, abandoned, len(self._waiting), self._num_threads - running - abandoned)

    async def run(self, name: str, function: Callable[[], T]) -> T:
        """What `function` returns or raises, called in a thread with a copy of this task's context variables.

        Cancelling this returns at once. `name` is what errors call the function. Raises `ToolError` when every thread is stuck in an
        abandoned call.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        call = _Call(name, function, loop, future)
        with self._changed:
            if len(self._abandoned) == self._max_threads:
                raise self._stuck(call)
            idle = self._num_threads - len(self._running) - len(self._abandoned)
            if len(self._waiting) >= idle and self._num_threads < self._max_threads:
                threading.Thread(target=self._serve, name=f"tool-{self._num_threads + 1}", daemon=True).start()
                self._num_threads += 1
            self._waiting.append(call)
            self._changed.notify()
        try:
            return await future
        except asyncio.CancelledError:
            self._abandon(call)
            raise

    def _abandon(self, call: _Call) -> None:
        with self._changed:
            if call in self._running:
                self._running.remove(call)
                self._abandoned.add(call)
            elif call in self._waiting:
                self._waiting.remove(call)
            if len(self._abandoned) == self._max_threads:
                while self._waiting:
                    waiting = self._waiting.popleft()
                    _deliver(waiting, None, self._stuck(waiting))

    def _stuck(self, call: _Call) -> ToolError:
        tools = Counter(stuck.name for stuck in self._abandoned)
        return ToolError(
            f"{call.name} cannot start: all {self._max_threads} threads are stuck in calls that timed out or were cancelled, and never "
            f"returned ({', '.join(f'{count} x {name}' for name, count in tools.most_common(5))}). Give what they wait for a timeout, or "
            "make these tools with `process=True`: a process can be ended"
        )

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                call = self._waiting.popleft()
                self._running.add(call)
            result, error = None, None
            try:
                result = call.context.run(call.function)
            except BaseException as raised:  # noqa: BLE001 # the boundary: what a function raises belongs to its caller, not to this thread
                error = _for_a_future(call.name, raised)
            with self._changed:
                self._running.discard(call)
                self._abandoned.discard(call)
            _deliver(call, result, error)
            del call, result, error  # an idle thread must not keep them alive


def _for_a_future(name: str, raised: BaseException) -> BaseException:
    """`raised`, unless it would mean something else to the loop or the task that awaits the future."""
    if isinstance(raised, Exception) and not isinstance(raised, StopIteration):
        return raised
    error = ToolError(f"{name} raised {raised!r}: it should return, or raise an ordinary exception")
    error.__cause__ = raised
    return error


def _deliver(call: _Call, result: Any, error: BaseException | None) -> None:
    with suppress(RuntimeError):  # the loop is closed, so nobody waits
        call.loop.call_soon_threadsafe(_settle, call.future, result, error)


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


SHARED = Threads()
"""Where tools run that were not given threads of their own."""
