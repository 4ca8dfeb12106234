"""Prompts are files in `prompts/`, one a purpose, with their variables named on top."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ..plan.tool_spec import ToolSpec

if TYPE_CHECKING:
    from jinja2 import Environment


def render(name: str, **variables: Any) -> str:
    """The prompt `name` with its variables. A missing variable is an error, not an empty text."""
    return _environment().get_template(f"{name}.j2").render(**variables).strip()


def described(tools: Iterable[ToolSpec]) -> list[dict[str, str]]:
    """Tools as prompts show them."""
    return [{"signature": signature(tool), "description": " ".join(tool.description.split())} for tool in tools]


def signature(tool: ToolSpec) -> str:
    """Such as `search(query: string, limit: integer = 5) -> list of object`."""
    parameters = []
    for name, schema in tool.parameters.get("properties", {}).items():
        default = f" = {schema['default']!r}" if "default" in schema else "" if name in tool.required else " (optional)"
        about = f" [{schema['description']}]" if schema.get("description") else ""
        parameters.append(f"{name}: {type_name(schema)}{default}{about}")
    returns = f" -> {type_name(tool.returns)}" if tool.returns else ""
    return f"{tool.name}({', '.join(parameters)}){returns}"


def type_name(schema: Any) -> str:
    """A JSON Schema in a few words."""
    if not isinstance(schema, dict):
        return "any"
    if "enum" in schema:
        return " or ".join(repr(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(type_name(option) for option in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {type_name(schema.get('items'))}"
    if schema.get("type") == "object" and schema.get("properties"):
        return "{" + ", ".join(f"{name}: {type_name(part)}" for name, part in schema["properties"].items()) + "}"
    kind = schema.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = files("orchestra.prompts")
    return Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )
