"""Who is told what happens in a run, who waits for it, and what happens when one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .events import LimitReached, RunEvent


class Signals:
    """Of one plan in progress; `outer` are those of the plan that it is a part of, which hear of failures and limits, too."""

    def __init__(self, observer: Callable[[RunEvent], None] | None, outer: Signals | None) -> None:
        self.observer = observer
        self._outer = outer
        self._loop = asyncio.get_running_loop()
        self._idle: list[asyncio.Future[None]] = []
        self.counting: list[asyncio.Future[None]] = []
        """Those that wait for a number of completions."""
        self._failure: BaseException | None = None
        self._told: set[tuple[str, str]] = set()
        self.stopped: str | None = None
        """The limit that ended the run early."""

    def tell(self, event: RunEvent) -> None:
        """What an observer raises ends the run, wherever the event came from."""
        assert self.observer is not None
        try:
            self.observer(event)
        except Exception as error:  # noqa: BLE001 - whoever waits for the run gets it
            self.fail(error)

    def limit(self, limit: str, action: str) -> None:
        """A limit was reached; told once, by the outermost plan."""
        if action != "degrade" and self.stopped is None:
            self.stopped = limit
        if self._outer is not None:
            self._outer.limit(limit, action)
        elif (limit, action) not in self._told:
            self._told.add((limit, action))
            if self.observer is not None:
                self.tell(LimitReached(limit, action, self._loop.time()))

    def fail(self, error: BaseException) -> None:
        """The run cannot go on: whoever waits for it gets `error`."""
        self._failure = self._failure or error
        self.wake()
        if self._outer is not None:
            self._outer.fail(error)

    def soon(self, step: Callable[..., None], *given: Any) -> None:
        self._loop.call_soon(self.guarded, step, *given)

    def guarded(self, step: Callable[..., None], *given: Any) -> None:
        """Outside every task, where nobody else would hear of a journal that cannot be written."""
        try:
            step(*given)
        except Exception as error:  # noqa: BLE001 - whoever waits for the run gets it
            self.fail(error)

    async def wait_while(self, pending: Callable[[], bool], *, counting: bool = False) -> None:
        """Returns when `pending` is over, which is looked at when `wake` or `wake_counting` is called. Raises what made the run fail."""
        while pending() and self._failure is None:
            waiter = self._loop.create_future()
            (self.counting if counting else self._idle).append(waiter)
            await waiter
        if self._failure is not None:
            raise self._failure

    def wake(self) -> None:
        _wake(self._idle)
        _wake(self.counting)

    def wake_counting(self) -> None:
        _wake(self.counting)


def _wake(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
    waiters.clear()
