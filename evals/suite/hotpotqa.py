"""HotpotQA's comparison questions, which need two articles that can be read at once.

The Hub's `distractor` set gives ten paragraphs with each question, and models are shown them. LLMCompiler's file
`hotpotqa_comparison.json`, the same questions without paragraphs, is read too: then the model, or its tools, must know. Graded by
the dataset's own exact match; LLMCompiler's program, which lets numbers be ten percent off, takes every year for every other one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestra.errors import ProblemError

from ..benchmark import Benchmark, Hub
from ..problem import Problem
from .graders.short import words
from .rows import ANSWER, PROBLEM, answer_text, name, text


def read(row: Mapping[str, Any]) -> Problem:
    context = _paragraphs(row["context"]) if row.get("context") else None
    return Problem(
        benchmark="hotpotqa",
        text=text(row, PROBLEM),
        gold=answer_text(row, ANSWER),
        name=name(row, ("id", "_id")),
        data={"context": context} if context else {},
    )


def _paragraphs(context: Any) -> list[dict[str, str]]:
    """From columns, as the Hub has them, or from pairs of title and sentences, as the authors' file does."""
    try:
        pairs = zip(context["title"], context["sentences"], strict=True) if isinstance(context, Mapping) else context
        return [{"title": str(title), "text": "".join(sentences).strip()} for title, sentences in pairs]
    except (TypeError, ValueError, KeyError):
        raise ProblemError(f"'context' must hold titles and their sentences, got {context!r:.80}") from None


def is_comparison(row: Mapping[str, Any]) -> bool:
    return bool(row.get("type", "comparison") == "comparison")


BENCHMARK = Benchmark(
    name="hotpotqa",
    title="HotpotQA, comparison questions",
    about="Two things compared by their articles; right if the same words, without case, punctuation and articles.",
    home=Hub(id="hotpotqa/hotpot_qa", config="distractor", split="validation"),
    licence="CC BY-SA 4.0",
    size=1487,
    fields=("question", "answer"),
    read=read,
    grade=words,
    keep=is_comparison,
    prompt="question",
    citation="Yang et al. 2018, arXiv 1809.09600",
)
