"""GSM8K: word problems of primary school. The gold answer stands behind `####` at the end of `answer`; in some copies, alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestra.answers import Equivalence, extract
from orchestra.errors import ProblemError

from ..benchmark import Benchmark, Hub
from ..problem import Grade, Problem
from .graders.mathematics import compared
from .graders.said import said
from .rows import ANSWER, PROBLEM, answer_text, name, text

_MARK = "####"
_NUMBER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")


def read(row: Mapping[str, Any]) -> Problem:
    gold = answer_text(row, ANSWER).rpartition(_MARK)[2].strip().strip("$ ")
    if not _NUMBER.fullmatch(gold):
        raise ProblemError(f"the answer must end with a number behind `{_MARK}`, got {gold!r:.60}")
    return Problem(benchmark="gsm8k", text=text(row, PROBLEM), gold=gold.replace(",", ""), name=name(row))


async def grade(problem: Problem, text: str, same: Equivalence) -> Grade:
    """As mathematics; a text in the style of the dataset, which ends with `#### 72`, is read as well."""
    answer = extract(text)
    if answer is None and _MARK in (spoken := said(text)):
        answer = spoken.rpartition(_MARK)[2].strip().split("\n")[0][:100] or None
    return await compared(problem, answer, same)


BENCHMARK = Benchmark(
    name="gsm8k",
    title="GSM8K",
    about="Word problems of primary school in two to eight steps; a number, compared by its value.",
    home=Hub(id="openai/gsm8k", config="main"),
    licence="MIT",
    size=1319,
    fields=("question", "answer"),
    read=read,
    grade=grade,
    citation="Cobbe et al. 2021, arXiv 2110.14168",
)
