"""JSON Schemas that hold a model to the JSON formats: known tools only, with their arguments by name and type.

That a reference leads to an earlier node cannot be said in a schema; the verifier says it (or a grammar, see `grammars`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..tool_spec import ToolSpec
from .base import Tools

_ID = {"type": "string", "pattern": "^[1-9][0-9]{0,3}$"}
_REFERENCE = {"type": "string", "pattern": "^\\$[1-9][0-9]{0,3}$"}
_OUTPUT = {"anyOf": [{"type": "null"}, {"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_DEFINITIONS = ("$defs", "definitions")


def line_schema(tools: Tools) -> dict[str, Any]:
    """One line of `json_lines`: a call of one of the tools, or the output."""
    return {"anyOf": [*map(_node, tools.values()), _object({"output": _OUTPUT})], **_definitions(tools.values())}


def document_schema(tools: Tools) -> dict[str, Any]:
    """A `document` in its short form."""
    nodes = {"type": "array", "items": {"anyOf": [*map(_node, tools.values())]}, "minItems": 1}
    return {**_object({"nodes": nodes, "output": _OUTPUT}), **_definitions(tools.values())}


def _object(properties: Mapping[str, Any], required: Iterable[str] | None = None) -> dict[str, Any]:
    names = properties if required is None else required
    return {"type": "object", "properties": dict(properties), "required": list(names), "additionalProperties": False}


def _node(spec: ToolSpec) -> dict[str, Any]:
    parameters = spec.parameters.get("properties", {})
    arguments = {name: _or_reference(_moved(schema, spec.name)) for name, schema in parameters.items()}
    properties = {
        "thought": {"type": "string"},
        "id": _ID,
        "tool": {"const": spec.name},
        "args": _object(arguments, [name for name in parameters if name in spec.required]),
        "after": {"type": "array", "items": _ID},
    }
    return _object(properties, ("id", "tool", "args"))


def _or_reference(schema: Any) -> Any:
    """`schema`, or the output of a node in its place. Plain text may hold references anyway."""
    return schema if schema in ({}, True, {"type": "string"}) else {"anyOf": [schema, _REFERENCE]}


def _definitions(specs: Iterable[ToolSpec]) -> dict[str, Any]:
    """Definitions of all tools at the top, where references into them are resolved."""
    found = {
        f"{spec.name}.{name}": _moved(schema, spec.name)
        for spec in specs
        for group in _DEFINITIONS
        for name, schema in spec.parameters.get(group, {}).items()
    }
    return {"$defs": found} if found else {}


def _moved(schema: Any, tool: str) -> Any:
    """`schema` with its references to definitions led to where `_definitions` puts them."""
    match schema:
        case {"$ref": str(target)}:
            name = target.removeprefix("#/$defs/").removeprefix("#/definitions/")
            return {**{key: _moved(value, tool) for key, value in schema.items()}, "$ref": f"#/$defs/{tool}.{name}"}
        case Mapping():
            return {key: _moved(value, tool) for key, value in schema.items()}
        case list():
            return [_moved(value, tool) for value in schema]
    return schema
