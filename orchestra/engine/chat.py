"""Endpoints that know only chats: `ChatEngine` sends text to `/v1/chat/completions`. For services without token ids; for vLLM use
`HttpEngine`, which is exact."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Protocol, Self

from ..errors import ConfigError
from .base import Capabilities, Completion, Request
from .completing import Piece, complete
from .connection import Connection, entering
from .constraint import refuse_constraint


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
        patience_s: how long to go on trying, from a request's first failure, while the service is full or does not answer.
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

    @property
    def name(self) -> str:
        return f"{self._model} at {self._connection.url} (chat)"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(token_exact=False, logprobs=False, cached_tokens=False)

    def now(self) -> float:
        return time.monotonic()

    async def generate(self, request: Request) -> Completion:
        refuse_constraint(self, request)
        if request.sampling.top_logprobs:
            raise ConfigError(
                f"{self.name} gives no log-probabilities, and `top_logprobs` is {request.sampling.top_logprobs}: use `HttpEngine` with a"
                " vLLM server, or a policy that does not need them"
            )
        return await complete(self._connection, "chat/completions", self._body(request), request, self._read)

    async def running(self) -> int:
        """This client's own requests: a service does not tell what else it does."""
        return self._connection.in_flight

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._connection)
            with entering():
                await self._connection.reach()
            stack.pop_all()
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
            **self._fields,
        }
        return {name: value for name, value in body.items() if value is not None}

    def _read(self, event: Mapping[str, Any]) -> Piece:
        with self._connection.reading(event):
            if len(event["choices"]) == 0:
                return Piece()
            (choice,) = event["choices"]
            text = (choice["message"] if "message" in choice else choice["delta"] or {}).get("content") or ""
            # vLLM names the text that stopped it and leaves it out of the answer.
            stop_text = choice.get("stop_reason")
            finish_reason = choice.get("finish_reason")
            if not isinstance(text, str):
                raise TypeError(f"`content` must be text, got {text!r}")
        token_ids = self._codec.encode(text) if text else []
        stop = self._codec.encode(stop_text) if isinstance(stop_text, str) else []
        return Piece(token_ids=[*token_ids, *stop], finish_reason=finish_reason, ends_with_stop_token=len(stop) == 1)
