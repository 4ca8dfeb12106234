"""Expressions of given numbers: what is accepted, and that their value is exact."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra.evals.problem import Grade, Problem
from orchestra.evals.suite.graders.arithmetic import arithmetic

from orchestra.answers import Equivalence
from orchestra.countdown.rules import expression
from orchestra.countdown.solver import solutions

_SAME = Equivalence()  # never entered: arithmetic needs no worker


def graded(text: str, numbers: list[int], target: int | Fraction) -> Grade:
    problem = Problem(benchmark="made", text="", gold=None, data={"numbers": numbers, "target": target})
    return asyncio.run(arithmetic(problem, text, _SAME))


@st.composite
def expressions(draw: st.DrawFn, depth: int = 4) -> tuple[str, list[int], Fraction]:
    """A text with its numbers and its value; never divides by zero."""
    if depth == 0 or draw(st.booleans()):
        number = draw(st.integers(0, 99))
        return str(number), [number], Fraction(number)
    left, ours, a = draw(expressions(depth - 1))
    right, theirs, b = draw(expressions(depth - 1))
    op = draw(st.sampled_from("+-*/" if b else "+-*"))
    value = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else a}[op]
    return f"({left}{draw(st.sampled_from(['', ' ']))}{op} {right})", ours + theirs, value


@given(expressions(), st.sampled_from(["\\boxed{{{}}}", "{}", "The answer is {}", "so\n\n$${}$$\n", "\\boxed{{{} = 7}}"]))
def test_the_value_of_any_expression_is_exact(made: tuple[str, list[int], Fraction], wrapping: str) -> None:
    text, numbers, value = made
    assert graded(wrapping.format(text), numbers, value).correct
    assert not graded(wrapping.format(text), numbers, value + Fraction(1, 10**9)).correct
    assert not graded(wrapping.format(text), [*numbers, 1], value).correct


@given(st.text(alphabet="0123456789+-*/() .=\\boxedfrac{}$^×÷,\n", max_size=60))
def test_whatever_is_written_gets_a_grade(text: str) -> None:
    grade = graded(text, [3, 4, 6, 8], 12)
    assert grade.correct or grade.flaw


def test_what_the_countdown_model_solves_is_right_as_a_text() -> None:
    for number, operations in zip(range(50), solutions((3, 5, 7, 11), 24), strict=False):
        grade = graded(expression((11, 7, 5, 3), operations), [3, 5, 7, 11], 24)
        assert grade.correct, (number, grade)


def test_flaws_say_what_is_wrong() -> None:
    assert graded("1+2+3", [1, 2, 4], 6).flaw == "uses [1, 2, 3], not each of [1, 2, 4] once"
    assert graded("1/(2-2)", [1, 2, 2], 6).flaw == "divides by zero"
    assert graded("1+1/2", [1, 1, 2], 2).flaw == "is 3/2, not 2"
    assert graded("-1+2", [1, 2], 1).flaw == "has a sign that is none of the four operations"
    assert graded("1+2=3=3", [1, 2], 3).flaw == "is a chain of equations: one expression is asked for"
    assert graded("1.5*2", [1, 2], 3).flaw == "has something other than whole numbers, + - * / and parentheses"
    assert graded("", [1, 2], 3).flaw == "states no answer"


@pytest.mark.parametrize(
    "text", [r"\boxed{(8-2)(7-3)}", "(8 - 2) x (7 - 3)", "Answer: (8-2)*(7-3) = 24 ✓", "(8-2)*(7-3) = 24.0", r"$(8-2)(7-3)=24$"]
)
def test_products_without_a_sign_and_what_stands_behind_are_no_flaw(text: str) -> None:
    assert graded(text, [2, 3, 7, 8], 24).correct


@pytest.mark.parametrize("text", ["8(2)7-3", r"\boxed{2\frac{8}{3}7}", "24 (8-2)(7-3)", "(8-2)(7-3) +", "(8-2)(7-3)(1)"])
def test_and_nothing_is_let_through_for_it(text: str) -> None:
    assert not graded(text, [2, 3, 7, 8], 24).correct
