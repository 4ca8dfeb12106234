"""References between nodes, as values.

They are made once, when a plan is parsed, and never again: an output that contains "$1" is text and stays text (the second-order
expansion of LLMCompiler's runtime cannot be written here). In JSON a reference is the object `{"$ref": "node.path"}` and text with
references inside is `{"$text": ["costs ", {"$ref": "2"}, " euros"]}`; a plain string is always literal. An object of the user's that has such a
key is written as `{"$json": {…}}`; one of these keys beside others is refused, for it is more likely a mistake than data.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from ..errors import PlanError


@dataclass(frozen=True, slots=True)
class Ref:
    """The output of a node, or a part of it: keys of objects, indices of lists, names of a dataclass's or a model's fields."""

    node: str
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        return ".".join([self.node, *map(str, self.path)])


@dataclass(frozen=True, slots=True)
class Text:
    """Text with references inside. Outputs are written into it as `as_text` says."""

    parts: tuple[str | Ref, ...]


Value: TypeAlias = "None | bool | int | float | str | Ref | Text | list[Value] | dict[str, Value]"
"""JSON with references at any depth."""


class Missing(PlanError):
    """A reference's path leads nowhere in the output that its node returned."""


def refs(value: Any) -> Iterator[Ref]:
    """Every reference inside `value`, in order."""
    match value:
        case Ref():
            yield value
        case Text(parts):
            yield from (part for part in parts if isinstance(part, Ref))
        case list():
            for item in value:
                yield from refs(item)
        case dict():
            for item in value.values():
                yield from refs(item)


class Omitted(Enum):
    """`OMIT`, in the place of a reference: the list item or argument that holds it is left out, in text it is empty."""

    OMIT = "omit"


OMIT = Omitted.OMIT


def resolve(value: Any, output_of: Callable[[Ref], Any]) -> Any:
    """`value` with each reference replaced by what `output_of` gives for it, types kept. Outputs are not looked into for more references."""
    match value:
        case Ref():
            return output_of(value)
        case Text(parts):
            return "".join(part if isinstance(part, str) else as_text(output_of(part)) for part in parts)
        case list():
            return [item for item in (resolve(item, output_of) for item in value) if item is not OMIT]
        case dict():
            resolved = ((name, resolve(item, output_of)) for name, item in value.items())
            return {name: item for name, item in resolved if item is not OMIT}
    return value


def as_text(output: Any) -> str:
    """How an output reads inside text: strings as they are, everything else as JSON where it can be written so."""
    if isinstance(output, str):
        return output
    if output is OMIT:
        return ""
    if hasattr(output, "model_dump_json"):
        return str(output.model_dump_json())
    try:
        return json.dumps(output, ensure_ascii=False, default=_spelled)
    except (TypeError, ValueError, RecursionError):  # keys that are no strings, an object inside itself, thousands of levels
        return str(output)


def _spelled(output: Any) -> Any:
    """Sets in an order that does not change from process to process: a resumed run knows a call again by its text."""
    return sorted(output, key=repr) if isinstance(output, (set, frozenset)) else str(output)


def substitute(value: Any, of: Callable[[Ref], Any]) -> Any:
    """`value` with each reference replaced by another `Value`, for changing plans (`resolve` is for outputs). `OMIT` leaves it out.

    Raises `PlanError` where a list or an object that holds references would have to become text.
    """
    match value:
        case Ref():
            return of(value)
        case Text(parts):
            return Text(tuple(part for old in parts for part in ([old] if isinstance(old, str) else _text_parts(of(old)))))
        case list():
            return [item for item in (substitute(item, of) for item in value) if item is not OMIT]
        case dict():
            replaced = ((name, substitute(item, of)) for name, item in value.items())
            return {name: item for name, item in replaced if item is not OMIT}
    return value


def _text_parts(value: Any) -> tuple[str | Ref, ...]:
    match value:
        case Ref():
            return (value,)
        case Text(parts):
            return parts
    if any(refs(value)):
        raise PlanError(f"text cannot hold {encode(value)!r}: only strings and references")
    return (as_text(value),)


def follow(ref: Ref, output: Any) -> Any:
    """The part of its node's `output` that `ref` names. Raises `Missing` when there is no such part."""
    for step in ref.path:
        try:
            if isinstance(output, Mapping):
                output = output[step] if step in output else output[str(step)]
            elif isinstance(output, (list, tuple)):
                output = output[int(step)]
            elif isinstance(step, str) and not step.startswith("_") and step in _fields(output):
                output = getattr(output, step)
            else:
                raise LookupError(step)
        except (LookupError, ValueError) as error:
            raise Missing(f"`{ref}`: the output of {ref.node} has no {step!r}; it is {_short(output)}") from error
    return output


