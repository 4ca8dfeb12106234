"""Twenty-one small problems of several kinds, made for this package: for trying things out, without network or dataset.

They are graded as the large benchmarks are: expressions, mathematics, short answers. A model of half a billion parameters solves
most of them, so nothing can be concluded from how many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestra.answers import Equivalence
from orchestra.errors import ProblemError

from ..benchmark import Benchmark, Generated, Grader
from ..problem import Grade, Problem
from .graders.arithmetic import arithmetic
from .graders.mathematics import mathematics
from .graders.short import short
from .rows import ANSWER, PROBLEM, answer_text, field, integers, text

_GRADERS: Mapping[str, Grader] = {"number": mathematics, "expression": mathematics, "words": short, "countdown": arithmetic}

_NUMBERS = (
    ("A box holds 6 rows of 7 eggs. Five eggs are broken. How many are whole?", "37"),
    ("What is the sum of the whole numbers from 1 to 20?", "210"),
    ("A train leaves at 9:40 and arrives at 11:05. How many minutes does it take?", "85"),
    ("What is the remainder when 1000 is divided by 7?", "6"),
    ("How many prime numbers are there between 10 and 30?", "6"),
    ("Three pencils cost 84 cents. How many cents do five pencils cost?", "140"),
    ("In how many orders can 5 different books stand on a shelf?", "120"),
    ("The sides of a rectangle are 9 and 12. How long is its diagonal?", "15"),
)
_EXPRESSIONS = (
    (r"Compute $\frac{1}{2} + \frac{1}{3}$ as a fraction in lowest terms.", r"\frac{5}{6}"),
    (r"Simplify $\sqrt{72}$.", r"6\sqrt{2}"),
    (r"For which real $x$ is $x^2 < 9$? Write the answer as an interval.", r"(-3, 3)"),
    (r"Factor $x^2 - 5x + 6$.", r"(x-2)(x-3)"),
    (r"What is the probability that two fair dice show the same number?", r"\frac{1}{6}"),
)
_WORDS = (
    ("Ada is taller than Ben, and Ben is taller than Cem. Who is the shortest of the three?", "Cem"),
    ("Which day of the week is 100 days after a Monday?", "Wednesday"),
    ("Is 91 a prime number? Answer yes or no.", "no"),
    ("Write the letters of the word `stressed` in reverse order.", "desserts"),
)
_GAMES: tuple[tuple[tuple[int, ...], int], ...] = (((3, 4, 5), 27), ((2, 6, 9), 12), ((1, 5, 8, 10), 40), ((3, 5, 7, 11), 24))


def made(seed: int) -> Sequence[Mapping[str, Any]]:
    """The same for every seed."""
    words = (("number", _NUMBERS), ("expression", _EXPRESSIONS), ("words", _WORDS))
    asked = [{"kind": kind, "problem": problem, "answer": answer} for kind, rows in words for problem, answer in rows]
    return [*asked, *({"kind": "countdown", "numbers": list(numbers), "target": target} for numbers, target in _GAMES)]


def read(row: Mapping[str, Any]) -> Problem:
    kind = row.get("kind", "number")
    if kind not in _GRADERS:
        raise ProblemError(f"'kind' must be one of {', '.join(_GRADERS)}, got {kind!r:.40}")
    if kind == "countdown":
        numbers = integers(field(row, ("numbers",)), "'numbers'")
        (target,) = integers([field(row, ("target",))], "'target'")
        words = (
            f"Use each of the numbers {', '.join(map(str, numbers))} exactly once, with + - * / and parentheses, to make {target}."
        )
        words += " The answer is the expression."
        data: dict[str, Any] = {"kind": kind, "numbers": numbers, "target": target}
        return Problem(
            benchmark="tiny", text=words, gold=None, name=f"{' '.join(map(str, numbers))} → {target}", group=kind, data=data
        )
    problem = text(row, PROBLEM)
    return Problem(
        benchmark="tiny", text=problem, gold=answer_text(row, ANSWER), name=problem[:40], group=kind, data={"kind": kind}
    )


async def grade(problem: Problem, text: str, same: Equivalence) -> Grade:
    return await _GRADERS[problem.data["kind"]](problem, text, same)


BENCHMARK = Benchmark(
    name="tiny",
    title="Tiny",
    about="Small problems of several kinds, for trying things out; graded as the large benchmarks of their kind are.",
    home=Generated(make=made),
    licence="made here",
    size=21,
    fields=("kind", "problem", "answer"),
    read=read,
    grade=grade,
)
