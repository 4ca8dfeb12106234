"""A connection to an OpenAI-compatible server: the one file that names httpx.

Connections are kept alive and not limited in number, and reading has no timeout, because a long answer is no failure. A request is sent
again where another try can help (the server is full, starting, or gone for a moment) and nowhere else. Errors say what to do next.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
import stamina

from ..errors import ConfigError, EngineError
from .base import Completion, Request
from .sampled import Sampled

CONNECT_S = 10.0
KEEP_ALIVE_S = 4.0
"""Less than the 5 s of uvicorn, vLLM's web server: a request must not meet a connection that is just being closed."""
MAX_BACKOFF_S = 5.0
MAX_RETRY_AFTER_S = 60.0


class Unavailable(EngineError):
    """Another try can help: the server is full or starting, or the connection broke."""

    def __init__(self, message: str, *, status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, status=status)
        self.retry_after_s = retry_after_s
        """What the server asks for; None when it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What one event of an answer brings: all of it, or the next tokens of a stream."""

    token_ids: Sequence[int] = ()
    logprobs: Sequence[float] = ()
    finish_reason: str | None = None
    ends_with_stop_token: bool = False
    cached_tokens: int | None = None


class Connection:
    """One server at `url`, with or without "/v1" at its end. `patience_s`: how long to go on trying while it is unavailable."""

    def __init__(self, url: str, *, api_key: str | None, patience_s: float) -> None:
        self._root = url.rstrip("/").removesuffix("/v1")
        self._patience_s = patience_s
        self.in_flight = 0
        """Requests that `complete` has not finished, waiting ones included."""
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(None, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEP_ALIVE_S),
        )

    @property
    def url(self) -> str:
        return f"{self._root}/v1"

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def complete(
        self, path: str, body: Mapping[str, Any], request: Request, read: Callable[[Mapping[str, Any]], Piece]
    ) -> Completion:
        """POST `body` until it succeeds or patience runs out; `read` says what an event of the answer brings.

        What an attempt had sampled when the connection broke goes to `on_abort`, and the next attempt starts from the prompt.
        """
        if streams(request):
            body = {**body, "stream": True}
        headers = {"X-Session-ID": request.session} if request.session else {}
        submitted = time.monotonic()
        self.in_flight += 1
        try:
            async for attempt in stamina.retry_context(
                on=_backoff, attempts=None, timeout=self._patience_s, wait_max=MAX_BACKOFF_S
            ):
                with attempt:
                    return await self._attempt(self.post(path, body, headers), Sampled(request, submitted), read)
        finally:
            self.in_flight -= 1
        raise AssertionError("stamina returns or raises")

    async def _attempt(
        self, answer: AsyncGenerator[dict[str, Any]], sampled: Sampled, read: Callable[[Mapping[str, Any]], Piece]
    ) -> Completion:
        last = Piece()
        try:
            async with aclosing(answer):
                async for event in answer:
                    piece = read(event)
                    sampled.cached_tokens = piece.cached_tokens
                    sampled.add(piece.token_ids, piece.logprobs, time.monotonic())
                    last = piece if piece.finish_reason else last
            if last.finish_reason is None:
                raise Unavailable(f"{self.url} closed the stream in the middle of an answer: see its log")
            if last.finish_reason not in ("stop", "length"):
                raise EngineError(f"{self.url} ended the request with {last.finish_reason!r}: see its log")
        except asyncio.CancelledError:
            sampled.abandon(time.monotonic())
            raise
        except EngineError:
            if sampled.token_ids:
                sampled.abandon(time.monotonic())
            raise
        if last.finish_reason == "length":
            return sampled.completion("length", time.monotonic())
        return sampled.completion("stop", time.monotonic(), stop_token=sampled.token_ids[-1] if last.ends_with_stop_token else None)

    async def post(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[dict[str, Any]]:
        """One attempt: yields the answer, or its pieces when `body` asks for a stream. Closing the generator closes the connection.

        Raises `Unavailable` when another attempt can help, otherwise `ConfigError` or `EngineError`.
        """
        try:
            async with self._client.stream("POST", f"{self.url}/{path}", json=body, headers=headers) as response:
                await self._check(response)
                if not body.get("stream"):
                    yield json.loads(await response.aread())
                    return
                async for line in response.aiter_lines():
                    if line.startswith("data: ") and line != "data: [DONE]":
                        yield self._event(line.removeprefix("data: "))
        except _BROKEN as error:
            raise self._unavailable(error) from error

    async def reach(self) -> None:
        """Raises `Unavailable` when nobody answers at all."""
        await self._get(f"{self.url}/models")

    async def models(self) -> dict[str, int | None]:
        """The models that the server offers, each with its context where that is told."""
        response = await self._get(f"{self.url}/models")
        await self._check(response)
        return {model["id"]: model.get("max_model_len") for model in response.json()["data"]}

    async def metrics(self) -> str:
        """What vLLM exports for Prometheus; empty when the server has no such page."""
        response = await self._get(f"{self._root}/metrics")
        return "" if response.is_error else response.text

    async def _get(self, url: str) -> httpx.Response:
        try:
            return await self._client.get(url)
        except _BROKEN as error:
            raise self._unavailable(error) from error

    async def _check(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        await response.aread()
        status, message = response.status_code, f"{self.url} answered {response.status_code}: {_message(response)}"
        if status in (401, 403):
            raise ConfigError(f"{message} (pass the key that it wants as `api_key`)")
        if status in (429, 503):
            after = response.headers.get("Retry-After", "")
            raise Unavailable(
                f"{message} (too many requests: lower the concurrency, or add servers behind a router)",
                status=status,
                retry_after_s=min(float(after), MAX_RETRY_AFTER_S) if after.isdigit() else None,
            )
        raise EngineError(message, status=status)

    def _event(self, data: str) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(data)
        if error := event.get("error"):
            raise EngineError(f"{self.url} failed in the middle of an answer: {error['message']}", status=error.get("code"))
        return event

    def _unavailable(self, error: httpx.TransportError) -> Unavailable:
        return Unavailable(
            f"{self.url} does not answer ({type(error).__name__}: {error}): check the address, and that the server is running and its log"
        )


def streams(request: Request) -> bool:
    """Whether its answer is streamed: nothing else says what a cancelled request had sampled."""
    return request.on_tokens is not None or request.on_abort is not None


_BROKEN = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)


def _backoff(error: Exception) -> bool | float:
    """Whether to try again after `error`; a number is the wait in seconds that the server asks for."""
    if not isinstance(error, Unavailable):
        return False
    return True if error.retry_after_s is None else error.retry_after_s


def _message(response: httpx.Response) -> str:
    """The server's own explanation; `{"error": {"message": …}}` is how OpenAI and vLLM write it."""
    try:
        content = response.json()
    except ValueError:
        return response.text[:500]
    error = content.get("error", content) if isinstance(content, dict) else content
    return str(error.get("message", error) if isinstance(error, dict) else error)
