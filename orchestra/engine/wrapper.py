"""An engine in front of another one: a place to watch, count or change requests on their way."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from .base import Capabilities, Completion, Engine, Request


class EngineWrapper:
    """Passes everything on to `engine`, its start and its end included. Subclasses override what they do otherwise."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def name(self) -> str:
        return self.engine.name

    @property
    def capabilities(self) -> Capabilities:
        return self.engine.capabilities

    def now(self) -> float:
        return self.engine.now()

    async def generate(self, request: Request) -> Completion:
        return await self.engine.generate(request)

    async def running(self) -> int:
        return await self.engine.running()

    async def __aenter__(self) -> Self:
        await self.engine.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.engine.__aexit__(kind, error, trace)
