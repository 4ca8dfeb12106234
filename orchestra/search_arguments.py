"""Options that `orchestra solve` and `orchestra eval` have in common: how Countdown's own model searches."""

from __future__ import annotations

import argparse

from .argument_types import count, positive


def add_join(parser: argparse._ActionsContainer, *, default: str, of: str = "") -> None:
    """`of` says what it is an option of, where that is not clear."""
    parser.add_argument(
        "--join",
        choices=["all", "first"],
        default=default,
        help=f"{of}wait for all children, or cancel the rest at the first success (default: {default})",
    )


def add_extent(parser: argparse._ActionsContainer) -> None:
    """How wide and deep a search goes, and how much of it a thread sees."""
    parser.add_argument(
        "--beam",
        type=count,
        metavar="N",
        help="successors visited at the root; 0: the model decides, if it was trained to (default: 24, 5 serial)",
    )
    parser.add_argument(
        "--child-beam",
        type=count,
        metavar="N",
        help="successors visited below it by a child; 0 as above (default: 12, or 0 with --beam 0)",
    )
    parser.add_argument(
        "--depth",
        type=count,
        default=2,
        metavar="N",
        help="generations of threads below the root; from 2 on children fork, too, if the model was trained to (default: 2)",
    )
    parser.add_argument("--window", type=positive, metavar="TOKENS", help="context of one thread (default: 160; 3,072 to weave)")


def add_scouts(parser: argparse._ActionsContainer) -> None:
    """Serial searches beside a search."""
    parser.add_argument(
        "--scouts",
        type=count,
        default=0,
        metavar="N",
        help="serial searches beside this one; the first answer that holds when it is checked ends all (default: 0)",
    )
    parser.add_argument(
        "--scout-temperature",
        type=float,
        metavar="T",
        help="of the scouts (default: 1 with --beam 0, else 2: models of fixed widths hardly explore below that)",
    )
