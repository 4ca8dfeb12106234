"""What is wrong with the arguments of a call, by the JSON Schema of the tool: values as far as they are written in the plan, and the types of
outputs as far as tools declare what they return."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .closest import Suggestions, listed
from .finding import Code
from .json_type import KINDS, TEXT, JsonType, kind_of, required_keys, shown
from .ref import Ref, Text, refs
from .tool_spec import ToolSpec

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

TypeOf = Callable[[Ref], JsonType]
_MAX_PROBLEMS = 3
"""Of one value; more would bury the others."""


def argument_problems(
    spec: ToolSpec, arguments: Mapping[str, Any], type_of: TypeOf, suggestions: Suggestions
) -> Iterator[tuple[Code, str]]:
    """Every missing, unknown and ill-typed argument. An argument that the schema does not list is unknown, unless it allows others."""
    for name in sorted(spec.required - arguments.keys()):
        wanted = JsonType(spec.properties.get(name, {}), spec.parameters)
        yield "missing-argument", f"`{spec.name}` needs the argument {name!r} ({wanted})"
    for name, value in arguments.items():
        wanted_type = _parameter(spec, name)
        if wanted_type is None:
            close = suggestions.closest(name, spec.parameter_names)
            takes = f"it takes {', '.join(spec.parameter_names)}" if spec.parameter_names else "it takes no arguments"
            yield "unknown-argument", f"`{spec.name}` has no argument {shown(name)}{close}; {takes}"
        else:
            for problem in value_problems(value, wanted_type, type_of, f"argument {name!r}"):
                yield "wrong-type", f"{problem} in the call of `{spec.name}`"


def _parameter(spec: ToolSpec, name: str) -> JsonType | None:
    """The type of an argument; None when there is no such argument."""
    root = spec.parameters
    others = root.get("additionalProperties")
    if name in spec.properties:
        return JsonType(spec.properties[name], root)
    if isinstance(others, Mapping):
        return JsonType(others, root)
    closed = others is False or (others is None and "properties" in root and not _OPENING.intersection(root))
    return None if closed else JsonType({}, root)


_OPENING = frozenset({"patternProperties", "allOf", "anyOf", "oneOf", "$ref"})
"""Keywords through which a schema may name more properties than its `properties`."""


def value_problems(value: Any, wanted: JsonType, type_of: TypeOf, where: str) -> Iterator[str]:
    """What is wrong with a value that may hold references."""
    match value:
        case Ref():
            given = type_of(value)
            if not given.fits(wanted):
                yield f"{where} is {shown(str(value))}, which is {given}: it must be {wanted}"
        case Text():
            if not TEXT.fits(wanted):
                yield f"{where} is text with references inside: it must be {wanted}"
        case list() | dict() if any(refs(value)):
            options = [variant for variant in wanted.variants() if kind_of(value) in variant.kinds]
            if not options:
                yield f"{where} is {KINDS[kind_of(value)]}: it must be {wanted}"
            yield from min((list(_inside(value, option, type_of, where)) for option in options), key=len, default=())
        case _:
            yield from _literal_problems(value, wanted, where)


def _inside(value: list[Any] | dict[str, Any], wanted: JsonType, type_of: TypeOf, where: str) -> Iterator[str]:
    """Problems of a list or an object that holds references, by a schema without alternatives and of its type."""
    if isinstance(value, dict) and (lacking := [name for name in required_keys(wanted.schema) if name not in value]):
        yield f"{where} lacks {', '.join(map(repr, lacking))}"
    closed = wanted.schema.get("additionalProperties") is False
    for step, item in enumerate(value) if isinstance(value, list) else value.items():
        part = wanted.at(step)
        if part is not None:
            yield from value_problems(item, part, type_of, f"{where}[{step}]" if isinstance(value, list) else f"{where}.{step}")
        elif closed:
            yield f"{where} has no part {shown(step)}: it has {', '.join(wanted.keys) or 'none'}"


def _literal_problems(value: Any, wanted: JsonType, where: str) -> Iterator[str]:
    if wanted.schema == {"type": kind_of(value)}:  # most arguments, without the library
        return
    found = _schema_errors(value, wanted)
    seen: dict[str, None] = {}
    for error in found:
        seen.setdefault(_explained(error, wanted, where))
        if len(seen) == _MAX_PROBLEMS:
            break
    yield from seen


def _schema_errors(value: Any, wanted: JsonType) -> list[ValidationError]:
    """By `jsonschema`; none for what a broken or unreachable part of a schema would say."""
    from jsonschema.exceptions import UnknownType
    from referencing.exceptions import Unresolvable

    validator = _validator(_Document(wanted.root))
    if validator is None:
        return []
    try:
        return list(validator.evolve(schema=wanted.schema).iter_errors(value))
    except (UnknownType, Unresolvable, re.error, RecursionError):  # a pattern of another regex dialect, a `$ref` to itself
        return []
    except (AttributeError, TypeError, ValueError):  # a `$ref` to what is no schema, a `$schema` that is no address
        return []


class _Document:
    """A schema as a key for the cache: schemas cannot be hashed, and comparing them would take as long as checking by them."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Document) and other.schema is self.schema

    def __hash__(self) -> int:
        return id(self.schema)


@lru_cache(maxsize=256)
def _validator(document: _Document) -> Validator | None:
    """None for a schema that is not valid: then only the names of arguments are checked, and the tool itself refuses the rest."""
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft202012Validator
    from referencing import Registry

    root = json.loads(json.dumps(document.schema, default=dict))  # any mapping as a `dict`
    try:
        Draft202012Validator.check_schema(root)
    except (SchemaError, RecursionError):
        return None
    return Draft202012Validator(root, registry=Registry())  # an empty one: `jsonschema`'s own would fetch remote `$ref`s


def _explained(error: ValidationError, wanted: JsonType, where: str) -> str:
    """One error of the library in words that say what would be right."""
    error = _innermost(error)
    place = where + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
    value: Any = error.instance
    limit: Any = error.validator_value
    schema = JsonType(error.schema, wanted.root)
    match error.validator:
        case "required":
            return f"{place} lacks {', '.join(repr(name) for name in limit if name not in value)}"
        case "additionalProperties":
            extra = [name for name in value if name not in schema.keys]
            return f"{place} has no part {listed(map(shown, extra), 5)}: it has {', '.join(schema.keys) or 'none'}"
        case "type" | "enum" | "const" | "anyOf" | "oneOf":
            return f"{place} is {shown(value)}: it must be {schema}{_quoting(value, schema)}"
        case str() as keyword if keyword in _LIMITS:
            return f"{place} is {shown(value)}: it must {_LIMITS[keyword].format(shown(limit))}"
    return f"{place} is {shown(value)}: {error.message[-200:]}"


_LIMITS = {
    "minimum": "be at least {}",
    "maximum": "be at most {}",
    "exclusiveMinimum": "be more than {}",
    "exclusiveMaximum": "be less than {}",
    "multipleOf": "be a multiple of {}",
    "minLength": "have at least {} characters",
    "maxLength": "have at most {} characters",
    "pattern": "match the regular expression {}",
    "minItems": "have at least {} items",
    "maxItems": "have at most {} items",
    "uniqueItems": "have no item twice",
}


def _innermost(error: ValidationError) -> ValidationError:
    """Inside a union, the error of the only alternative whose type is right; the union's own when there is no such one."""
    while error.context:
        by_option: dict[Any, list[ValidationError]] = {}
        for inner in error.context:
            by_option.setdefault(inner.relative_schema_path[0], []).append(inner)
        meant = [
            errors
            for errors in by_option.values()
            if not any(e.validator in ("type", "const") and not e.relative_path for e in errors)
        ]
        if len(meant) != 1:
            break
        error = meant[0][0]
    return error


def _quoting(value: Any, wanted: JsonType) -> str:
    """The commonest mistake of models: quotes around a number, or none around text."""
    if isinstance(value, str) and len(value) < 1000:
        try:
            bare = json.loads(value)
        except (ValueError, RecursionError):
            return ""
        if not isinstance(bare, str) and kind_of(bare) in wanted.kinds:
            return f" (write {shown(bare)}, without quotes)"
    elif isinstance(value, (bool, int, float)) and "string" in wanted.kinds:
        return f' (write "{shown(value)}", with quotes)'
    return ""
