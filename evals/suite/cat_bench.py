"""CaT-Bench: must one step of a recipe happen before, or after, another? Yes or no; the reasons that a model gives are not judged.

Two forms are read: the authors' (`binary_question`, `label`), in which half of the questions of a kind are yes, and the Hub's
(`origin_text`, `destination_text`, `label`), in which a true label says that the origin depends on the destination.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestra.answers import Equivalence, extract
from orchestra.errors import ProblemError

from ..benchmark import Benchmark, Hub
from ..problem import Grade, Problem
from .graders.mathematics import NO_ANSWER
from .graders.said import last_line, said
from .rows import field, name, text

_WORD = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
_JSON = re.compile(r'"binary_answer"\s*:\s*"(yes|no)', re.IGNORECASE)


def read(row: Mapping[str, Any]) -> Problem:
    steps = row.get("steps")
    if not isinstance(steps, list) or len(steps) < 2 or not all(isinstance(step, str) for step in steps):
        raise ProblemError(f"'steps' must be a list of two texts or more, got {steps!r:.80}")
    label = field(row, ("label",))
    if label not in (0, 1):
        raise ProblemError(f"'label' must be 0 or 1, got {label!r:.40}")
    question = text(row, ("binary_question",)) if row.get("binary_question") else _question(row, steps)
    return Problem(
        benchmark="cat_bench",
        text=question,
        gold="yes" if label else "no",
        name=name(row, ("question_idx", "id")),
        group=f"{'dependent' if label else 'independent'}, {'after' if ' after ' in question else 'before'}",
        data={"title": str(row.get("title") or "the goal"), "steps": steps},
    )


def _question(row: Mapping[str, Any], steps: list[str]) -> str:
    """Of the Hub's form."""
    later, earlier = text(row, ("origin_text",)), text(row, ("destination_text",))
    places = [place for step in (earlier, later) for place, other in enumerate(steps, 1) if other.strip() == step][:2]
    if len(places) < 2 or places[0] == places[1]:
        raise ProblemError("'origin_text' and 'destination_text' must be two of the steps")
    return f"Must Step {places[0]} happen before Step {places[1]}?"


async def grade(problem: Problem, text: str, same: Equivalence) -> Grade:
    """The answer that is boxed, stated or in the authors' JSON form; else the last line, if it says only one of the two words."""
    *_, as_json = [None, *_JSON.finditer(said(text))]
    stated = as_json[1] if as_json else extract(text) or last_line(text)
    words = {word.lower() for word in _WORD.findall(stated or "")}
    if len(words) != 1:
        return Grade(correct=False, answer=None, flaw="says neither yes nor no, or both" if words or stated else NO_ANSWER)
    answer = words.pop()
    return Grade(correct=answer == problem.gold, answer=answer)


BENCHMARK = Benchmark(
    name="cat_bench",
    title="CaT-Bench",
    about="Must a step of a recipe happen before or after another: yes or no, reasons are not judged.",
    home=Hub(id="vanyacohen/CaT-Bench"),
    licence="MIT",
    size=2840,
    fields=("steps", "binary_question, or origin_text and destination_text", "label"),
    read=read,
    grade=grade,
    prompt="cat_bench",
    methods=frozenset({"serial"}),
    citation="Lal et al. 2024, arXiv 2406.15823",
)
