"""How tools and mistakes in calling them are put into words, for a model that has to do better at its next try."""

from __future__ import annotations

import reprlib
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..errors import ToolError
from ..plan.tool_spec import ToolSpec

_MAX_ERRORS = 8
_MAX_CHOICES = 10
_REPR = reprlib.Repr()  # never writes out a huge value only to cut it
_REPR.maxstring = _REPR.maxother = 80


def wrong_arguments(spec: ToolSpec, error: ValidationError) -> ToolError:
    """All that is wrong with the arguments of a call, and how the tool is called, in words that a model can act on."""
    errors = error.errors(include_url=False)
    wrong = "; ".join(dict.fromkeys(_wrong(spec, detail) for detail in errors[:_MAX_ERRORS]))
    more = f"; and {len(errors) - _MAX_ERRORS} more" if len(errors) > _MAX_ERRORS else ""
    return ToolError(f"{spec.name} was called wrongly: {wrong}{more}. It is called as {usage(spec)}")


def unknown_argument(spec: ToolSpec, name: str) -> str:
    close = get_close_matches(name, spec.parameter_names, n=1)
    return f"it has no argument `{name}`{f', did you mean `{close[0]}`?' if close else ''}"


def missing_argument(spec: ToolSpec, name: str) -> str:
    return f"the argument `{name}` ({type_text(spec.properties.get(name, {}))}) is missing"


def _wrong(spec: ToolSpec, detail: ErrorDetails) -> str:
    match detail["loc"], detail["type"]:
        case (str(name),), "extra_forbidden":
            return unknown_argument(spec, name)
        case (str(name),), "missing":
            return missing_argument(spec, name)
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in detail["loc"]).lstrip(".")
    message = detail["msg"][:1].lower() + detail["msg"][1:]
    if detail["type"] == "missing":
        return f"`{where}` is missing"
    return f"`{where}` is {_short(detail['input'])}: {message}"


def _short(value: Any, limit: int = 80) -> str:
    text = _REPR.repr(value)
    return text if len(text) <= limit else f"{text[:limit]}…"


def usage(spec: ToolSpec) -> str:
    """How a tool is called, on one line: `search(query: string, limit: integer = 5)`."""
    parameters = (_parameter(name, schema, name in spec.required) for name, schema in spec.properties.items())
    return f"{spec.name}({', '.join(parameters)})"


def _parameter(name: str, schema: Any, required: bool) -> str:
    match schema:
        case {"default": value}:
            default = f" = {_short(value)}"
        case _:
            default = "" if required else " (optional)"
    return f"{name}: {type_text(schema)}{default}"


def type_text(schema: Any) -> str:
    """A JSON Schema's type in a few words; "any" of what cannot be read."""
    match schema:
        case {"enum": [*values]}:
            return " | ".join([repr(value) for value in values[:_MAX_CHOICES]] + ["…"] * (len(values) > _MAX_CHOICES))
        case {"const": value}:
            return repr(value)
        case {"anyOf": [*choices]} | {"oneOf": [*choices]}:
            return " | ".join(dict.fromkeys(type_text(choice) for choice in choices))
        case {"$ref": str(target)}:
            return target.rpartition("/")[2]
        case {"type": "array", "items": dict(items)} if items:
            return f"list of {type_text(items)}"
        case {"type": str(kind), "format": str(form)}:
            return f"{kind} ({form})"
        case {"type": str(kind)}:
            return kind
        case {"type": [*kinds]}:
            return " | ".join(map(str, kinds))
    return "any"
