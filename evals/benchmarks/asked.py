"""An engine that writes down what it is asked for: streaming and candidates cost, so only policies that need them may ask."""

from __future__ import annotations

from orchestra.engine import Completion, Engine, Request
from orchestra.engine.wrapper import EngineWrapper
from orchestra.sample.live import TOP_LOGPROBS
from orchestra.sample.policy import Needs


def expected(needs: Needs) -> tuple[bool, int]:
    """How a policy's requests are to be: `AskedEngine.asked` has one such pair for each."""
    return bool(needs.stride or needs.tokens_every or needs.probes), TOP_LOGPROBS if needs.logprobs else 0


class AskedEngine(EngineWrapper):
    """Passes everything on to `engine`."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.asked: list[tuple[bool, int]] = []
        """Of each request whether it is watched, and how many candidates a token it wants scored."""

    @property
    def requests(self) -> int:
        return len(self.asked)

    def forget(self) -> None:
        self.asked.clear()

    async def generate(self, request: Request) -> Completion:
        self.asked.append((request.watched, request.sampling.top_logprobs))
        return await super().generate(request)
