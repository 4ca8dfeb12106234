"""Keys that need no library."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.answers import exact_key, quick_key
from orchestra.answers.normal import written_key


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        ("0" * 5000 + "9" * 5000, "9" * 5000),  # Python converts no more than 4300 digits
        ("-0.0", "0"),
        ("1,234,567.50", "2469135/2"),
        (r"33\frac{1}{3}\%", "100/3"),
        (r"0.1\overline{6}", "1/6"),
        (r"2.5\text{ million}", "2500000"),
        ("9999.857142857143", "69999/7"),
        ("0.3333", "3333/10000"),
        ("0.0000001", None),
        ("1.41421356", None),
        (r"\frac{1}{0}", None),
        ("1/" + "7" * 5000, None),
        ("9" * 10_001, None),
        (r"10^{10}", None),
        ("1,23", None),
        ("5x", None),
        (r"2\pi", None),
        (r"5\text{ or } 6", None),
        ("9**9**9", None),
        ("(b)", "B"),
        ("b", None),
        ("yes", "yes"),
        (r"\text{No solution.}", "no solution"),
        ("infinity", None),
        ("non-negative", "non-negative"),
        ("Simpson’s paradox", "simpson's paradox"),
        (r"\text{x-y}", None),
        ("４２", "42"),
        ("٣/٤", "3/4"),
        ("xy", None),
        (r"\text{xy}", "xy"),
        ("{" * 9000, None),
        ("", None),
        ("\0", None),
    ],
)
def test_simple_answers_have_a_key_and_others_none(answer: str, key: str | None) -> None:
    assert quick_key(answer) == key


@given(st.fractions(max_denominator=10**6))
def test_a_number_is_its_own_key_and_fractions_are_read_as_python_reads_them(value: Fraction) -> None:
    key = str(value)
    assert quick_key(key) == key
    sign = "-" if value < 0 else ""
    for top, bottom in ((abs(value.numerator), value.denominator), (3 * abs(value.numerator), 3 * value.denominator)):
        assert quick_key(rf"{sign}\frac{{{top}}}{{{bottom}}}") == key
        assert quick_key(rf"{sign}{top}/{bottom}") == key


@given(st.integers(min_value=-(10**12), max_value=10**12), st.integers(min_value=0, max_value=5))
def test_short_decimals_are_what_they_say(digits: int, places: int) -> None:
    value = Decimal(digits).scaleb(-places)
    assert quick_key(f"{value:f}") == quick_key(f"{value:,f}") == str(Fraction(value))


NOISE = [
    "${}$",
    r"\({}\)",
    r"\text{{{}}}",
    r"\boxed{{{}}}",
    "{}.",
    " {} ",
    "{{{}}}",
    r"\displaystyle {}",
    r"\,{}\,",
    "**{}**",
    r"\mathrm{{{}}}",
]
ANSWERS = ["42", "-7", "1/2", "0.5", "12 3/5", "C", "tuesday", "1,000", r"\frac{2}{4}", r"50\%", "x=5", "3 cm"]


@pytest.mark.parametrize("answer", ANSWERS)
@given(noise=st.lists(st.sampled_from(NOISE), max_size=4))
def test_formatting_does_not_change_a_key(answer: str, noise: list[str]) -> None:
    noisy = answer
    for form in noise:
        noisy = form.format(noisy)
    assert quick_key(noisy) == quick_key(answer) is not None


PIECES = [*"0123456789.,-+/x=$%{}()[] ^\\CeE½٣\0", r"\frac", r"\text{", "million", "cm", "no"]


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_a_key_is_the_key_of_itself(text: str) -> None:
    key = quick_key(text)
    assert key is None or is_its_own(key)


@given(st.text())
def test_any_text_has_a_key_that_is_its_own_or_none(text: str) -> None:
    for key in (quick_key(text), quick_key(written_key(text) or "")):
        assert key is None or is_its_own(key)


def is_its_own(key: str) -> bool:
    """Short words, which only LaTeX tells from products of letters, are so as LaTeX."""
    return quick_key(key) in (key, None) and quick_key(rf"\text{{{key}}}") == key


def test_exact_keys_are_the_answers() -> None:
    assert [exact_key(answer) for answer in (" (1+2)*3\n", "", "  ", None)] == ["(1+2)*3", None, None, None]
