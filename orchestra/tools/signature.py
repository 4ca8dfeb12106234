"""What a function's signature and docstring say about its arguments: a JSON Schema for models, and a check for calls."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, NotRequired

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticSerializationError, SchemaError, to_json, to_jsonable_python
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from ..errors import ConfigError
from .docstring import parse_docstring

# Like a careful human: "3" and 3.0 are the integer 3, 3 is the text "3", a date may be written in ISO 8601; 3.5 is no integer.
_CONFIG = ConfigDict(extra="forbid", coerce_numbers_to_str=True)
_UNREPRESENTABLE = (PydanticUserError, SchemaError, TypeError)
_UNREADABLE = (NameError, AttributeError, TypeError, SyntaxError)


@dataclass(frozen=True, slots=True)
class Signature:
    """How a function may be called by name."""

    description: str
    parameters: dict[str, Any]
    """JSON Schema, as in `ToolSpec.parameters`."""
    returns: dict[str, Any] | None
    """JSON Schema of the output; None when its type is unknown."""
    restore: Callable[[Any], Any] | None
    """Makes an output of its JSON form; None when its type is unknown."""
    check: Callable[[Any], dict[str, Any]]
    """Arguments as the function's types, those that were given only. Raises pydantic's `ValidationError`."""


class _Schema(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False  # a title that repeats the name costs tokens and says nothing

    def emit_warning(self, kind: Any, detail: str) -> None:
        pass  # about defaults inside of models that have no JSON form; they are left out


def read_signature(function: Callable[..., Any], code: Callable[..., Any], docstring: str | None, what: str) -> Signature:
    """How `function` is called; `code` is what holds its annotations (itself, or what it wraps). Errors call it `what`.

    Raises `ConfigError` for a parameter that cannot be filled by name from JSON.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{what} has no signature that Python can read: wrap it in a function with annotated parameters"
        ) from error
    bound = _bound_by_name(function)
    offered = {name: parameter for name, parameter in parameters.items() if name not in bound}
    hints = {name: _hint(parameter, code, what) for name, parameter in offered.items()}
    said = parse_docstring(docstring)
    fields = {name: hint if _required(offered[name]) else NotRequired[hint] for name, hint in hints.items()}
    schema, check = _arguments(fields, what)
    for name, parameter in offered.items():
        described = schema["properties"][name]
        if name in said.arguments:
            described.setdefault("description", said.arguments[name])
        if not _required(parameter):
            described |= _default(parameter.default)
    returns, restore = _output(code)
    return Signature(said.description, schema, returns, restore, check)


def _bound_by_name(function: Callable[..., Any]) -> set[str]:
    """Parameters that a `functools.partial` has filled: keys and connections, which are not a model's to see."""
    bound: set[str] = set()
    while isinstance(function, partial):
        bound |= set(function.keywords)
        function = function.func
    return bound


def _hint(parameter: inspect.Parameter, code: Callable[..., Any], what: str) -> Any:
    name, kind = parameter.name, parameter.kind
    if kind is parameter.VAR_POSITIONAL or kind is parameter.VAR_KEYWORD:
        stars = "*" if kind is parameter.VAR_POSITIONAL else "**"
        raise ConfigError(f"{what} takes `{stars}{name}`: tools take named arguments only; name each one, or take a list or a dict")
    if kind is parameter.POSITIONAL_ONLY:
        raise ConfigError(f"parameter `{name}` of {what} is positional-only: tools are called by name; remove the `/` after it")
    if parameter.annotation is parameter.empty:
        if name in ("self", "cls"):
            raise ConfigError(f"{what} is a method without its object: pass the bound method, as in `as_tool(thing.method)`")
        raise ConfigError(f"parameter `{name}` of {what} has no annotation: write its type, as in `{name}: str`")
    try:
        return _resolved(parameter.annotation, code)
    except NameError as error:
        raise ConfigError(
            f"the type of parameter `{name}` of {what}, {parameter.annotation!r}, is not known at the top level of its module: "
            "define or import it there, outside functions and `if TYPE_CHECKING`"
        ) from error
    except _UNREADABLE as error:
        raise ConfigError(f"the type of parameter `{name}` of {what}, {parameter.annotation!r}, cannot be read: {error}") from error


def _resolved(annotation: Any, code: Callable[..., Any]) -> Any:
    """An annotation that may be a string, as a type; one at a time, so that an unknown one can be named or passed over."""
    names = getattr(inspect.unwrap(code), "__globals__", {})
    return typing.get_type_hints(SimpleNamespace(__annotations__={"it": annotation}), names, include_extras=True)["it"]


def _required(parameter: inspect.Parameter) -> bool:
    return parameter.default is inspect.Parameter.empty


def _arguments(fields: Mapping[str, Any], what: str) -> tuple[dict[str, Any], Callable[[Any], dict[str, Any]]]:
    try:
        schema, check = _typed_dict(fields)
    except _UNREPRESENTABLE as error:
        for name, hint in fields.items():
            try:
                _typed_dict({name: hint})
            except _UNREPRESENTABLE:
                raise ConfigError(
                    f"parameter `{name}` of {what} has the type {inspect.formatannotation(hint)}, which cannot be made from JSON: use "
                    "basic types, data classes or pydantic models, or fill it with `functools.partial`"
                ) from error
        raise
    return {"type": "object", "properties": {}, **schema}, check


def _typed_dict(fields: Mapping[str, Any]) -> tuple[dict[str, Any], Callable[[Any], dict[str, Any]]]:
    # Not a pydantic model, which could not have fields called `json` or `copy`.
    make: Any = TypedDict
    kind = make("Arguments", dict(fields))
    kind.__pydantic_config__ = _CONFIG
    adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(kind)
    schema = adapter.json_schema(schema_generator=_Schema)
    schema.pop("title")
    # The validator itself: `TypeAdapter.validate_python` around it costs more than it does.
    return schema, adapter.validator.validate_python


def _default(value: Any) -> dict[str, Any]:
    try:
        return {"default": to_jsonable_python(value)}
    except (PydanticSerializationError, ValueError):
        return {}


def _output(code: Callable[..., Any]) -> tuple[dict[str, Any] | None, Callable[[Any], Any] | None]:
    try:
        hint = _resolved(inspect.signature(code).return_annotation, code)
        if hint is inspect.Signature.empty:
            return None, None
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
        schema = adapter.json_schema(mode="serialization", schema_generator=_Schema)
    except (*_UNREPRESENTABLE, *_UNREADABLE):
        return None, None  # outputs may be anything; only what is known of them is told

    def restore(value: Any) -> Any:
        try:
            return adapter.validate_json(to_json(value), strict=True)
        except (ValidationError, ValueError):  # the function had returned something else than it says
            return value

    return schema, restore
