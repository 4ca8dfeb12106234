"""Types of command-line arguments: numbers with limits, so that a value that cannot work is refused with its name."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def whole(least: int = 1, *, multiple_of: int = 1) -> Callable[[str], int]:
    """A whole number of at least `least`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a whole number, got {text!r}") from None
        if value < least or value % multiple_of:
            multiple = f" and a multiple of {multiple_of}" if multiple_of > 1 else ""
            raise argparse.ArgumentTypeError(f"must be at least {least}{multiple}, got {text}")
        return value

    return read


def number(*, above: float | None = None, least: float | None = None, most: float | None = None) -> Callable[[str], float]:
    """A finite number above `above`, or of at least `least`, and of at most `most`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from None
        limits = {f"above {above}": above is None or value > above, f"at least {least}": least is None or value >= least}
        limits |= {f"at most {most}": most is None or value <= most, "finite": math.isfinite(value)}
        if broken := [limit for limit, kept in limits.items() if not kept]:
            raise argparse.ArgumentTypeError(f"must be {broken[0]}, got {text}")
        return value

    return read
