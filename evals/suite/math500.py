"""MATH-500: the five hundred problems of MATH that "Let's Verify Step by Step" held out. Reports show its five levels apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..benchmark import Benchmark, Hub
from ..problem import Problem
from .competition import FIELDS
from .graders.mathematics import mathematics
from .rows import NAME, PROBLEM, gold_answer, name, text

_NAMES = ("unique_id", *NAME)


def read(row: Mapping[str, Any]) -> Problem:
    level = row.get("level")
    return Problem(
        benchmark="math500",
        text=text(row, PROBLEM),
        gold=gold_answer(row),
        name=name(row, _NAMES),
        group=f"level {level}".replace("level Level ", "level ") if level else "",
    )


BENCHMARK = Benchmark(
    name="math500",
    title="MATH-500",
    about="Problems of school competitions in seven subjects; an expression, compared by what it means.",
    home=Hub(id="HuggingFaceH4/MATH-500"),
    licence="MIT",
    size=500,
    fields=FIELDS,
    read=read,
    grade=mathematics,
    citation="Hendrycks et al. 2021, arXiv 2103.03874; Lightman et al. 2023, arXiv 2305.20050",
)
