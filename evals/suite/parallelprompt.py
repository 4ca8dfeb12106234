"""ParallelPrompt: find the parallel parts of a prompt that somebody really wrote to a chat model.

The benchmark's own measures are the speed-up and, by a language model as the judge, how much of the answers' quality is kept;
neither can be graded here from one text. What can be is the decomposition, against the schema that comes with each prompt: right is
a valid schema that splits the prompt into as many parts in the same way, into items or into repetitions; its score is the F1 of the
items. The schemas were written by a model and checked by rule, so a reader who splits a prompt differently is not always wrong.
"""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from orchestra.answers import Equivalence
from orchestra.errors import ProblemError
from orchestra.plan.formats.objects import ObjectScanner, read_json
from orchestra.plan.formats.parallel_prompt import ParallelPrompt
from orchestra.plan.node import Sample

from ..benchmark import Benchmark, Hub
from ..problem import Grade, Problem
from .graders.mathematics import NO_ANSWER
from .graders.said import last_block, said
from .graders.short import normal
from .rows import name, text

_FORMAT = ParallelPrompt()
_LONGEST_LIST = 100_000
"""Characters of a list of items in a table."""


def read(row: Mapping[str, Any]) -> Problem:
    items, repeats = _items(row.get("data")), row.get("n")
    if items:
        gold: dict[str, Any] = {"items": items}
    elif isinstance(repeats, int | float | str) and str(repeats).removesuffix(".0").isdecimal() and float(repeats) >= 1:
        gold = {"n": int(float(repeats))}
    else:
        raise ProblemError("it has neither items in 'data' nor a number in 'n'")
    return Problem(
        benchmark="parallelprompt",
        text=text(row, ("prompt", "original", "serial")),
        gold=gold,
        name=name(row, ("query_id", "source_index", "id")),
        group=str(row.get("category") or ""),
    )


def _items(data: Any) -> list[str]:
    """A list, or the text of one, in JSON or in Python's way, as tables keep it."""
    if isinstance(data, str) and data.strip().startswith("[") and len(data) <= _LONGEST_LIST:
        try:
            data = json.loads(data)
        except (ValueError, RecursionError):
            try:
                data = ast.literal_eval(data)
            except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
                return []
    if not isinstance(data, list | tuple):
        return []
    return [item if isinstance(item, str) else json.dumps(item, ensure_ascii=False, default=str) for item in data]


async def grade(problem: Problem, text: str, same: Equivalence) -> Grade:
    if not said(text).strip():
        return Grade(correct=False, answer=None, flaw=NO_ANSWER)
    block = last_block(text)
    parsed = _FORMAT.parse(block, {})
    if errors := [finding.message for finding in parsed.findings if finding.severity == "error"]:
        return Grade(correct=False, answer=None, flaw=errors[0][:200])
    first, gold = parsed.plan.nodes[0], problem.gold
    if isinstance(first, Sample):
        right = gold.get("n") == first.n
        flaw = None if right else f"repeats {first.n} times, not {_wanted(gold)}"
        return Grade(correct=right, answer=f"{first.n} times", score=float(right), flaw=flaw)
    items = _items(_data(block))
    answer = json.dumps(items, ensure_ascii=False)[:2000]
    if "items" not in gold:
        return Grade(correct=False, answer=answer, score=0.0, flaw=f"splits into {len(items)} items, not {_wanted(gold)}")
    ours, theirs = Counter(map(normal, items)), Counter(map(normal, gold["items"]))
    score = 2 * (ours & theirs).total() / (len(items) + len(gold["items"]))
    right = len(items) == len(gold["items"])
    flaw = None if right else f"splits into {len(items)} items, not {_wanted(gold)}"
    return Grade(correct=right, answer=answer, score=score, flaw=flaw)


def _data(block: str) -> Any:
    """The items of the schema, which the format has read."""
    scanner = ObjectScanner()
    found = [event.text for event in (*scanner.feed(block), *scanner.close()) if event.what == "object"]
    return read_json(found[0]).get("data")


def _wanted(gold: Mapping[str, Any]) -> str:
    return f"{gold['n']} repetitions" if "n" in gold else f"{len(gold['items'])} items"


def is_parallel(row: Mapping[str, Any]) -> bool:
    return str(row.get("parallelizable", "yes")).strip().lower() in ("yes", "true", "1")


BENCHMARK = Benchmark(
    name="parallelprompt",
    title="ParallelPrompt",
    about="The parallel parts of a prompt as a schema; right if valid and split as the given one, scored by the F1 of items.",
    home=Hub(id="forgelab/ParallelPrompt", split="train"),
    licence="Apache-2.0; prompts under the terms of LMSYS-Chat-1M and WildChat",
    size=37072,
    fields=("prompt", "data or n"),
    read=read,
    grade=grade,
    keep=is_parallel,
    prompt="parallel_prompt",
    methods=frozenset({"serial"}),
    citation="Kolawole et al. 2025, arXiv 2506.18728",
)
