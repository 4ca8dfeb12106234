"""What the numbers of a plan are measured in, as far as its calls say, and answers in words with their units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import PlanError, ToolError
from ...plan.node import Node, ToolCall
from ...plan.plan import Plan
from ...plan.ref import Ref
from .table import UNITS, key_of
from .units import full_name

BARE = ""
"""The unit of a number that counts or compares, or that the task gives: it takes on that of its company."""
PERCENT = "percent"
_DIGITS = 6
"""Of a fraction, in words; the value itself has twelve."""


def units_of(plan: Plan) -> dict[str, str | None]:
    """By node; None where nobody knows, and for what is no number. Attributes have the units of `UNITS`.

    Raises `PlanError` for a plan that reckons with different units as if they were one.
    """
    units: dict[str, str | None] = {}
    for node in plan.nodes:
        units[node.id] = _unit_of(node, units)
    return units


def unit_of(value: Any, units: Mapping[str, str | None]) -> str | None:
    """Of an argument, or of an item of the plan's output."""
    match value:
        case Ref(node, ()):
            return units.get(node)
        case int() | float():
            return BARE
    return None


def in_words(value: object, unit: str | None) -> str:
    """An answer as people write it: "3,805 metres", "yes", "Tokyo"."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return f"{_number(value)} {unit}" if unit else _number(value)
    return str(value)


def _unit_of(node: Node, units: Mapping[str, str | None]) -> str | None:
    if not isinstance(node, ToolCall):
        return None

    def of(name: str) -> str | None:
        return unit_of(node.arguments.get(name), units)

    def of_all(*names: str) -> list[str | None]:
        values = [node.arguments.get(name) for name in names]
        return [unit_of(item, units) for value in values for item in (value if isinstance(value, list) else [value])]

    match node.tool:
        case "lookup":
            return UNITS.get(key_of(str(node.arguments.get("attribute"))))
        case "add" | "mean" | "largest" | "smallest":
            return _common(node, of_all("numbers"))
        case "subtract" | "difference":
            return _common(node, of_all("a", "b"))
        case "multiply":
            a, b = of_all("a", "b")
            return a if b == BARE else b if a == BARE else None
        case "divide":
            a, b = of_all("a", "b")
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
    if len(known) > 1:
        raise PlanError(f"{node.tool} would take {' and '.join(known)} together: ask for one of them in the other's unit")
    if None in listed:
        return None
    return known[0] if known else BARE


def _converted(node: ToolCall, unit: str | None) -> str | None:
    try:
        begin, end = full_name(str(node.arguments.get("unit"))), full_name(str(node.arguments.get("to")))
    except ToolError:
        return None  # the call itself says what is wrong
    if unit and unit != begin:
        raise PlanError(f"a number in {unit} would be converted as if it were in {begin}")
    return end


def _number(value: float) -> str:
    if isinstance(value, int) or not math.isfinite(value):
        return f"{value:,}"
    whole_digits = math.floor(math.log10(abs(value))) + 1 if value else 1
    text = f"{value:,.{max(0, _DIGITS - whole_digits)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
