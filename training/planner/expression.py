"""What a task asks for, as an expression of tool calls: its shape, its plan in LLMCompiler's text, and its value."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

Value: TypeAlias = "Call | str | float | tuple[Value, ...]"
"""An argument: a call, a name, a number, or a list of these."""
ANSWERS = "answers"
"""The outermost "tool" of a task with several answers: the plan's output is their list."""


@dataclass(frozen=True)
class Call:
    tool: str
    arguments: tuple[Value, ...]

    @cached_property
    def depth(self) -> int:
        """Calls that wait for one another, on the longest path through the plan."""
        return max(map(_depth, self.arguments), default=0) + (self.tool != ANSWERS)

    @cached_property
    def width(self) -> int:
        """Items in its longest list, at any level."""
        return max(len(self.arguments) if self.tool == ANSWERS else 0, *map(_width, self.arguments))

    @cached_property
    def skeleton(self) -> str:
        """The tools and how they are nested, without names, numbers, or how many items lists have: what a composition *is*."""
        if self.tool == ANSWERS:
            return _skeleton(self.arguments)
        return f"{self.tool}({','.join(map(_skeleton, self.arguments))})"


def plan_of(task: Call) -> str:
    """The shortest plan, in LLMCompiler's text: positional arguments, operands first, no call twice.

    Whatever a list is for, each item is followed by what is looked up of it, so that one walk along the question's list writes it.
    """
    numbers: dict[Call, int] = {}
    lines: list[str] = []

    def written(value: Value) -> str:
        match value:
            case Call():
                if value not in numbers:
                    order = -1 if value.tool in ("argmax", "argmin") else 1  # their numbers ask for the items before them
                    arguments = [written(argument) for argument in value.arguments[::order]]
                    numbers[value] = len(numbers) + 1
                    lines.append(f"{numbers[value]}. {value.tool}({', '.join(arguments[::order])})")
                return f"${numbers[value]}"
            case tuple():
                return f"[{', '.join([written(item) for item in value])}]"
            case str():
                return json.dumps(value.replace("$", "$$"), ensure_ascii=False)
        return str(value)

    output = written(task.arguments if task.tool == ANSWERS else task)
    return "\n".join([*lines, f"{len(numbers) + 1}. join({output})"])


def calls_of(task: Call) -> set[Call]:
    """The calls that its plan makes, each once."""
    found: set[Call] = set()

    def visit(value: Value) -> None:
        if isinstance(value, Call):
            if value.tool != ANSWERS:
                found.add(value)
            value = value.arguments
        if isinstance(value, tuple):
            for item in value:
                visit(item)

    visit(task)
    return found


class Unanswerable(Exception):
    """These facts leave the task without a value, or with two."""


Answer: TypeAlias = "float | str | list[Answer]"
Lookup = Callable[[str, str, str], float | str]
"""From a tool (`lookup` or `related`), an entity and an attribute to the fact."""


def answer_of(task: Call, fact: Lookup) -> Answer:
    """The value, found without the tools, the plan or the scheduler, so that it can be held against what they find.

    Raises `Unanswerable`.
    """
    known: dict[Call, Answer] = {}

    def value_of(value: Value) -> Answer:
        match value:
            case tuple():
                return [value_of(item) for item in value]
            case Call():
                if value not in known:
                    known[value] = _applied(value.tool, [value_of(argument) for argument in value.arguments], fact)
                return known[value]
        return value

    return value_of(task.arguments if task.tool == ANSWERS else task)


