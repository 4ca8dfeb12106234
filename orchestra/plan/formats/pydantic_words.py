"""What pydantic says about a node or a plan, in words that a model can act on."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from ..finding import Code, Finding
from .reading import excerpt

_POLICIES = {"edges", "quorum", "effect", "timeout_s", "estimate", "reads", "writes", "enough"}
_KINDS = {"tool", "model", "sample", "aggregate", "plan"}
_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is no field that a {kind} has: leave it out",
    "string_type": "must be a string, got {value}",
    "dict_type": "must be an object, got {value}",
    "tuple_type": "must be a list, got {value}",
    "frozen_set_type": "must be a list, got {value}",
    "union_tag_invalid": 'must have a `kind` that is "tool", "model", "sample", "aggregate" or "plan", got {value}',
    "union_tag_not_found": "has no `kind`",
    "string_unicode": "holds half of a surrogate pair: write the character itself",
}


def in_words(error: ValidationError, node: str | None, kind: str = "node") -> Iterator[Finding]:
    """One finding for each thing that `error` lists."""
    for item in error.errors(include_url=False, include_context=False):
        path = _path(item["loc"])
        if item["type"] == "string_pattern_mismatch":
            words = "must be letters, digits, _ and -, at most 64, got {value}"
        else:
            words = _WORDS.get(item["type"]) or f"{item['msg'].removeprefix('Value error, ').removeprefix('Input ')}, got {{value}}"
        words = words.replace("{kind}", kind).replace("{value}", excerpt(repr(item["input"])) if "{value}" in words else "")
        code: Code = "bad-policy" if path and path[0] in _POLICIES else "syntax"
        yield Finding(code, f"`{'.'.join(path)}` {words}" if path else f"it {words}", node)


def _path(location: tuple[int | str, ...]) -> list[str]:
    """The way to the field, without the names of kinds that pydantic puts after each member of a union."""
    path: list[str] = []
    for index, step in enumerate(location):
        tag = step in _KINDS and (index == 0 or isinstance(location[index - 1], int))
        if not tag:
            path.append(str(step))
    return path
