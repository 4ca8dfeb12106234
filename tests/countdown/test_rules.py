"""Operations, verification and expressions, checked against independent arithmetic."""

from __future__ import annotations

import ast
import operator
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.countdown.problem import MAX_NUMBER, TARGETS, Problem, generate
from orchestra.countdown.rules import Operation, expression, successors, verify
from orchestra.countdown.solver import reachable, solutions
from orchestra.errors import ProblemError

NUMBERS = st.lists(st.integers(1, MAX_NUMBER), min_size=3, max_size=4)


def value(text: str) -> tuple[Fraction, list[int]]:
    """Value and literals of an expression, by Python's own grammar."""
    binary = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}

    def walk(node: ast.expr) -> tuple[Fraction, list[int]]:
        if isinstance(node, ast.Constant):
            return Fraction(node.value), [node.value]
        assert isinstance(node, ast.BinOp)
        (left, left_numbers), (right, right_numbers) = walk(node.left), walk(node.right)
        return binary[type(node.op)](left, right), left_numbers + right_numbers

    return walk(ast.parse(text, mode="eval").body)


@given(NUMBERS, st.sampled_from(TARGETS))
@settings(max_examples=60, deadline=None)
def test_every_solution_verifies_and_its_expression_uses_each_number_once_and_reaches_the_target(
    numbers: list[int], target: int
) -> None:
    found = list(solutions(numbers, target))
    assert bool(found) == (target in reachable(numbers))
    for operations in found[:20]:
        assert verify(numbers, target, operations) is None
        result, used = value(expression(numbers, operations))
        assert result == target
        assert sorted(used) == sorted(numbers)


@pytest.mark.parametrize(
    ("operations", "flaw"),
    [
        ([Operation(7, "+", 5, 12)], "3 numbers are left"),
        ([Operation(7, "+", 6, 13)], "uses 6, but the numbers left are"),
        ([Operation(7, "+", 7, 14)], "uses 7, but the numbers left are"),
        ([Operation(7, "+", 5, 13)], "is not true"),
        ([Operation(3, "-", 5, -2)], "is not true"),
        ([Operation(7, "/", 5, 1)], "is not true"),
        (
            [Operation(11, "+", 7, 18), Operation(18, "+", 5, 23), Operation(23, "+", 3, 26)],
            "the last value is 26, not the target 24",
        ),
        ([], "4 numbers are left"),
    ],
)
def test_verification_says_what_is_wrong_with_a_claim(operations: list[Operation], flaw: str) -> None:
    assert flaw in (verify((11, 7, 5, 3), 24, operations) or "")


def test_verification_accepts_a_solution_in_any_order_of_the_numbers() -> None:
    path = [Operation(11, "-", 5, 6), Operation(7, "-", 3, 4), Operation(6, "*", 4, 24)]
    assert verify((3, 5, 7, 11), 24, path) is None
    assert expression((3, 5, 7, 11), path) == "(11-5)*(7-3)"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ([Operation(6, "/", 3, 2), Operation(8, "/", 2, 4)], "8/(6/3)"),
        ([Operation(6, "-", 3, 3), Operation(8, "-", 3, 5)], "8-(6-3)"),
        ([Operation(6, "+", 3, 9), Operation(9, "-", 8, 1)], "6+3-8"),
        ([Operation(6, "*", 3, 18), Operation(18, "+", 8, 26)], "6*3+8"),
        ([Operation(6, "+", 3, 9), Operation(9, "*", 8, 72)], "(6+3)*8"),
        ([Operation(6, "*", 3, 18), Operation(18, "*", 8, 144)], "6*3*8"),
        ([Operation(6, "/", 3, 2), Operation(8, "*", 2, 16)], "8*(6/3)"),
    ],
)
def test_expressions_have_the_parentheses_they_need_and_no_others(path: list[Operation], text: str) -> None:
    assert expression((8, 6, 3), path) == text


@given(NUMBERS)
def test_successors_are_true_and_lead_to_distinct_states(numbers: list[int]) -> None:
    state = tuple(sorted(numbers, reverse=True))
    after = successors(state)
    assert len({state for _, state in after}) == len(after)
    for operation, rest in after:
        assert len(rest) == len(state) - 1 and operation.result in rest
        assert operation.result >= 0


def test_splits_are_disjoint_and_repeat_with_the_same_seed() -> None:
    sets = {}
    for split in ("train", "validation", "test"):
        source, again = generate(split, seed=3), generate(split, seed=3)
        problems = [next(source) for _ in range(60)]
        assert problems == [next(again) for _ in range(60)]
        assert all(problem.split == split and problem.solvable for problem in problems)
        sets[split] = {problem.key for problem in problems}
        assert len(sets[split]) == 60
    assert not sets["train"] & sets["test"] | sets["train"] & sets["validation"] | sets["validation"] & sets["test"]


@pytest.mark.parametrize("size", [3, 5, 6])
def test_problems_of_other_sizes_are_generated(size: int) -> None:
    problem = next(generate("test", seed=0, size=size))
    assert len(problem.numbers) == size
    assert any(True for _ in solutions(problem.numbers, problem.target))


def test_the_split_of_a_problem_does_not_depend_on_the_order_of_its_numbers() -> None:
    assert Problem((3, 5, 7, 11), 24) == Problem((11, 7, 5, 3), 24)
    assert Problem((3, 5, 7, 11), 24).key == "3,5,7,11=24"


@pytest.mark.parametrize(
    ("numbers", "target", "message"),
    [
        ((3, 5), 24, "3 to 6 numbers, got 2"),
        ((1, 2, 3, 4, 5, 6, 7), 24, "3 to 6 numbers, got 7"),
        ((3, 5, 0), 24, r"1\.\.99, got \[0\]"),
        ((3, 5, 100), 24, r"1\.\.99, got \[100\]"),
        ((3, 5, 7), 9, r"10\.\.100, got 9"),
        ((3, 5, 7), 101, r"10\.\.100, got 101"),
    ],
)
def test_problems_out_of_range_are_refused_with_the_range(numbers: tuple[int, ...], target: int, message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        Problem(numbers, target)
