"""Tools over a fact table: look numbers and related entities up, and reckon with what was found. All are pure and answer at once.

Numbers come back as integers where they are whole, and rounded to 12 digits, so that 0.1 + 0.2 is 0.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...errors import ToolError
from ..function import as_tool
from ..tool import Tool
from .table import Facts
from .units import converted


def fact_tools(facts: Facts) -> list[Tool]:
    """The eighteen tools; `lookup` and `related` ask `facts`, which may be a `FactTable`."""

    async def lookup(entity: str, attribute: str) -> float:
        """A number that is known of an entity, in the attribute's own unit.

        Args:
            entity: its name.
            attribute: such as "height".
        """
        return facts.number(entity, attribute)

    async def related(entity: str, relation: str) -> str:
        """The name of the entity that stands in a relation to another.

        Args:
            entity: its name.
            relation: such as "capital".
        """
        return facts.entity(entity, relation)

    lookups = [as_tool(lookup, effect="pure"), as_tool(related, effect="pure")]
    return lookups + [as_tool(function, effect="pure") for function in _RECKONING]


async def add(numbers: list[float]) -> float:
    """The sum of numbers."""
    return tidy(math.fsum(_some(numbers)))


async def subtract(a: float, b: float) -> float:
    """a - b: how much more a is than b."""
    return tidy(a - b)


async def difference(a: float, b: float) -> float:
    """How far apart two numbers are, never negative."""
    return tidy(abs(a - b))


async def multiply(a: float, b: float) -> float:
    """a times b."""
    return tidy(a * b)


async def divide(a: float, b: float) -> float:
    """a divided by b: how many times b is in a."""
    return tidy(_quotient(a, b))


async def percent(part: float, whole: float) -> float:
    """What percentage of `whole` is `part`."""
    return tidy(100 * _quotient(part, whole))


async def mean(numbers: list[float]) -> float:
    """The average of numbers."""
    return tidy(math.fsum(_some(numbers)) / len(numbers))


async def largest(numbers: list[float]) -> float:
    """The largest of numbers."""
    return max(_some(numbers))


async def smallest(numbers: list[float]) -> float:
    """The smallest of numbers."""
    return min(_some(numbers))


async def argmax(names: list[str], numbers: list[float]) -> str:
    """The name whose number is the largest; the first of equals."""
    return names[_paired(names, numbers).index(max(numbers))]


async def argmin(names: list[str], numbers: list[float]) -> str:
    """The name whose number is the smallest; the first of equals."""
    return names[_paired(names, numbers).index(min(numbers))]


async def greater(a: float, b: float) -> bool:
    """Whether a is greater than b."""
    return a > b


async def less(a: float, b: float) -> bool:
    """Whether a is less than b."""
    return a < b


async def count_above(numbers: list[float], limit: float) -> int:
    """How many of the numbers are greater than a limit."""
    return sum(number > limit for number in numbers)


async def count_below(numbers: list[float], limit: float) -> int:
    """How many of the numbers are less than a limit."""
    return sum(number < limit for number in numbers)


async def convert(number: float, unit: str, to: str) -> float:
    """A number of one unit in another, such as convert(100, "metres", "feet")."""
    return tidy(converted(number, unit, to))


_RECKONING = (
    *(add, subtract, difference, multiply, divide, percent, mean, largest, smallest),
    *(argmax, argmin, greater, less, count_above, count_below, convert),
)


def tidy(number: float) -> float:
    """Without the noise of floating point. Raises `ToolError` for what is beyond it."""
    if not math.isfinite(number):
        raise ToolError(f"the result is {number}: floating point ends at about 1.8e308")
    rounded = float(f"{number:.12g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded


def _quotient(a: float, b: float) -> float:
    if b == 0:
        raise ToolError(f"{a} cannot be divided by zero")
    return a / b


def _some(numbers: list[float]) -> list[float]:
    if not numbers:
        raise ToolError("the list of numbers is empty: give at least one")
    return numbers


def _paired(names: Sequence[str], numbers: list[float]) -> list[float]:
    if len(names) != len(numbers):
        raise ToolError(f"{len(names)} names and {len(numbers)} numbers: give one number for each name")
    return _some(numbers)
