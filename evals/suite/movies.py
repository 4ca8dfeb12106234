"""Movie recommendation of BIG-bench as LLMCompiler asks it: four films that somebody likes, and four of which one is like them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestra.answers import Equivalence
from orchestra.errors import ProblemError

from ..benchmark import Benchmark, Published
from ..problem import Grade, Problem
from .graders.mathematics import NO_ANSWER
from .graders.short import normal, stated
from .rows import ANSWER, PROBLEM, answer_text, name, text

_LETTER = re.compile(r"\(?\b([A-Za-z])\b[).:]?|(?:option|choice)\s+\(?([A-Za-z])\)?", re.IGNORECASE)


def read(row: Mapping[str, Any]) -> Problem:
    question, mark, options = text(row, PROBLEM).partition("\nOptions:\n")
    films = [line.strip() for line in options.splitlines() if line.strip()]
    gold = answer_text(row, ANSWER)
    if not mark or not 2 <= len(films) <= 26 or len(set(map(normal, films))) < len(films):
        raise ProblemError("the question must end with `Options:` and a film a line, each another one")
    if gold not in films:
        raise ProblemError(f"the answer {gold!r:.60} is none of the options")
    return Problem(benchmark="movies", text=question.strip(), gold=gold, name=name(row), data={"options": films})


async def grade(problem: Problem, text: str, same: Equivalence) -> Grade:
    """By the title, by the letter that the prompt gives it, or by the only option that the answer names."""
    answer = stated(text)
    if answer is None:
        return Grade(correct=False, answer=None, flaw=NO_ANSWER)
    film = _chosen(answer, problem.data["options"])
    if film is None:
        return Grade(correct=False, answer=answer, flaw="names no option, or more than one")
    return Grade(correct=film == problem.gold, answer=film)


def _chosen(answer: str, films: list[str]) -> str | None:
    words = normal(answer)
    if exact := [film for film in films if normal(film) == words]:
        return exact[0]
    letter = _LETTER.fullmatch(answer)
    if letter:
        place = ord((letter[1] or letter[2]).upper()) - ord("A")
        return films[place] if place < len(films) else None
    named = [film for film in films if f" {normal(film)} " in f" {words} "]
    # One title may lie within another: the longer one is meant.
    outer = [film for film in named if not any(film != other and normal(film) in normal(other) for other in named)]
    return outer[0] if len(outer) == 1 else None


BENCHMARK = Benchmark(
    name="movies",
    title="Movie recommendation",
    about="One of four films that is most like four others; by its title or its letter.",
    home=Published(repository="github.com/SqueezeAILab/LLMCompiler", path="datasets/movie_recommendations_formatted.json"),
    licence="MIT; items of BIG-bench, Apache-2.0",
    size=500,
    fields=("question", "answer"),
    read=read,
    grade=grade,
    prompt="choice",
    citation="BIG-bench 2022, arXiv 2206.04615; Kim et al. 2024, arXiv 2312.04511",
)
