"""The chat seam: messages in, text out. Planners, joiners and model calls of plans talk to models through `ChatModel`.

Above it nobody knows of tokens; below it an engine with a tokenizer and a chat template, an OpenAI-compatible endpoint, a script, or a
recording does the work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from ..engine import Constraint


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """A call that a model asked for natively (OpenAI's `tool_calls`)."""

    id: str
    name: str
    arguments: str
    """JSON as the model wrote it; it may be malformed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    messages: Sequence[Message]
    max_tokens: int = 1024
    temperature: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    """Decoding ends before the first of these texts."""
    constraint: Constraint | None = None
    """What the text must match; models that cannot be held to it raise `ConfigError`."""
    tools: Sequence[Mapping[str, Any]] = ()
    """Tools offered natively, in OpenAI's form (`{"type": "function", "function": {…}}`)."""
    session: str = ""
    priority: int = 0
    traceparent: str | None = field(default=None, compare=False)
    """As in `engine.Request`."""
    on_text: Callable[[str], None] | None = field(default=None, compare=False)
    """Called with each piece of text as it is decoded, before `reply` returns. After a dropped connection the reply is not begun again
    once something was handed out: it fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    text: str
    finish: Literal["stop", "length", "tools"]
    tool_uses: tuple[ToolUse, ...] = ()
    prompt_tokens: int | None = None
    """None when the endpoint does not say; the same for the next two."""
    sampled_tokens: int | None = None
    cached_tokens: int | None = None
    seconds: float = 0.0


class ChatModel(Protocol):
    """Answers concurrently. Cancelling the task that awaits `reply` cancels the request. Failures after retries raise `EngineError`."""

    @property
    def name(self) -> str: ...

    async def reply(self, request: ChatRequest) -> Reply: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
