"""JSON Schemas as types: what a value may be, which parts it has, and whether one kind of value can stand where another is wanted.

Everything here errs on the side of "possible": a schema that says nothing allows everything, and keywords that are not understood are
left out of account. One exception, because it finds real mistakes: an object schema that lists `properties` and says nothing of others has
no others (pydantic and MCP servers describe outputs in this way).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KINDS = {
    "null": "null",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "object": "an object",
}
"""JSON's types, and how they are called in messages."""

_ALL = frozenset(KINDS)
_MAX_VARIANTS = 50
_MAX_LEVELS = 3
"""Levels of lists and objects that are compared; schemas may be recursive."""
_LIST_INDEX = re.compile(r"-?[0-9]+")


@dataclass(frozen=True, slots=True)
class JsonType:
    """A JSON Schema, and the document that its local `$ref`s point into."""

    schema: Any
    root: Any

    @staticmethod
    def of(schema: Any) -> JsonType:
        return JsonType(schema, schema)

    def variants(self) -> list[JsonType]:
        """The schemas of which a value has to match at least one; none of them is a `$ref`, a union, or of several types."""
        found: list[JsonType] = []
        todo: list[Any] = [self.schema]
        for _ in range(_MAX_VARIANTS):
            if not todo:
                return found
            match todo.pop(0):
                case False:
                    pass
                case {"$ref": str(pointer)}:
                    todo.insert(0, self._target(pointer))
                case {"anyOf": list(options)} | {"oneOf": list(options)}:
                    todo = [*options, *todo]
                case {"allOf": [only]}:
                    todo.insert(0, only)
                case {"allOf": _}:
                    return [ANY]
                case {"type": list(kinds), **rest}:
                    todo = [*({**rest, "type": kind} for kind in kinds), *todo]
                case Mapping() as schema:
                    found.append(JsonType(schema, self.root))
                case _:
                    return [ANY]
        return [ANY]  # a `$ref` that leads to itself, or more alternatives than anybody can read

    def _target(self, pointer: str) -> Any:
        """What a `$ref` names; True (anything) when that is not inside the document."""
        if not pointer.startswith("#"):
            return True
        at = self.root
        for step in pointer[1:].split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(at, Mapping) or step not in at:
                return True
            at = at[step]
        return at

    @property
    def kinds(self) -> frozenset[str]:
        """JSON types that a value may have; a whole number is a number, too."""
        return frozenset().union(*(_kinds(variant.schema) for variant in self.variants()))

    @property
    def keys(self) -> list[str]:
        """Names of the properties of all variants that are objects, in order."""
        return list(dict.fromkeys(name for variant in self.variants() for name in _properties(variant.schema)))

    def at(self, step: str | int) -> JsonType | None:
        """What is found under a key or an index; None when no variant has anything there."""
        parts = [part for variant in self.variants() for part in _parts(variant.schema, step)]
        if not parts:
            return None
        return JsonType(parts[0] if len(parts) == 1 else {"anyOf": parts}, self.root)

    def fits(self, wanted: JsonType, levels: int = _MAX_LEVELS) -> bool:
        """Whether a value of this type can be what is `wanted`. False only when none can (an empty list or a missing key aside)."""
        pairs = [(source, target) for source in self.variants() for target in wanted.variants() if _common(source, target)]
        return _fits(*pairs[0], levels) if len(pairs) == 1 else bool(pairs)

    def __str__(self) -> str:
        return " or ".join(dict.fromkeys(_words(variant.schema) for variant in self.variants())) or "nothing"


ANY = JsonType.of({})
TEXT = JsonType.of({"type": "string"})


def required_keys(schema: Mapping[str, Any]) -> list[str]:
    """Names of properties that must be there."""
    names = schema.get("required")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list | tuple) else []


def kind_of(value: Any) -> str:
    """The JSON type of a value without references."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case str():
            return "string"
        case list() | tuple():
            return "array"
    return "object"


def shown(value: Any, limit: int = 80) -> str:
    """A value in messages: JSON, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= limit else f"{text[:limit]}…"


def _kinds(schema: Mapping[str, Any]) -> frozenset[str]:
    match schema:
        case {"const": value}:
            return frozenset((kind_of(value),))
        case {"enum": list(values)}:
            return frozenset(map(kind_of, values))
        case {"type": "number"}:
            return frozenset(("number", "integer"))
        case {"type": str(kind)} if kind in KINDS:
            return frozenset((kind,))
    return _ALL


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}


def _parts(schema: Mapping[str, Any], step: str | int) -> list[Any]:
    """What this schema, without `$ref`s and unions, says of values under `step`."""
    kinds, parts = _kinds(schema), []
    if "object" in kinds:
        properties, others = _properties(schema), schema.get("additionalProperties")
        if str(step) in properties:
            parts.append(properties[str(step)])
        elif isinstance(others, Mapping):
            parts.append(others)
        elif others is True or "patternProperties" in schema or (others is None and not properties):
            parts.append({})
    if "array" in kinds and (isinstance(step, int) or _LIST_INDEX.fullmatch(step)):
        items = schema.get("items", {})
        parts.append({} if "prefixItems" in schema or not isinstance(items, Mapping) else items)
    return parts


def _common(source: JsonType, wanted: JsonType) -> frozenset[str]:
    return _kinds(source.schema) & _kinds(wanted.schema)


def _fits(source: JsonType, wanted: JsonType, levels: int) -> bool:
    """Of two that have a type in common: whether their parts fit."""
    common = _common(source, wanted)
    if levels == 0 or len(common) > 1:
        return True
    if common == {"array"}:
        items = source.schema.get("items", {}), wanted.schema.get("items", {})
        return JsonType(items[0], source.root).fits(JsonType(items[1], wanted.root), levels - 1)
    if common == {"object"}:
        has, wants = _properties(source.schema), _properties(wanted.schema)
        required = required_keys(wanted.schema)
        if any(source.at(name) is None for name in required):
            return False
        both = [
            (JsonType(has[name], source.root), JsonType(wants[name], wanted.root))
            for name in required
            if name in has and name in wants
        ]
        return all(mine.fits(theirs, levels - 1) for mine, theirs in both)
    return True


def _words(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"const": value}:
            return shown(value)
        case {"enum": list(values)}:
            listed = ", ".join(shown(value) for value in values[:20])
            return f"one of {listed}" + (" and others" if len(values) > 20 else "")
        case {"type": "array", "items": {"type": str(kind)}} if kind in KINDS:
            return f"a list (each item is {KINDS[kind]})"
        case {"type": str(kind)} if kind in KINDS:
            return KINDS[kind]
    return "anything"
