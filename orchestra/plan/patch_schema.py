"""A JSON Schema of patches, for models that are held to it while they decode.

It says what `Patch` reads, less what models have no need of (policies, estimates, sub-plans): text that matches it is a patch, of calls of
tools that exist with arguments that they have. What a schema cannot say (that an id exists, that there is no cycle, what is in an argument
that may be anything) `Patch` and `apply` check.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .json_type import TEXT, JsonType
from .tool_spec import ToolSpec

_ID = {"type": "string", "pattern": r"^[A-Za-z0-9_][A-Za-z0-9_\-]{0,63}$"}
_IDS = {"type": "array", "items": _ID}
_STEPS = r"(\.[A-Za-z0-9_\-]+)*"
_STRING = {"type": "string"}
_DEFINITIONS = ("$defs", "definitions")


def schema(tools: Mapping[str, ToolSpec]) -> dict[str, Any]:
    """The schema, for these tools. It uses no keyword beyond those that grammars for decoding are made of."""
    node = {"$ref": "#/$defs/node"}
    operations = [
        _object(op={"const": "add"}, node=node),
        _object(op={"const": "replace"}, id=_ID, node=node),
        _object(op={"const": "remove"}, id=_ID, cascade={"type": "boolean"}),
        _object(op={"const": "rewire"}, id=_ID, **{"from": _ID, "to": _ID}),
        _object(op={"const": "set_output"}, output=_VALUE),
    ]
    definitions: dict[str, Any] = {
        "ref": _object(**{"$ref": {"type": "string", "pattern": rf"^[A-Za-z0-9_][A-Za-z0-9_\-]{{0,63}}{_STEPS}$"}}),
        "text": _object(**{"$text": {"type": "array", "items": {"anyOf": [_STRING, _REF]}}}),
        "node": {"anyOf": [*(_call(spec) for spec in tools.values()), *_OTHERS]},
    }
    for spec in tools.values():
        for keyword in _DEFINITIONS:
            for name, definition in _mapping(spec.parameters.get(keyword)).items():
                definitions[_global(spec, name)] = _moved(definition, spec)
    listed = {"type": "array", "items": {"anyOf": operations}, "minItems": 1}
    return {**_object(operations=listed, reason=_STRING), "$defs": definitions}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_REF = {"$ref": "#/$defs/ref"}
_WITH_REFERENCES = [_REF, {"$ref": "#/$defs/text"}]
_PROMPT = {"anyOf": [_STRING, *_WITH_REFERENCES]}
_VALUE = {"anyOf": [*_WITH_REFERENCES, {"type": "array", "items": _REF}, _STRING]}
_HOW = {"enum": ["list", "concat", "first", "vote", "sum", "mean", "min", "max"]}
_OTHERS = [
    _object(kind={"const": "model"}, id=_ID, prompt=_PROMPT, depends_on=_IDS),
    _object(kind={"const": "aggregate"}, id=_ID, inputs={"type": "array", "items": _REF}, how=_HOW, depends_on=_IDS),
]


def _call(spec: ToolSpec) -> dict[str, Any]:
    """A call of one tool: each argument as the tool wants it, or a reference, or text with references where text is wanted."""
    arguments = {name: _argument(wanted, spec) for name, wanted in spec.properties.items()}
    called = {**_object(**arguments), "required": sorted(spec.required & arguments.keys())}
    return _object(kind={"const": "tool"}, id=_ID, tool={"const": spec.name}, arguments=called, depends_on=_IDS)


def _argument(wanted: Any, spec: ToolSpec) -> dict[str, Any]:
    takes_text = TEXT.fits(JsonType(wanted, spec.parameters))
    return {"anyOf": [_moved(wanted, spec), *(_WITH_REFERENCES if takes_text else [_REF])]}


def _moved(value: Any, spec: ToolSpec) -> Any:
    """A part of a tool's schema with its `$ref`s leading to where their targets are in ours; other `$ref`s allow anything."""
    match value:
        case {"$ref": str(pointer)}:
            document, _, name = pointer.rpartition("/")
            inside = document[2:] in _DEFINITIONS and name in _mapping(spec.parameters.get(document[2:]))
            return {"$ref": f"#/$defs/{_global(spec, name)}"} if inside else {}
        case Mapping():
            return {name: _moved(item, spec) for name, item in value.items()}
        case list():
            return [_moved(item, spec) for item in value]
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _global(spec: ToolSpec, name: str) -> str:
    """A name that cannot be another tool's, nor one of ours."""
    return f"{spec.name}.{name}"
