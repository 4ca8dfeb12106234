"""A gate before an engine: while it is shut, requests wait before they begin, so that weights can change under running rollouts."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from orchestra.engine import Completion, Engine, Request
from orchestra.engine.wrapper import EngineWrapper


class Gate(EngineWrapper):
    """The engine behind it with a gate, open at first. Each request begins and ends with the same weights; a tree may see several.

    It starts and stops nothing: whoever owns the engine does.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._opened = asyncio.Event()
        self._opened.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._running = 0
        self.answered = 0
        """Requests, so far."""

    async def generate(self, request: Request) -> Completion:
        while not self._opened.is_set():  # it may be shut again before this task runs
            await self._opened.wait()
        self._running += 1
        self._idle.clear()
        try:
            completion = await super().generate(request)
            self.answered += 1
            return completion
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    @property
    def in_flight(self) -> int:
        """Requests that the engine has now."""
        return self._running

    async def shut(self) -> None:
        """Returns when no request runs; until `open`, none begins."""
        self._opened.clear()
        await self._idle.wait()

    async def open(self) -> None:
        self._opened.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass
