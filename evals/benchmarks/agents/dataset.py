"""LLMCompiler's files of questions (github.com/SqueezeAILab/LLMCompiler, `datasets/`), each question with its steps.

A film question needs eight searches. ParallelQA's are taken apart by rule; one counts only when its arithmetic, on our facts, gives the
dataset's own answer by the dataset's own measure.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestra.errors import ConfigError

from .decompose import decompose
from .question import Kind, Question, Step, outputs_of

FILES: Mapping[Kind, str] = {"movie": "movie_recommendations_formatted.json", "parallelqa": "parallelqa_dataset.json"}


@dataclass(frozen=True, slots=True)
class Loaded:
    questions: tuple[Question, ...]
    left_out: Mapping[str, int]
    """How many were left out, by the reason."""


def load(folder: Path, kind: Kind) -> Loaded:
    """The questions of one of the dataset's files. Raises `ConfigError` when it is not there or is something else."""
    path = folder / FILES[kind]
    try:
        rows = [(str(row["id"]), str(row["question"]), str(row["answer"])) for row in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigError(
            f"{path} cannot be read ({type(error).__name__}: {error}): `--data` is the folder `datasets` of LLMCompiler's repository"
        ) from error
    questions: list[Question] = []
    left_out: Counter[str] = Counter()
    for id, text, answer in rows:
        question = take_apart(id, text, answer, kind)
        if isinstance(question, Question):
            questions.append(question)
        else:
            left_out[question] += 1
    return Loaded(tuple(questions), dict(left_out))


def take_apart(id: str, text: str, answer: str, kind: Kind) -> Question | str:
    """The question with its steps; or why it is left out."""
    if kind == "movie":
        head, _, options = text.partition("\nOptions:\n")
        liked = head.removeprefix("Find a movie similar to ").split(", ")
        films = liked + [line for line in options.splitlines() if line]
        if len(liked) != 4 or len(set(films)) != 8 or answer not in films:
            return "not four films and four options, split at commas"
        return Question(
            id=id, kind=kind, text=text, answer=answer, steps=tuple(Step("search", film) for film in films), asks="film"
        )
    decomposed = decompose(text)
    if isinstance(decomposed, str):
        return decomposed
    question = Question(id=id, kind=kind, text=text, answer=answer, steps=decomposed.steps, asks=decomposed.asks)
    if not question.is_right(question.answer_from(outputs_of(question))):
        return "the arithmetic on our facts does not give the dataset's answer"
    return question
