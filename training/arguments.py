"""Command-line arguments: numbers with limits, so that a value that cannot work is refused with its name, and what several programs have alike."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from orchestra.errors import ConfigError

from .run_folder import make_folder


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


def add_schedule(group: argparse._ArgumentGroup, *, epochs: float, save_every: int) -> None:
    """How long a program learns from rows, and how often it says and saves something; the defaults are its own."""
    group.add_argument("--epochs", type=number(above=0), default=epochs)
    group.add_argument("--steps", type=whole(), help="instead of --epochs")
    group.add_argument("--seed", type=whole(0), default=0)
    group.add_argument("--log-every", type=whole(), default=50, help="steps")
    group.add_argument("--save-every", type=whole(), default=save_every, help="steps between checkpoints")


def make_out(parser: argparse.ArgumentParser, out: Path) -> None:
    """Make the folder of a run, or end the program with its usage where there can be none."""
    try:
        make_folder(out)
    except ConfigError as error:
        parser.error(str(error))
