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
_COUNTED = re.compile(rf"(?:\\?\$)?\s*({_NUMBER.pattern})(?:\\[,;: ]|~|\s)+(?:\\text\s*\{{)?([A-Za-z][A-Za-z /-]*)\}}?\.?")
"""A number and what is counted, of which `orchestra.answers` knows the usual units only: "72 clips", "5 km/h"."""
_MORE = re.compile(
    r"\b(?:hundreds?|thousands?|millions?|billions?|dozens?|pairs?|k|half|and|or|to|times|over|plus|minus|pi)\b", re.IGNORECASE
)
"""Words that make another number of it, or of which nobody knows what they do."""


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
    if answer is not None and (counted := _COUNTED.fullmatch(answer)) and not _MORE.search(counted[2]):
        answer = counted[1]
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
