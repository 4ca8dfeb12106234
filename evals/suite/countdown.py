"""Countdown with 3 to 6 numbers, made here: solvable problems of the held-out split, endless, the same for the same seed.

A text is graded by its expression, which may pass through fractions and negative numbers; the shipped model's token language knows
neither, so what it solves is right here as well. `--data` takes lines such as {"numbers": [3, 5, 7, 11], "target": 24}; the field
of other copies, `nums`, is read too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orchestra.countdown.problem import Problem as Countdown
from orchestra.countdown.problem import generate

from ..benchmark import Benchmark, Generated
from ..problem import Problem
from .graders.arithmetic import arithmetic
from .rows import field, integers

_NUMBERS = ("numbers", "nums", "Puzzles")


def _read(benchmark: str) -> Callable[[Mapping[str, Any]], Problem]:
    def read(row: Mapping[str, Any]) -> Problem:
        numbers = integers(field(row, _NUMBERS), "'numbers'")
        (target,) = integers([field(row, ("target",))], "'target'")
        return problem(benchmark, Countdown(tuple(numbers), target))

    return read


def problem(benchmark: str, game: Countdown) -> Problem:
    """A game as an eval asks it."""
    numbers = ", ".join(map(str, game.numbers))
    return Problem(
        benchmark=benchmark,
        text=f"Use each of the numbers {numbers} exactly once, with + - * / and parentheses, to make {game.target}.",
        gold=None,
        name=game.key,
        group=f"{len(game.numbers)} numbers",
        data={"numbers": list(game.numbers), "target": game.target},
    )


def _made(size: int) -> Callable[[int], Iterator[Mapping[str, Any]]]:
    def make(seed: int) -> Iterator[Mapping[str, Any]]:
        for game in generate("test", seed=seed, size=size):
            yield {"numbers": list(game.numbers), "target": game.target}

    return make


def _countdown(name: str, size: int) -> Benchmark:
    return Benchmark(
        name=name,
        title=f"Countdown, {size} numbers",
        about="All numbers once, with + - * /, to a target; the expression is parsed and computed exactly.",
        home=Generated(make=_made(size), endless=True),
        licence="made here",
        size=100,
        fields=("numbers", "target"),
        read=_read(name),
        grade=arithmetic,
        prompt="countdown",
        methods=frozenset({"serial", "fork", "weave", "plan"}),
        citation="Gandhi et al. 2024, arXiv 2404.03683; Pan et al. 2025, arXiv 2504.15466",
    )


THREE, FOUR = _countdown("countdown3", 3), _countdown("countdown", 4)
FIVE, SIX = _countdown("countdown5", 5), _countdown("countdown6", 6)
