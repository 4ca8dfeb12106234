"""An engine that writes down what it is asked for: streaming and candidates cost, so only policies that need them may ask."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from orchestra.engine import Capabilities, Completion, Engine, Request
from orchestra.sample.live import TOP_LOGPROBS
from orchestra.sample.policy import Needs


def expected(needs: Needs) -> tuple[bool, int]:
    """How a policy's requests are to be: `AskedEngine.asked` has one such pair for each."""
    return bool(needs.stride or needs.tokens_every or needs.probes), TOP_LOGPROBS if needs.logprobs else 0


class AskedEngine:
    """Passes everything on to `engine`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.asked: list[tuple[bool, int]] = []
        """Of each request whether it is watched, and how many candidates a token it wants scored."""

    @property
    def requests(self) -> int:
        return len(self.asked)

    def forget(self) -> None:
        self.asked.clear()

    @property
    def name(self) -> str:
        return self.engine.name

    @property
    def capabilities(self) -> Capabilities:
        return self.engine.capabilities

    def now(self) -> float:
        return self.engine.now()

    async def generate(self, request: Request) -> Completion:
        self.asked.append((request.watched, request.sampling.top_logprobs))
        return await self.engine.generate(request)

    async def running(self) -> int:
        return await self.engine.running()

    async def __aenter__(self) -> Self:
        await self.engine.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.engine.__aexit__(kind, error, trace)
