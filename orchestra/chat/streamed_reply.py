"""A reply that comes in the events of an OpenAI-compatible stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from .base import Reply, ToolUse

T = TypeVar("T")


class Counts(NamedTuple):
    """Of tokens, as far as the service says."""

    prompt: int | None = None
    sampled: int | None = None
    cached: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDelta:
    """A piece of a tool call. The first of a call has its name."""

    index: int | None
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What one event brings."""

    text: str = ""
    tools: Sequence[ToolDelta] = ()
    finish_reason: str | None = None
    counts: Counts | None = None


@dataclass(slots=True)
class _Call:
    index: int | None
    id: str
    name: str
    arguments: str = ""


class StreamedReply:
    """Puts the reply together; text goes to `on_text` as it comes."""

    def __init__(self, on_text: Callable[[str], None] | None) -> None:
        self.shown = False
        """`on_text` was called."""
        self.finish_reason: str | None = None
        self._on_text = on_text
        self._text: list[str] = []
        self._calls: list[_Call] = []
        self._counts = Counts()

    @property
    def finish(self) -> Literal["stop", "length", "tools"] | None:
        """None for a reason that is none of an answer's, such as a content filter."""
        if self.finish_reason == "length":
            return "length"
        if self.finish_reason not in ("stop", "tool_calls", "function_call"):
            return None
        return "tools" if self._calls else "stop"

    @staticmethod
    def read(event: Mapping[str, Any]) -> Delta:
        """Takes an event apart. Raises what is raised by taking apart what is none: `LookupError`, `TypeError`, …"""
        counts = _counts(event["usage"]) if event.get("usage") else None
        if len(event["choices"]) == 0:  # the last event, with the usage; or a service's first, with remarks of its own
            return Delta(counts=counts)
        choice = event["choices"][0]
        delta = choice["delta"] or {}
        return Delta(
            text=_check(delta.get("content") or "", str),
            tools=[_tool_delta(call) for call in delta.get("tool_calls") or ()],
            finish_reason=choice.get("finish_reason"),
            counts=counts,
        )

    def add(self, delta: Delta) -> None:
        self._counts = delta.counts or self._counts
        self.finish_reason = delta.finish_reason or self.finish_reason
        for call in delta.tools:
            self._call(call).arguments += call.arguments
        if delta.text:
            self._text.append(delta.text)
            if self._on_text is not None:
                self.shown = True
                self._on_text(delta.text)

    def reply(self, seconds: float) -> Reply:
        """The whole of it, once it has a `finish`."""
        assert self.finish is not None
        return Reply(
            text="".join(self._text),
            finish=self.finish,
            tool_uses=tuple(ToolUse(id=call.id, name=call.name, arguments=call.arguments) for call in self._calls),
            prompt_tokens=self._counts.prompt,
            sampled_tokens=self._counts.sampled,
            cached_tokens=self._counts.cached,
            seconds=seconds,
        )

    def _call(self, delta: ToolDelta) -> _Call:
        """The call that it continues, or a new one. Some services give all calls of a reply the same index, or none."""
        same = [call for call in self._calls if call.index == delta.index] if delta.index is not None else self._calls
        if same and delta.id in ("", same[-1].id):
            return same[-1]
        call = _Call(delta.index, delta.id, delta.name)
        self._calls.append(call)
        return call


def _tool_delta(call: Any) -> ToolDelta:
    function = call.get("function") or {}
    return ToolDelta(
        index=call.get("index"),
        id=_check(call.get("id") or "", str),
        name=_check(function.get("name") or "", str),
        arguments=_check(function.get("arguments") or "", str),
    )


def _counts(usage: Any) -> Counts:
    details = usage.get("prompt_tokens_details") or {}
    counts = (usage.get("prompt_tokens"), usage.get("completion_tokens"), details.get("cached_tokens"))
    return Counts(*(None if count is None else _check(count, int) for count in counts))


def _check(value: Any, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, got {value!r}")
    return value
