"""Native tool calls of OpenAI-compatible endpoints, as a plan of nodes side by side.

The protocol knows no dependencies: whatever calls come in one message are parallel. With `references` strings may hold them
(`dollar_refs`); then nodes are numbered in the order of the calls, for a model does not know the ids that its endpoint gives to
calls.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ...chat.base import ToolUse
from ..ref import encode
from .base import Parsed, Tools
from .drafts import Drafts
from .objects import ObjectScanner, read_json, read_one
from .reading import Unreadable, excerpt

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")


class OpenAITools:
    """The format. Without `references` every string is literal, and nodes are called as their calls where a node may be called
    so."""

    name = "openai-tools"

    def __init__(self, *, references: bool = False) -> None:
        self._references = references

    def parse(self, text: str, tools: Tools) -> Parsed:
        """`text` is the JSON of a list of `tool_calls`, or of the message that holds them."""
        scanner = ObjectScanner()
        calls: list[Any] = []
        drafts = Drafts(literal=not self._references)
        for event in [*scanner.feed(text), *scanner.close()]:
            try:
                if event.what == "object":
                    found = read_json(event.text)
                    calls += found["tool_calls"] if isinstance(found.get("tool_calls"), list) else [found]
                elif event.what != "settled":
                    raise Unreadable(event.text if event.what == "broken" else f"{excerpt(event.text)} is no JSON")
            except Unreadable as error:
                drafts.report("syntax", f"line {event.line}: {error}")
        return self._read(calls, drafts)

    def parse_calls(self, calls: Sequence[ToolUse | dict[str, Any]]) -> Parsed:
        """`calls` are `Reply.tool_uses`, or objects as in a message's `tool_calls`."""
        return self._read(calls, Drafts(literal=not self._references))

    def _read(self, calls: Sequence[Any], drafts: Drafts) -> Parsed:
        for place, call in enumerate(calls, 1):
            node_id = str(place)
            try:
                given, name, arguments = _parts(call)
                if given and not self._references and _ID.fullmatch(given):
                    node_id = given
                found = _arguments(arguments)
                values = found if self._references else {key: encode(value) for key, value in found.items()}
                drafts.add({"kind": "tool", "id": node_id, "tool": name, "arguments": values})
            except Unreadable as error:
                drafts.report(error.code, str(error), node_id)
        drafts.complete()
        return drafts.parsed(None)


def _parts(call: Any) -> tuple[str | None, str, Any]:
    """Id, name and arguments of a call."""
    if isinstance(call, ToolUse):
        return call.id, call.name, call.arguments
    if isinstance(call, dict):
        body = call.get("function", call)
        if isinstance(body, dict) and isinstance(body.get("name"), str):
            given = call.get("id")
            return given if isinstance(given, str) else None, body["name"], body.get("arguments", {})
    raise Unreadable(f'a call is {{"id": …, "function": {{"name": …, "arguments": …}}}}, got {excerpt(repr(call))}')


def _arguments(written: Any) -> dict[str, Any]:
    """Some endpoints send arguments as an object instead of text, and none at all as empty text."""
    if isinstance(written, dict):
        return written
    if isinstance(written, str):
        return read_one(written) if written.strip() else {}
    raise Unreadable(f"arguments are a JSON object, got {excerpt(repr(written))}")
