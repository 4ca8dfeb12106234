"""A chat model on a recording: replies that were given once are given again, piece by piece, without a model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import ConfigError
from .base import ChatModel, ChatRequest, Reply, ToolUse
from .recording import Json, Recording


class RecordedChat:
    """Replays the replies of a recording; with a `model`, what it does not hold yet is asked of that model and appended.

    Requests are the same when their messages, sampling, constraint and tools are; neither session nor priority nor the model matters. One
    that is asked several times gets its replies in the order in which they were asked for. Replies that failed or were cancelled are not
    recorded. Without an entry and without a `model`, `reply` raises a `ConfigError` that shows the nearest recorded request.

    Args:
        recording: a file, or one that others record into, too.
        pace: seconds of replay for each second that the original took: 1 for its own timing, 0 for at once. `Reply.seconds` is always the
            original's.
    """

    def __init__(self, recording: Recording | str | Path, model: ChatModel | None = None, *, pace: float = 0.0) -> None:
        self._recording = recording if isinstance(recording, Recording) else Recording(recording)
        self._model = model
        self._pace = pace
        if model is None and len(self._recording) == 0:
            raise ConfigError(
                f"there is no recording in {str(self._recording.path)!r}: make one with a `model` to ask, or check the path"
            )

    @property
    def name(self) -> str:
        return f"recorded:{self._recording.path}"

    async def reply(self, request: ChatRequest) -> Reply:
        asked = _describe(request)
        with self._recording.take(asked) as take:
            if take.result is not None:
                return await self._play(take.result, request)
            if self._model is None:
                raise ConfigError(f"{self._recording.missing(asked)}. Record it: run once with a `model`")
            reply, take.result = await _ask(self._model, request)
            return reply

    async def _play(self, result: Json, request: ChatRequest) -> Reply:
        try:
            recorded = _Recorded.model_validate(result)
        except ValidationError as error:
            first = error.errors()[0]
            what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise ConfigError(f"{self._recording.path} holds a damaged reply ({what}): record it again") from error
        now = asyncio.get_running_loop().time
        started = now()
        for at, text in recorded.pieces:
            await asyncio.sleep(started + at * self._pace - now())
            if request.on_text is not None:
                request.on_text(text)
        await asyncio.sleep(started + recorded.seconds * self._pace - now())
        return recorded.reply()

    async def __aenter__(self) -> Self:
        if self._model is not None:
            await self._model.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._model is not None:
            await self._model.__aexit__(kind, error, trace)


class _ToolUse(BaseModel):
    id: str
    name: str
    arguments: str


class _Recorded(BaseModel):
    """A reply as it lies in the file."""

    model_config = ConfigDict(extra="forbid")

    pieces: Sequence[tuple[float, str]]
    """Each with the seconds from the request to it."""
    finish: Literal["stop", "length", "tools"]
    tool_uses: Sequence[_ToolUse] = ()
    prompt_tokens: int | None = None
    sampled_tokens: int | None = None
    cached_tokens: int | None = None
    seconds: float

    def reply(self) -> Reply:
        return Reply(
            text="".join(text for _, text in self.pieces),
            finish=self.finish,
            tool_uses=tuple(ToolUse(id=use.id, name=use.name, arguments=use.arguments) for use in self.tool_uses),
            prompt_tokens=self.prompt_tokens,
            sampled_tokens=self.sampled_tokens,
            cached_tokens=self.cached_tokens,
            seconds=self.seconds,
        )


async def _ask(model: ChatModel, request: ChatRequest) -> tuple[Reply, Json]:
    """The model's reply, handed out as it comes, and the entry for it."""
    now = asyncio.get_running_loop().time
    started = now()
    pieces: list[tuple[float, str]] = []

    def note(text: str) -> None:
        pieces.append((round(now() - started, 4), text))
        if request.on_text is not None:
            request.on_text(text)

    reply = await model.reply(replace(request, on_text=note))
    recorded = _Recorded(
        # A model may forget to hand its text out.
        pieces=pieces if "".join(text for _, text in pieces) == reply.text else [(reply.seconds, reply.text)],
        finish=reply.finish,
        tool_uses=[_ToolUse(**asdict(use)) for use in reply.tool_uses],
        prompt_tokens=reply.prompt_tokens,
        sampled_tokens=reply.sampled_tokens,
        cached_tokens=reply.cached_tokens,
        seconds=reply.seconds,
    )
    return reply, recorded.model_dump(mode="json")


def _describe(request: ChatRequest) -> Json:
    """What makes two requests the same."""
    return {
        "kind": "chat",
        "messages": [asdict(message) for message in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": float(request.temperature),
        "seed": request.seed,
        "stop": list(request.stop),
        "constraint": None if request.constraint is None else asdict(request.constraint),
        "tools": list(request.tools),
    }
