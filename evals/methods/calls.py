"""A chat model with an account: what each request of one try asked, said and took, and whether the model failed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from orchestra.chat import ChatModel, ChatRequest, Reply
from orchestra.errors import EngineError


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. Times are seconds on the event loop's clock."""

    started: float
    first: float | None = None
    """When the first piece came; None when none did."""
    finished: float
    asked: str = ""
    """The last message."""
    said: str = ""
    sampled: int
    prompt: int | None = None
    """Tokens; None when the endpoint does not say; the same for `cached`."""
    cached: int | None = None
    cut: bool = False
    """It ran into its limit of tokens."""
    ended: bool = True
    """It was answered, and neither failed nor was cancelled."""


@runtime_checkable
class HasCalls(Protocol):
    """A source of traces that talks to a chat model through `Calls`."""

    @property
    def made(self) -> Sequence[Call]:
        """Of all its traces, in the order in which they ended."""
        ...


class Calls:
    """`model` for one try. It is entered and left by whoever owns it, not here.

    What a request that was cancelled or lost had sampled is counted in pieces of its stream: a lower bound.
    """

    def __init__(self, model: ChatModel, *, seed: int | None = None) -> None:
        """`seed`: of requests that bring none; each gets another one."""
        self._model = model
        self._seed = seed
        self._asked = 0
        self.made: list[Call] = []
        self.failure: EngineError | None = None
        """The first."""

    @property
    def name(self) -> str:
        return self._model.name

    async def reply(self, request: ChatRequest) -> Reply:
        self._asked += 1
        if request.seed is None and self._seed is not None:
            request = replace(request, seed=zlib.crc32(f"{self._seed}/{self._asked}".encode()))
        now = asyncio.get_running_loop().time
        started, hear = now(), request.on_text
        first: float | None = None
        pieces: list[str] = []

        def listen(text: str) -> None:
            nonlocal first
            first = now() if first is None else first
            pieces.append(text)
            if hear is not None:
                hear(text)

        reply: Reply | None = None
        try:
            reply = await self._model.reply(replace(request, on_text=listen))
            return reply
        except EngineError as error:
            self.failure = self.failure or error
            raise
        finally:
            counted = reply.sampled_tokens if reply is not None else None
            self.made.append(
                Call(
                    started=started,
                    first=first,
                    finished=now(),
                    asked=request.messages[-1].content,
                    said=reply.text if reply is not None else "".join(pieces),
                    sampled=len(pieces) if counted is None else counted,
                    prompt=reply.prompt_tokens if reply is not None else None,
                    cached=reply.cached_tokens if reply is not None else None,
                    cut=reply is not None and reply.finish == "length",
                    ended=reply is not None,
                )
            )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def sampled(self) -> int:
        return sum(call.sampled for call in self.made)

    @property
    def lost(self) -> int:
        """Sampled by requests that failed or were cancelled; part of `sampled`."""
        return sum(call.sampled for call in self.made if not call.ended)

    @property
    def cached(self) -> int | None:
        known = [call.cached for call in self.made if call.ended]
        return None if None in known else sum(cached or 0 for cached in known)

    @property
    def prefilled(self) -> int | None:
        cached, prompts = self.cached, [call.prompt for call in self.made if call.ended]
        return None if cached is None or None in prompts else sum(prompt or 0 for prompt in prompts) - cached

    @property
    def span(self) -> int:
        """Sampled tokens on the critical path."""
        return sum(self.made[place].sampled for place in critical(self.made))


def critical(calls: Sequence[Call]) -> list[int]:
    """Places of the calls on the critical path: the chain, each begun after the other's end, that sampled most."""
    best: dict[int, tuple[int, list[int]]] = {}
    for place in sorted(range(len(calls)), key=lambda place: calls[place].started):
        call = calls[place]
        before = [found for other, found in best.items() if calls[other].finished <= call.started]
        tokens, chain = max(before, key=lambda found: found[0], default=(0, []))
        best[place] = (tokens + call.sampled, [*chain, place])
    return max(best.values(), key=lambda found: found[0], default=(0, []))[1]


def widest(calls: Sequence[Call]) -> int | None:
    """The most tokens that prompt and reply of one call held together; None where no prompt was counted."""
    return max((call.prompt + call.sampled for call in calls if call.prompt is not None), default=None)
