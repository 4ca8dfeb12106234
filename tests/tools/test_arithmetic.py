"""The arithmetic tool: exact, bounded, and nothing but arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.errors import ToolError
from orchestra.tools.arithmetic import MAX_DIGITS, arithmetic

Sum = tuple[str, int]
"""An expression and its value."""


def _combined(parts: st.SearchStrategy[Sum]) -> st.SearchStrategy[Sum]:
    operations = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}
    return st.builds(
        lambda left, sign, right: (f"({left[0]}) {sign} ({right[0]})", operations[sign](left[1], right[1])),
        parts,
        st.sampled_from(sorted(operations)),
        parts,
    )


SUMS = st.recursive(st.integers(-999, 999).map(lambda number: (str(number), number)), _combined, max_leaves=12)


@given(SUMS)
def test_integers_are_exact(expected: Sum) -> None:
    value = arithmetic(expected[0])
    assert (value, type(value)) == (expected[1], int)


@given(st.integers(-(10**30), 10**30), st.integers(-(10**15), 10**15).filter(bool))
def test_a_division_is_an_integer_exactly_when_it_leaves_no_remainder(number: int, divisor: int) -> None:
    value = arithmetic(f"{number} / {divisor}")
    if number % divisor == 0:
        assert (value, type(value)) == (number // divisor, int)
    else:
        assert isinstance(value, float)
        assert value == pytest.approx(float(Fraction(number, divisor)))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("2 ** 3 ** 2", 512),
        ("-2 ** 2", -4),
        ("+7 // 2", 3),
        ("-7 % 3", 2),
        ("0.5 + 0.25", 0.75),
        ("2 ** -2", 0.25),
        ("3 × 8 − 4 ÷ 2", 22),
        ("1_000 * 2", 2000),
        ("round(2 / 3, 2)", 0.67),
        ("round(2.6)", 3),
        ("sqrt(2) ** 2", pytest.approx(2)),
        ("log(8, 2) + log10(100)", pytest.approx(5)),
        ("exp(0) + cos(0) + sin(pi)", pytest.approx(2)),
        ("max(3, min(7, 5), 4) + sum(1, 2, 3) + sum([4, 5])", 20),
        ("floor(2.5) + ceil(2.5) + abs(-1)", 6),
        ("factorial(20) / factorial(18) + gcd(12, 18)", 386),
        ("sum(0.1, 0.2, 0.3, 0.4)", 1.0),
        ("  \n 1 + 1", 2),
    ],
)
def test_values(expression: str, value: float) -> None:
    assert arithmetic(expression) == value


@pytest.mark.parametrize(
    "expression", ["9**9**9", "9**9**9**9", "10**1001", "factorial(1000)", "(10**999) * (10**999)", "(10**999)**2"]
)
def test_huge_integers_are_refused_before_they_are_computed(expression: str) -> None:
    with pytest.raises(ToolError, match=rf"more than {MAX_DIGITS:,} digits"):
        arithmetic(expression)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1 / 0", "division by zero"),
        ("1 // 0", "division by zero"),
        ("5 % 0", "division by zero"),
        ("0 ** -1", "division by zero"),
        ("1e308 * 10", "1.8e308"),
        ("1e999", "1.8e308"),
        ("1e308 ** 2", "1.8e308"),
        ("exp(1000)", "1.8e308"),
        ("1e999 - 1e999", "1.8e308"),
        ("10**900 / 7", "1.8e308"),
        ("(-8) ** 0.5", "not a real number"),
        ("sqrt(-1)", "has no value"),
        ("log(0)", "has no value"),
        ("sqrt(1, 2)", "has no value"),
        ("factorial(2.5)", "has no value"),
        ("gcd(1.5, 2)", "not a whole number"),
        ("round(5, -(10**9))", "at most"),
        ("max()", "has no value"),
    ],
)
def test_what_has_no_value_says_why(expression: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        arithmetic(expression)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1,000 + 1", "write 1000 without"),
        ("1,234,567", "write 1234567 without"),
        ("1,00,000", "write 100000 without"),
        ("max(1,234)", "space after each comma"),
        ("2 ^ 3", r"write `\*\*`"),
        ("x + 1", "unknown name `x`"),
        ("pow(2, 3)", "unknown function `pow`"),
        ("2 +", "no arithmetic expression"),
        ("", "no arithmetic expression"),
        ("1 2", "no arithmetic expression"),
        ("1 < 2", "not arithmetic"),
        ("True + 1", "not arithmetic"),
        ("'a' * 10**9", "not arithmetic"),
        ("1j", "not arithmetic"),
        ("[1] * 10**9", "not arithmetic"),
        ("(1).__class__", "not arithmetic"),
        ("__import__('os')", "unknown function"),
        ("(lambda: 1)()", "not arithmetic"),
        ("round(2.5, ndigits=1)", "not arithmetic"),
        ("sum(*[1])", "not arithmetic"),
        ("1 if 1 else 2", "not arithmetic"),
        ("1 << 10**9", "LShift .* is not arithmetic"),
        ("1\x00", "cannot be parsed|no arithmetic expression"),
        ("1" * 2000, "2,000 characters"),
        ("-" * 900 + "1", "levels|cannot be parsed"),
        ("(" * 300 + "1" + ")" * 300, "no arithmetic expression|cannot be parsed"),
        ("not " * 240 + "1", "not arithmetic|cannot be parsed"),
    ],
)
def test_what_is_not_arithmetic_is_refused_with_the_next_step(expression: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        arithmetic(expression)


def test_long_sums_are_not_too_deep() -> None:
    assert arithmetic("+".join(["1"] * 500)) == 500


def test_a_comma_and_a_space_separate_arguments() -> None:
    assert arithmetic("max(1, 234)") == 234
    assert arithmetic("max(1234,567)") == 1234


@given(st.text(max_size=60))
def test_any_text_has_a_finite_value_or_a_tool_error(text: str) -> None:
    try:
        value = arithmetic(text)
    except ToolError:
        return
    assert math.isfinite(value)


@given(st.text("0123456789.,()+-*/% elogpisqrtfaxmn^", max_size=40))
def test_any_almost_arithmetic_has_a_finite_value_or_a_tool_error(text: str) -> None:
    try:
        value = arithmetic(text)
    except ToolError:
        return
    assert math.isfinite(value)
