"""Chats with any OpenAI-compatible endpoint, over `/v1/chat/completions`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing
from types import TracebackType
from typing import Any, Self

from ..engine import Constraint
from ..engine.connection import Connection, Served, Unavailable, entering
from ..engine.constraint import structured_outputs
from ..errors import ConfigError, EngineError
from .base import ChatRequest, Reply
from .streamed_reply import StreamedReply


class HttpChat:
    """An OpenAI-compatible chat endpoint. Replies are streamed.

    A request is sent again while the endpoint is full or unreachable, and after a connection that broke or fell silent, but not once a
    piece of the reply was handed to `on_text`. A JSON schema is sent as `response_format`, which most endpoints know; grammars and regular
    expressions need vLLM.

    Args:
        url: of the endpoint, such as "https://api.example.com/v1".
        model: as the endpoint calls it; may be left out when it serves one only.
        fields: added to each request; a None removes the field of that name. An endpoint that refuses `max_tokens` takes
            `{"max_tokens": None, "max_completion_tokens": 4096}`.
        priority: pass `ChatRequest.priority` on, which needs a vLLM server with `--scheduling-policy priority`.
        silence_s: the longest wait for the next piece, the first included; None waits for ever.
        patience_s: how long to go on trying, from a request's first failure, while the endpoint is full or does not answer.
    """

    def __init__(
        self,
        url: str,
        model: str | None = None,
        *,
        api_key: str | None = None,
        fields: Mapping[str, Any] | None = None,
        priority: bool = False,
        silence_s: float | None = None,
        patience_s: float = 120.0,
    ) -> None:
        self._connection = Connection(url, api_key=api_key, patience_s=patience_s)
        self._model = model
        self._fields = fields or {}
        self._priority = priority
        self._silence_s = silence_s
        self._vllm = False

    @property
    def name(self) -> str:
        return f"{self._model} at {self._connection.url}"

    async def reply(self, request: ChatRequest) -> Reply:
        body = self._body(request)
        now = asyncio.get_running_loop().time
        started = now()
        streamed = await self._connection.patiently(lambda: self._attempt(request, body))
        reply = streamed.reply(now() - started)
        if request.constraint is not None and request.constraint.json_schema is not None and reply.finish == "stop":
            self._check_json(reply.text)
        return reply

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._connection)
            with entering():
                models = await self._models()
            if self._model is None:
                if len(models) != 1:
                    raise ConfigError(f"{self._connection.url} serves {len(models)} models: pass one of {list(models)} as `model`")
                (self._model,) = models
            self._vllm = models.get(self._model, Served()).vllm
            stack.pop_all()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._connection.__aexit__(kind, error, trace)

    async def _models(self) -> dict[str, Served]:
        """Not every endpoint lists its models; where the model is named, only a refused key and a dead address matter."""
        try:
            return await self._connection.models()
        except EngineError as error:
            if self._model is None or error.status == 401 or isinstance(error, Unavailable):
                raise
            return {}

    async def _attempt(self, request: ChatRequest, body: Mapping[str, Any]) -> StreamedReply:
        streamed = StreamedReply(request.on_text)
        try:
            answer = self._connection.post("chat/completions", body, session=request.session, traceparent=request.traceparent)
            async with aclosing(answer) as events:
                while (event := await self._next(events)) is not None:
                    with self._connection.reading(event):
                        delta = streamed.read(event)
                    streamed.add(delta)
            if streamed.finish_reason is None:
                raise self._connection.broken_off()
        except Unavailable as error:
            if streamed.shown:
                raise EngineError(
                    f"{error} (a part of the reply had been handed out, so it was not asked for again)", status=error.status
                ) from error
            raise
        if streamed.finish is None:
            raise EngineError(
                f"{self._connection.url} ended the reply with {streamed.finish_reason!r}: see its documentation or log"
            )
        return streamed

    async def _next(self, events: AsyncGenerator[dict[str, Any]]) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(self._silence_s):
                return await anext(events, None)
        except TimeoutError as error:
            raise Unavailable(
                f"{self._connection.url} has sent nothing for {self._silence_s:g} s: it hangs or is overloaded (see its log), or `silence_s`"
                " is too short for it"
            ) from error

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
            "stop": list(request.stop) or None,
            "tools": list(request.tools) or None,
            "priority": request.priority if self._priority else None,
            "stream": True,
            "stream_options": {"include_usage": True},
            **(self._constrained(request.constraint) if request.constraint is not None else {}),
            **self._fields,
        }
        return {name: value for name, value in body.items() if value is not None}

    def _constrained(self, constraint: Constraint) -> dict[str, Any]:
        if constraint.json_schema is not None:
            schema = {"name": "reply", "schema": constraint.json_schema, "strict": True}
            return {"response_format": {"type": "json_schema", "json_schema": schema}}
        if not self._vllm:
            raise ConfigError(
                f"{self.name} is not served by vLLM (as its list of models says), so it cannot be held to a grammar or regex: use a JSON"
                " schema, leave the constraint out, or use a vLLM server"
            )
        return {"structured_outputs": structured_outputs(constraint)}

    def _check_json(self, text: str) -> None:
        """An endpoint that does not know `response_format` may ignore it."""
        try:
            json.loads(text, strict=False)  # xgrammar lets control characters into strings of limited length
        except RecursionError:  # it is JSON, but deeper than Python reads
            return
        except ValueError as error:
            raise ConfigError(
                f"{self.name} did not keep to the JSON schema, its reply is no JSON ({error}): {text[:200]!r}. Leave the constraint out, or use"
                " an endpoint that has structured outputs, such as vLLM"
            ) from error
