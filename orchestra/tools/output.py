"""A bound on what a tool hands over, so that one call cannot fill the memory, the journal or a model's context."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from pydantic import BaseModel

from ..errors import ToolError

MAX_OUTPUT_CHARS = 1_000_000
"""About 250,000 tokens: more than any model reads, less than hurts."""

_FIXED = frozenset({type(None), bool, float})
"""Types whose text is always short."""


def bounded(output: Any, limit: int | None, tool: str) -> Any:
    """`output`, or the beginning of it with a mark that says how much is left out, if it is a longer string. None sets no limit.

    Anything else that is larger is refused with a `ToolError`: half of a list or an object would silently be wrong. Its size is about that
    of its JSON form; objects other than containers, data classes and pydantic models count as nothing.
    """
    if limit is None or type(output) in _FIXED:
        return output
    if isinstance(output, str):
        if len(output) <= limit:
            return output
        return f"{output[:limit]}\n[cut here: {len(output) - limit:,} of {len(output):,} characters are left out]"
    if _exceeds(output, limit):
        size = f" ({len(output):,} items)" if isinstance(output, (Mapping, list, tuple, set, frozenset)) else ""
        raise ToolError(
            f"{tool} returned more than {limit:,} characters of data{size}, too much to pass on: ask it for less, or for one part at a time"
        )
    return output


def _exceeds(output: Any, limit: int) -> bool:
    """Whether the size is above `limit`; looks at no more than it has to, so cycles and huge containers end it, too."""
    size = 0
    levels: list[Iterable[Any]] = [iter((output,))]
    while levels and size <= limit:
        for value in levels[-1]:
            size += _own_size(value)
            if (parts := _parts(value)) is not None:
                levels.append(iter(parts))
                break
            if size > limit:
                break
        else:
            levels.pop()
    return size > limit


def _own_size(value: Any) -> int:
    match value:
        case str() | bytes() | bytearray():
            return len(value) + 2
        case bool():
            return 4
        case int():
            return 1 + value.bit_length() * 3 // 10  # log10(2) is 0.301
    return 4


def _parts(value: Any) -> Iterable[Any] | None:
    match value:
        case dict():
            return (part for item in value.items() for part in item)
        case list() | tuple() | set() | frozenset():
            return value
        case BaseModel():
            return chain(value.__dict__.values(), (value.model_extra or {}).values())
    fields = getattr(type(value), "__dataclass_fields__", None)
    return (getattr(value, name) for name in fields if hasattr(value, name)) if fields else None