def _applied(tool: str, given: list[Answer], fact: Lookup) -> Answer:
    match tool, given:
        case (("lookup" | "related"), [str(entity), str(attribute)]):
            return fact(tool, entity, attribute)
        case (("argmax" | "argmin"), [list(names), list(numbers)]):
            values = [_number(number) for number in numbers]
            best = max(values) if tool == "argmax" else min(values)
            if sum(_equal(best, value) for value in values) > 1:
                raise Unanswerable(f"several of {names} are equally good")
            return names[values.index(best)]
        case (("count_above" | "count_below"), [list(numbers), limit]):
            bound, values = _number(limit), [_number(number) for number in numbers]
            if any(_equal(bound, value) for value in values):
                raise Unanswerable(f"one of {values} is at the limit")
            return sum(value > bound if tool == "count_above" else value < bound for value in values)
        case _, [list(numbers)]:
            return _OF_MANY[tool]([_number(number) for number in numbers])
        case "convert", [number, str(unit), str(to)]:
            return _number(number) * FACTORS[unit, to]
        case _, [a, b]:
            left, right = _number(a), _number(b)
            if tool in ("divide", "percent") and _equal(right, 0):
                raise Unanswerable("a division by zero")
            if tool in ("greater", "less") and _equal(left, right):
                raise Unanswerable("a comparison of equals")
            if tool in ("subtract", "difference") and 0 < abs(left - right) < _CANCELLED * max(abs(left), abs(right)):
                raise Unanswerable("little is left of a difference but what was rounded away")
            return _OF_TWO[tool](left, right)
    raise AssertionError(f"{tool} is called with {given}")


_CANCELLED = 0.01
"""Share of the larger number below which a difference shows that the tools round to twelve digits."""
_OF_MANY: Mapping[str, Callable[[list[float]], float]] = {
    "add": math.fsum,
    "mean": lambda numbers: math.fsum(numbers) / len(numbers),
    "largest": max,
    "smallest": min,
}
_OF_TWO: Mapping[str, Callable[[float, float], float]] = {
    "subtract": lambda a, b: a - b,
    "difference": lambda a, b: abs(a - b),
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "percent": lambda a, b: 100 * a / b,
    "greater": lambda a, b: a > b,
    "less": lambda a, b: a < b,
}
FACTORS: Mapping[tuple[str, str], float] = {
    ("metres", "feet"): 1 / 0.3048,
    ("metres", "yards"): 1 / 0.9144,
    ("metres", "kilometres"): 1e-3,
    ("metres", "centimetres"): 100,
    ("metres", "inches"): 1 / 0.0254,
    ("kilometres", "miles"): 1 / 1.609344,
    ("kilometres", "metres"): 1e3,
    ("kilometres", "feet"): 1e3 / 0.3048,
    ("square kilometres", "square miles"): 1 / 2.589988110336,
    ("square kilometres", "hectares"): 100,
    ("square kilometres", "acres"): 1 / 0.0040468564224,
    ("kilograms", "pounds"): 1 / 0.45359237,
    ("kilograms", "tonnes"): 1e-3,
    ("kilograms", "grams"): 1e3,
    ("kilograms", "ounces"): 1 / 0.028349523125,
    ("kilometres per hour", "miles per hour"): 1 / 1.609344,
    ("kilometres per hour", "metres per second"): 1 / 3.6,
    ("kilometres per hour", "knots"): 1 / 1.852,
    ("years", "months"): 12,
    ("years", "days"): 365,
    ("minutes", "hours"): 1 / 60,
    ("minutes", "seconds"): 60,
    ("minutes", "days"): 1 / 1_440,
    ("litres", "gallons"): 1 / 3.785411784,
    ("litres", "cubic metres"): 1e-3,
    ("litres", "millilitres"): 1e3,
    ("kilowatts", "horsepower"): 1 / 0.745699871582,
    ("kilowatts", "watts"): 1e3,
    ("kilowatts", "megawatts"): 1e-3,
}
"""The conversions that tasks ask for, and what each multiplies by."""


def _number(value: Answer) -> float:
    assert isinstance(value, (int, float)), f"{value!r} is no number"
    return value


def _equal(a: float, b: float) -> bool:
    """As far as floating point can tell: no answer may hang on its noise."""
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def _depth(value: Value) -> int:
    match value:
        case Call():
            return value.depth
        case tuple():
            return max(map(_depth, value), default=0)
    return 0


def _width(value: Value) -> int:
    match value:
        case Call():
            return value.width
        case tuple():
            return max([len(value), *map(_width, value)])
    return 0


def _skeleton(value: Value) -> str:
    match value:
        case Call():
            return value.skeleton
        case tuple():
            return f"[{'|'.join(sorted(set(map(_skeleton, value))))}]"
        case str():
            return "s"
    return "n"
