"""What the numbers of a plan are measured in, as far as its calls say, and answers in words with their units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ...errors import PlanError, ToolError
from ...plan.node import Node, ToolCall
from ...plan.plan import Plan
from ...plan.ref import Ref
from .table import UNITS, key_of
from .units import full_name, spellings
from .units import names as unit_names

CALENDAR = "of the calendar"
"""The unit of attributes such as "founding year"."""
BARE = ""
"""The unit of a number that counts or compares, or that the task gives: it takes on that of its company."""
PERCENT = "percent"
_MEASURES = frozenset(spellings().values())
_DIGITS = 6
"""Of a fraction, in words; the value itself has twelve."""
_LARGE, _SMALL = 1e15, 1e-6
"""Beyond these, numbers are written with an exponent."""


def units_of(plan: Plan, given: Mapping[float, str] = MappingProxyType({})) -> dict[str, str | None]:
    """By node; None where nobody knows, and for what is no number. Attributes have the units of `UNITS`.

    `given` are the units of numbers that the plan's calls hold, where the task names them; the others have that of their company.

    Raises `PlanError` for a plan that reckons with different units as if they were one.
    """
    units: dict[str, str | None] = {}
    for node in plan.nodes:
        units[node.id] = _unit_of(node, units, given)
    return units


def unit_of(value: Any, units: Mapping[str, str | None], given: Mapping[float, str] = MappingProxyType({})) -> str | None:
    """Of an argument, or of an item of the plan's output."""
    match value:
        case Ref(node, ()):
            return units.get(node)
        case int() | float():
            return given.get(value, BARE)
    return None


def in_words(value: object, unit: str | None) -> str:
    """An answer as people write it: "3,805 metres", "yes", "Tokyo"."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float() if unit == CALENDAR:
            return f"{value:g}" if abs(value) < 1e5 else _number(value)
        case int() | float():
            return f"{_number(value)} {unit}" if unit else _number(value)
    return str(value)


def _unit_of(node: Node, units: Mapping[str, str | None], given: Mapping[float, str]) -> str | None:
    if not isinstance(node, ToolCall):
        return None

    def of(name: str) -> str | None:
        return unit_of(node.arguments.get(name), units, given)

    def of_all(*names: str) -> list[str | None]:
        values = [node.arguments.get(name) for name in names]
        return [unit_of(item, units, given) for value in values for item in (value if isinstance(value, list) else [value])]

    match node.tool:
        case "lookup":
            attribute = key_of(str(node.arguments.get("attribute")))
            return CALENDAR if attribute.split()[-1:] == ["year"] else UNITS.get(attribute)
        case "add" | "mean" | "largest" | "smallest":
            return _common(node, of_all("numbers"))
        case "subtract" | "difference":
            both = of_all("a", "b")
            return "years" if both == [CALENDAR, CALENDAR] else _common(node, both)
        case "multiply":
            a, b = _of_a_kind(node, of_all("a", "b"))
            return a if b == BARE else b if a == BARE else None
        case "divide":
            a, b = _of_a_kind(node, of_all("a", "b"))
            return a if b == BARE else BARE if a == b and a is not None else None
        case "percent":
            _common(node, of_all("part", "whole"))
            return PERCENT
        case "greater" | "less":
            _common(node, of_all("a", "b"))
        case "argmax" | "argmin":
            _common(node, of_all("numbers"))
        case "count_above" | "count_below":
            _common(node, of_all("numbers", "limit"))
            return BARE
        case "convert":
            return _converted(node, of("number"))
    return None


def _common(node: ToolCall, units: Iterable[str | None]) -> str | None:
    listed = list(units)
    known = sorted({unit for unit in listed if unit})
    if known == [CALENDAR, "years"]:
        return CALENDAR
    if len(known) > 1:
        raise PlanError(f"{node.tool} would take {' and '.join(known)} together: ask for one of them in the other's unit")
    if None in listed:
        return None
    return known[0] if known else BARE


def _of_a_kind(node: ToolCall, units: Sequence[str | None]) -> Sequence[str | None]:
    """Two that are multiplied or divided: in metres and in square kilometres, but not in metres and in feet."""
    a, b = units
    if any(isinstance(node.arguments.get(name), int | float) and unit for name, unit in zip("ab", units, strict=True)):
        raise PlanError(f"{node.tool} would take a number of {a or b} without its unit: convert it first")
    if a != b and a in _MEASURES and b in unit_names(a):
        raise PlanError(f"{node.tool} would take {a} and {b} together: ask for one of them in the other's unit")
    return units


def _converted(node: ToolCall, unit: str | None) -> str | None:
    try:
        begin, end = full_name(str(node.arguments.get("unit"))), full_name(str(node.arguments.get("to")))
    except ToolError:
        return None  # the call itself says what is wrong
    if unit and unit != begin:
        raise PlanError(f"a number in {unit} would be converted as if it were in {begin}")
    return end


def _number(value: float) -> str:
    if value and not _SMALL <= abs(value) < _LARGE:
        return f"{value:.{_DIGITS}g}"
    if isinstance(value, int) or value.is_integer():
        return f"{int(value):,}"
    whole_digits = math.floor(math.log10(abs(value))) + 1 if value else 1
    text = f"{value:,.{max(0, _DIGITS - whole_digits)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
