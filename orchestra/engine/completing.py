"""One completion over a `Connection`: tokens are put together from the answer, and asked for again where another try can help."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from ..errors import EngineError
from .base import Completion, Request
from .connection import Connection
from .sampled import Sampled
from .scores import Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What one event of an answer brings: all of it, or the next tokens of a stream."""

    token_ids: Sequence[int] = ()
    logprobs: Sequence[float] = ()
    scores: Scores | None = None
    finish_reason: str | None = None
    ends_with_stop_token: bool = False
    cached_tokens: int | None = None


async def complete(
    connection: Connection, path: str, body: Mapping[str, Any], request: Request, read: Callable[[Mapping[str, Any]], Piece]
) -> Completion:
    """POST `body` until it succeeds or patience runs out; `read` says what an event of the answer brings.

    What an attempt had sampled when the connection broke goes to `on_abort`, and the next attempt starts from the prompt.
    """
    if streams(request):
        body = {**body, "stream": True}
    submitted = time.monotonic()

    async def attempt() -> Completion:
        answer = connection.post(path, body, session=request.session, traceparent=request.traceparent)
        return await _attempt(connection, answer, Sampled(request, submitted), read)

    return await connection.patiently(attempt)


def streams(request: Request) -> bool:
    """Whether its answer is streamed: nothing else says what a cancelled request had sampled."""
    return request.watched or request.on_abort is not None


async def _attempt(
    connection: Connection,
    answer: AsyncGenerator[dict[str, Any]],
    sampled: Sampled,
    read: Callable[[Mapping[str, Any]], Piece],
) -> Completion:
    last = Piece()
    try:
        async with aclosing(answer):
            async for event in answer:
                piece = read(event)
                sampled.cached_tokens = piece.cached_tokens
                sampled.add(piece.token_ids, piece.logprobs, time.monotonic(), piece.scores)
                last = piece if piece.finish_reason else last
        if last.finish_reason is None and streams(sampled.request):
            raise connection.broken_off()
        if last.finish_reason not in ("stop", "length"):
            raise EngineError(f"{connection.url} ended the request with {last.finish_reason!r}: see its log")
        if last.ends_with_stop_token and not sampled.token_ids:
            raise EngineError(f"{connection.url} says that a stop token ended the answer, but sent no token: see its log")
    except BaseException as error:  # a cancellation, or an observer's own error: what was sampled is counted all the same
        if sampled.token_ids or not isinstance(error, EngineError):
            sampled.abandon(time.monotonic())
        raise
    if last.finish_reason == "length":
        return sampled.completion("length", time.monotonic())
    return sampled.completion("stop", time.monotonic(), stop_token=sampled.token_ids[-1] if last.ends_with_stop_token else None)
