"""Keys under which claims are counted: one for all ways to write a solution, another for each other solution, none of them for a wrong claim."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.countdown.canonical import canonical, solves
from orchestra.countdown.rules import Operation, apply


def path(text: str) -> list[Operation]:
    """Of "11*7=77 77-5=72"."""
    operations = []
    for step in text.split():
        claim, result = step.split("=")
        op = next(op for op in "+-*/" if op in claim)
        left, right = claim.split(op)
        operations.append(Operation(int(left), op, int(right), int(result)))
    return operations


@pytest.mark.parametrize(
    ("numbers", "target", "one", "other"),
    [
        ((3, 5, 7), 15, "3+5=8 8+7=15", "7+5=12 12+3=15"),
        ((3, 5, 7), 5, "7+3=10 10-5=5", "7-5=2 2+3=5"),
        ((2, 3, 6), 9, "6*3=18 18/2=9", "6/2=3 3*3=9"),
        ((1, 4, 5), 20, "4*5=20 20*1=20", "5/1=5 5*4=20"),
        ((4, 4, 9), 9, "4-4=0 9+0=9", "4-4=0 9-0=9"),
    ],
)
def test_ways_to_write_one_solution_share_a_key(numbers: tuple[int, ...], target: int, one: str, other: str) -> None:
    assert canonical(numbers, target, path(one)) == canonical(numbers, target, path(other))


def test_different_solutions_keep_different_keys() -> None:
    one, other = path("8*3=24 24+2=26 26-2=24"), path("8+2=10 10+2=12 3*12=36")
    assert canonical((8, 3, 2, 2), 24, one) != canonical((8, 3, 2, 2), 36, other)
    assert canonical((6, 4, 2), 12, path("6+4=10 10+2=12")) != canonical((6, 4, 2), 12, path("4-2=2 6*2=12"))


def test_a_key_is_an_expression_for_the_solution() -> None:
    key = canonical((11, 7, 5, 3), 24, path("11*7=77 77-5=72 72/3=24"))
    assert key == "(11*7-5)/3"
    assert solves(key)


@pytest.mark.parametrize("claim", ["11*7=77", "11*7=78 78-5=73", "11*11=121", ""])
def test_a_wrong_claim_votes_for_itself_and_solves_nothing(claim: str) -> None:
    key = canonical((11, 7, 5, 3), 24, path(claim))
    assert not solves(key)
    assert key == canonical((11, 7, 5, 3), 24, path(claim))


def test_no_answer_solves_nothing() -> None:
    assert not solves(None)


@given(st.lists(st.integers(1, 20), min_size=3, max_size=5), st.randoms())
def test_the_order_in_which_sums_are_written_never_matters(numbers: list[int], random) -> None:  # type: ignore[no-untyped-def]
    def sum_up() -> list[Operation]:
        left, operations = list(numbers), []
        while len(left) > 1:
            random.shuffle(left)
            one, other = left.pop(), left.pop()
            result = apply(one, "+", other)
            assert result is not None
            operations.append(Operation(one, "+", other, result))
            left.append(result)
        return operations

    target = sum(numbers)
    assert canonical(numbers, target, sum_up()) == canonical(numbers, target, sum_up())
