"""Tools on a recording: what they returned once they return again, so that whole agents run offline and the same every time.

recording = Recording("run.jsonl")
model = RecordedChat(recording, live_model)                  # leave the live ones out to replay only
tools = recorded([search, convert], recording, live=True)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from ..chat.recording import Json, Recording
from ..errors import ConfigError, ToolError
from .function import as_tool
from .tool import Tool


def recorded(tools: Iterable[Tool | Callable[..., Any]], recording: Recording | str | Path, *, live: bool = False) -> list[Tool]:
    """The tools with their outputs and failures from `recording`, which a `RecordedChat` may share.

    With `live`, what is not recorded yet is called and appended. Calls are the same when tool and arguments are; one that is made several
    times returns its results in order. Raises `ConfigError`, when it is called, for a call that is not recorded, naming the nearest that is.
    """
    book = recording if isinstance(recording, Recording) else Recording(recording)
    return [_recorded(as_tool(tool), book, live) for tool in tools]


def _recorded(tool: Tool, recording: Recording, live: bool) -> Tool:
    async def call(arguments: Mapping[str, Any]) -> Any:
        asked: Json = {"kind": "tool", "name": tool.name, "arguments": to_jsonable_python(dict(arguments), fallback=repr)}
        with recording.take(asked) as take:
            if take.result is None:
                if not live:
                    raise ConfigError(f"{recording.missing(asked)}. Record it: run once with `live=True`")
                take.result, output = await _made(tool.call, arguments, tool.name)
                if "error" not in take.result:
                    return output
            if "error" in take.result:
                raise ToolError(str(take.result["error"]))
            value = take.result["value"]
            return value if tool.restore is None else tool.restore(value)

    return (
        replace(tool, call=call) if type(tool) is Tool else Tool(**{name: getattr(tool, name) for name in _FIELDS} | {"call": call})
    )


async def _made(call: Callable[[Mapping[str, Any]], Awaitable[Any]], arguments: Mapping[str, Any], name: str) -> tuple[Json, Any]:
    try:
        output = await call(arguments)
    except Exception as error:  # noqa: BLE001 - the tool's own failure, which is replayed like an output
        return {"error": str(error) if isinstance(error, ToolError) else f"{type(error).__name__}: {error}"}, None
    try:
        return {"value": to_jsonable_python(output)}, output
    except PydanticSerializationError as error:
        raise ToolError(
            f"the output of {name} cannot be recorded ({error}): return JSON values, a pydantic model or a dataclass"
        ) from error


_FIELDS = ("spec", "timeout_s", "resource", "restore", "usage")
