"""The Game of 24 of Tree of Thoughts: puzzles of 4nums.com, ranked by how long people take. The papers use ranks 901 to 1000."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestra.errors import ProblemError

from ..benchmark import Benchmark, Hub
from ..problem import Problem
from .graders.arithmetic import arithmetic
from .rows import field, integers

TARGET = 24
_HARD = range(901, 1001)


def _rank(row: Mapping[str, Any]) -> int | None:
    try:
        return int(row.get("Rank", row.get("rank", "")))
    except (TypeError, ValueError):
        return None


def _puzzle(benchmark: str, row: Mapping[str, Any]) -> Problem:
    numbers = integers(field(row, ("Puzzles", "numbers", "nums", "puzzle")), "'Puzzles'")
    if len(numbers) != 4 or not all(1 <= number <= 99 for number in numbers):
        raise ProblemError(f"a puzzle has four numbers from 1 to 99, got {numbers!r:.60}")
    rank, listed = _rank(row), ", ".join(map(str, numbers))
    return Problem(
        benchmark=benchmark,
        text=f"Use each of the numbers {listed} exactly once, with + - * / and parentheses, to make {TARGET}.",
        gold=None,
        name=" ".join(map(str, numbers)),
        group=f"ranks {(rank - 1) // 100 * 100 + 1}–{(rank - 1) // 100 * 100 + 100}" if rank else "",
        data={"numbers": numbers, "target": TARGET},
    )


def _read(row: Mapping[str, Any]) -> Problem:
    return _puzzle("game24", row)


def _read_hard(row: Mapping[str, Any]) -> Problem:
    return _puzzle("game24hard", row)


def _is_hard(row: Mapping[str, Any]) -> bool:
    return _rank(row) in _HARD


BENCHMARK = Benchmark(
    name="game24",
    title="Game of 24",
    about="Four numbers once, with + - * /, to 24; the expression is parsed and computed exactly, fractions allowed.",
    home=Hub(id="test-time-compute/game-of-24", split="train"),
    licence="MIT",
    size=1362,
    fields=("Rank", "Puzzles"),
    read=_read,
    grade=arithmetic,
    prompt="countdown",
    citation="Yao et al. 2023, arXiv 2305.10601",
)
HARD = replace(BENCHMARK, name="game24hard", title="Game of 24, ranks 901–1000", size=100, read=_read_hard, keep=_is_hard)
