"""Whatever a model has written is compared: nothing raises, and votes and grades agree."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestra.answers import Equivalence, extract
from orchestra.answers.normal import is_percent

pytestmark = pytest.mark.skipif(find_spec("math_verify") is None, reason="needs math-verify")

PIECES = [*"0123456789.,-+*/^_=<>()[]{}|!&%$ xyie٣½√\0\n", r"\frac", r"\sqrt", r"\text{", r"\{", r"\}", r"\pi", r"\cup", r"\infty"]
PIECES += [
    r"\left(",
    r"\right)",
    r"\begin{pmatrix}",
    r"\end{pmatrix}",
    r"\\",
    r"\boxed{",
    r"\pm",
    r"\le",
    " and ",
    "**",
    "cm",
    r"\int",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=30)


class Asked:
    """An `Equivalence` on a loop of its own, for tests that are no coroutines."""

    def __init__(self, runner: asyncio.Runner, same: Equivalence) -> None:
        self._runner, self._same = runner, same

    def keys(self, problem: str, answers: list[str]) -> list[str | None]:
        async def ask() -> list[str | None]:
            return [await self._same.key(problem, answer) for answer in answers]

        return self._runner.run(ask())

    def equal(self, one: str, other: str) -> bool:
        return self._runner.run(self._same.equal(one, other))


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    with asyncio.Runner() as runner:
        same = Equivalence(timeout_s=1.0)
        runner.run(same.__aenter__())
        yield Asked(runner, same)
        runner.run(same.__aexit__(None, None, None))


relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@relaxed
@given(one=TEXTS, other=TEXTS)
def test_grades_are_symmetric_and_agree_with_votes(asked: Asked, one: str, other: str) -> None:
    problem = repr((one, other))
    first, second = asked.keys(problem, [one, other])
    assert asked.keys(problem, [one, other]) == [first, second]
    equal = asked.equal(one, other)
    assert equal == asked.equal(other, one)
    if first is not None and second is not None and not is_percent(one) and not is_percent(other):
        assert equal == (first == second)


@relaxed
@given(text=TEXTS)
def test_an_answer_equals_itself_however_it_is_wrapped(asked: Asked, text: str) -> None:
    assert asked.equal(text, text) == bool(text.strip())
    (key,) = asked.keys(repr(text), [text])
    assert key is None or asked.keys(repr(text), [f" {text} ", text]) == [key, key]


@relaxed
@given(text=st.text() | TEXTS)
def test_what_is_extracted_has_a_key_or_none(asked: Asked, text: str) -> None:
    answer = extract(rf"<think>{text}</think> \boxed{{{text}}}")
    if answer is not None:
        asked.keys("p", [answer])
