"""What the parameters of terms have in common: when a term counts, how large it may become, and which values are allowed."""

from __future__ import annotations

import math
from typing import Literal

from orchestra.errors import ConfigError

from ..rollout import Facts

When = Literal["correct", "always"]
"""Whether a term is 0 for wrong answers. A price that wrong answers pay too teaches to give up early; a bonus for them, to be fast and wrong."""


def counts(facts: Facts, when: When) -> bool:
    return when == "always" or facts.correct


def capped(value: float, limit: float | None) -> float:
    return value if limit is None else min(value, limit)


def at_least_zero(**parameters: float | None) -> None:
    """Raises `ConfigError` for one that is negative or infinite. Signs belong into the sum: prices are subtracted."""
    for name, value in parameters.items():
        if value is not None and not 0 <= value < math.inf:
            raise ConfigError(f"`{name}` must be a number from 0 up, got {value!r}: to turn a term around, subtract it or add it")


def above_zero(**parameters: float) -> None:
    """Raises `ConfigError` for one that is zero, negative or infinite."""
    for name, value in parameters.items():
        if not 0 < value < math.inf:
            raise ConfigError(f"`{name}` must be a number above 0, got {value!r}")
