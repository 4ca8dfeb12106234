"""What competitions of mathematics have in common: a text and an answer, of the AIME a whole number from 0 to 999."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestra.errors import ProblemError

from ..benchmark import Read
from ..problem import Problem
from .rows import PROBLEM, gold_answer, name, text

FIELDS = ("problem", "answer")
AIME_LICENCE = "problems © MAA: evaluate, never ship"


def competition(benchmark: str) -> Read:
    """Rows with a problem and its answer; a boxed or dollared gold answer is taken out of its wrapping by who compares."""

    def read(row: Mapping[str, Any]) -> Problem:
        return Problem(benchmark=benchmark, text=text(row, PROBLEM), gold=gold_answer(row), name=name(row))

    return read


def aime(benchmark: str) -> Read:
    """Rows of an AIME: the answer is a whole number from 0 to 999, "073" is 73."""

    def read(row: Mapping[str, Any]) -> Problem:
        answer = gold_answer(row).strip("$ ").removesuffix(r"^\circ")
        if not (answer.isascii() and answer.isdecimal() and int(answer) <= 999):
            raise ProblemError(f"the answer to a problem of the AIME is a whole number from 0 to 999, got {answer!r:.40}")
        return Problem(benchmark=benchmark, text=text(row, PROBLEM), gold=str(int(answer)), name=name(row))

    return read
