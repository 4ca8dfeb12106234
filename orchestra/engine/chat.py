"""Endpoints that know only chats: `ChatEngine` sends text to `/v1/chat/completions`. For services without token ids; for vLLM use
`HttpEngine`, which is exact."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from ..errors import EngineError
from .base import Capabilities, Completion, Finish, Request, Timings
from .connection import Connection, Unavailable


class TextCodec(Protocol):
    """What `ChatEngine` needs of a tokenizer."""

    def encode(self, text: str) -> list[int]: ...

    def decode(self, token_ids: Sequence[int]) -> str: ...


class ChatEngine:
    """Decodes the prompt, sends it as one user message, and encodes the answer again.

    The ids are therefore those of the answer's text, not the ones that the model sampled: `token_exact` is False, there are no
    log-probabilities, and the service's own chat template surrounds the prompt. Stop ids are sent as the text they decode to. A stop
    token is put back at the end where the service names the text that stopped it, as vLLM does; elsewhere `stop_token` is None.

    Args:
        url: of the service, such as "https://api.example.com/v1".
        model: as the service calls it.
        codec: the tokenizer in whose ids requests and completions are written.
        fields: added to each request; a None removes the field of that name. A service that refuses `max_tokens` takes
            `{"max_tokens": None, "max_completion_tokens": 4096}`.
        patience_s: how long to go on trying while the service is full or does not answer.
    """

    def __init__(
        self,
        url: str,
        model: str,
        codec: TextCodec,
        *,
        api_key: str | None = None,
        fields: Mapping[str, Any] | None = None,
        patience_s: float = 120.0,
    ) -> None:
        self._connection = Connection(url, api_key=api_key, patience_s=patience_s)
        self._model = model
        self._codec = codec
        self._fields = fields or {}
        self._in_flight = 0

    @property
    def name(self) -> str:
        return f"{self._model} at {self._connection.url} (chat)"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(token_exact=False, logprobs=False, cached_tokens=False)

    def now(self) -> float:
        return time.monotonic()

    async def generate(self, request: Request) -> Completion:
        body = self._body(request)
        headers = {"X-Session-ID": request.session} if request.session else {}

        async def attempt() -> Completion:
            answer = _Answer(request, self._codec, submitted=self.now())
            try:
                async with aclosing(self._connection.post("chat/completions", body, headers)) as events:
                    async for event in events:
                        answer.add(event, self.now())
                return answer.completion(self.now())
            except asyncio.CancelledError:
                answer.abandon(self.now())
                raise
            except EngineError:
                if answer.token_ids:
                    answer.abandon(self.now())
                raise

        self._in_flight += 1
        try:
            return await self._connection.retry(attempt)
        finally:
            self._in_flight -= 1

    async def running(self) -> int:
        """This client's own requests: a service does not tell what else it does."""
        return self._in_flight

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._connection.__aexit__(kind, error, trace)

    def _body(self, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": self._codec.decode(request.prompt)}],
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            "stop": [self._codec.decode([token]) for token in sampling.stop_token_ids] or None,
            "stream": True if request.on_tokens or request.on_abort else None,
            **self._fields,
        }
        return {name: value for name, value in body.items() if value is not None}


@dataclass(slots=True)
class _Answer:
    """What one attempt has received so far."""

    request: Request
    codec: TextCodec
    submitted: float
    token_ids: list[int] = field(default_factory=list)
    stop_token: int | None = None
    first_token: float | None = None
    finish_reason: str | None = None

    def add(self, event: Mapping[str, Any], now: float) -> None:
        """Takes a whole response, or one piece of a streamed one."""
        for choice in event["choices"]:
            text = (choice.get("message") or choice.get("delta") or {}).get("content") or ""
            new = self.codec.encode(text) if text else []
            self.finish_reason = choice.get("finish_reason")
            stopped_by = choice.get("stop_reason")
            if isinstance(stopped_by, str) and len(stop := self.codec.encode(stopped_by)) == 1:
                (self.stop_token,) = stop
                new = [*new, self.stop_token]
            if not new:
                continue
            self.token_ids += new
            if self.request.on_tokens:
                self.first_token = self.first_token or now
                self.request.on_tokens(new)

    def abandon(self, now: float) -> None:
        if self.request.on_abort:
            self.request.on_abort(self._as("abort", now))

    def completion(self, now: float) -> Completion:
        if self.finish_reason is None:
            raise Unavailable("the service closed the stream in the middle of an answer")
        if self.finish_reason not in ("stop", "length"):
            raise EngineError(f"the service ended the request with {self.finish_reason!r} after {len(self.token_ids)} tokens")
        return self._as("stop" if self.finish_reason == "stop" else "length", now)

    def _as(self, finish: Finish, now: float) -> Completion:
        return Completion(
            token_ids=self.token_ids,
            logprobs=None,
            finish=finish,
            stop_token=self.stop_token,
            timings=Timings(submitted=self.submitted, first_token=self.first_token, finished=now),
        )
