"""ParallelQA: questions that compare or compute with facts of two to five things. The facts themselves are not in the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..benchmark import Benchmark, Published
from ..problem import Problem
from .graders.short import short
from .rows import ANSWER, PROBLEM, answer_text, name, text


def read(row: Mapping[str, Any]) -> Problem:
    branch = row.get("branch")
    return Problem(
        benchmark="parallelqa",
        text=text(row, PROBLEM),
        gold=answer_text(row, ANSWER),
        name=name(row),
        group=f"{branch} branches" if branch else "",
    )


BENCHMARK = Benchmark(
    name="parallelqa",
    title="ParallelQA",
    about="Facts to look up and compute with; a number within ten percent, or the same words without case and articles.",
    home=Published(repository="github.com/SqueezeAILab/LLMCompiler", path="datasets/parallelqa_dataset.json"),
    licence="MIT",
    size=113,
    fields=("question", "answer"),
    read=read,
    grade=short,
    prompt="question",
    citation="Kim et al. 2024, An LLM Compiler for Parallel Function Calling, arXiv 2312.04511",
)