def _fields(output: object) -> set[str]:
    """Names that data classes and pydantic models declare; never methods or private attributes."""
    kind = type(output)
    return {*getattr(kind, "__dataclass_fields__", ()), *getattr(kind, "model_fields", ())}


def _short(output: object, limit: int = 80) -> str:
    if isinstance(output, Mapping):
        return f"an object with the keys {sorted(map(str, output))[:10]}"
    if isinstance(output, (list, tuple)):
        return f"a list of {len(output)}"
    text = repr(output)
    return text if len(text) <= limit else f"{text[:limit]}…"


_KEYS = frozenset({"$ref", "$text", "$json"})
MAX_NESTING = 100
"""Levels of lists and objects in a value: far more than anybody writes, far below where Python's stack ends."""


def encode(value: Any) -> Any:
    """The JSON form of `value` (see the top of this file)."""
    match value:
        case Ref():
            plain = "." not in value.node and all(_plain(step) for step in value.path)
            return {"$ref": str(value)} if plain else {"$ref": [value.node, *value.path]}
        case Text(parts):
            return {"$text": [encode(part) for part in parts]}
        case list() | tuple():
            return [encode(item) for item in value]
        case dict():
            body = {name: encode(item) for name, item in value.items()}
            return body if _KEYS.isdisjoint(body) else {"$json": body}
    return value


def decode(value: Any) -> Value:
    """The inverse of `encode`. Raises `PlanError` for a malformed reference and for what is not JSON."""
    return _decode(value, MAX_NESTING)


def _decode(value: Any, levels: int) -> Value:
    if levels < 0:
        raise PlanError(f"a value is nested more than {MAX_NESTING} levels deep")
    match value:
        case {"$ref": target, **rest} if not rest:
            return _decode_ref(target)
        case {"$text": parts, **rest} if not rest:
            if not isinstance(parts, list):
                raise PlanError(f'"$text" holds a list of strings and references, got {_short(parts)}')
            decoded = tuple(_decode(part, levels - 1) for part in parts)
            if not all(isinstance(part, (str, Ref)) for part in decoded):
                raise PlanError(f'"$text" holds only strings and references, got {_short(parts)}')
            return Text(decoded)  # type: ignore[arg-type] # checked one line above
        case {"$json": dict(body), **rest} if not rest:
            return {valid_text(name): _decode(item, levels - 1) for name, item in body.items()}
        case list():
            return [_decode(item, levels - 1) for item in value]
        case dict():
            if found := sorted(_KEYS.intersection(value)):
                raise PlanError(
                    f'{json.dumps(found[0])} stands in an object with {_short(value)}: a reference is {{"$ref": "id"}} and nothing else; '
                    'if this is data, write {"$json": {…}} around the object\'s keys'
                )
            return {valid_text(name): _decode(item, levels - 1) for name, item in value.items()}
        case str():
            return valid_text(value)
        case float() if not math.isfinite(value):
            raise PlanError(f"{value} is not a number in JSON")
        case None | bool() | int() | float() | Ref() | Text():
            return value
    raise PlanError(f"a plan holds JSON values and references, got {type(value).__name__}")


def valid_text(text: Any) -> str:
    """`text`, if it can be written as JSON. Raises `PlanError` for half surrogate pairs (which `json.loads` lets through) and non-strings."""
    if not isinstance(text, str):
        raise PlanError(f"text and the keys of objects are strings, got {_short(text)}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PlanError(f"text is not valid Unicode: half of a surrogate pair at {error.start}") from None
    return text


def _decode_ref(target: Any) -> Ref:
    match target:
        case str() if target and all(target.split(".")):
            node, *path = valid_text(target).split(".")
            return Ref(node, tuple(int(step) if _INDEX.fullmatch(step) else step for step in path))
        case [str(node), *steps] if node and all(isinstance(step, (str, int)) and not isinstance(step, bool) for step in steps):
            return Ref(valid_text(node), tuple(valid_text(step) if isinstance(step, str) else step for step in steps))
    raise PlanError(f'"$ref" is the id of a node, or "id.path", or a list of id and steps; got {_short(target)}')


_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")
"""Steps that are read as whole numbers: those that are written again in the same way."""


def _plain(step: str | int) -> bool:
    """Whether a step survives being written between dots."""
    if isinstance(step, int):
        return _INDEX.fullmatch(str(step)) is not None
    return bool(step) and "." not in step and not _INDEX.fullmatch(step)
