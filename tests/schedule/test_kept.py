"""What a journal or a cache keeps comes back as it was, or is refused; calls are known again in every process."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from orchestra.schedule.kept import Unkeepable, bring_back, dump, fingerprint, keep
from orchestra.tools.function import as_tool


class Colour(Enum):
    RED = "red"


class Peak(BaseModel):
    name: str
    metres: float
    climbed: datetime | None = None


@dataclass
class Pair:
    left: float
    right: tuple[int, ...]


PEAK = Peak(name="K2", metres=8611, climbed=datetime(1954, 7, 31, tzinfo=UTC))
names = st.text() | st.sampled_from(["$typed", "$plain", "$ref"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None, categories=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


def again(value: Any, kind: Any = None) -> Any:
    """As a later process gets it, from a tool whose return type is `kind`; checks that this one goes on with the same."""

    def make(text: str) -> Any: ...

    if kind is not None:
        make.__annotations__["return"] = kind
    restore = as_tool(make).restore if kind is not None else None
    form, here = keep(value, restore)
    there = bring_back(json.loads(dump(form)), restore)
    assert repr(there) == repr(here) or there == here
    assert fingerprint("", there) == fingerprint("", here)
    return there


@given(anything)
def test_every_json_value_comes_back_exactly(value: Any) -> None:
    assert repr(again(value)) == repr(value)


@pytest.mark.parametrize("value", [10**30, -(2**64), 10**3999, math.inf, -math.inf, -0.0, "\ud800", {"\udfff": "\x00"}, "a\u2028b"])
def test_numbers_of_any_size_and_halves_of_surrogates_come_back(value: Any) -> None:
    assert repr(again(value)) == repr(value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Peak, PEAK),
        (Peak, Peak(name="?", metres=math.nan)),
        (list[Peak], [PEAK, PEAK]),
        (Pair, Pair(left=1.0, right=(1, 2))),
        (datetime, datetime(2020, 1, 1, 12, tzinfo=UTC)),
        (timedelta, timedelta(days=1, microseconds=7)),
        (bytes, b"text"),
        (set[str], {"a", "b", "c"}),
        (Decimal, Decimal("0.10")),
        (Colour, Colour.RED),
        (dict[int, str], {1: "one"}),
        (dict[str, Peak], {"$typed": PEAK}),
        (tuple[int, str], (1, "a")),
    ],
)
def test_what_the_return_type_names_comes_back_as_that_type(kind: Any, value: Any) -> None:
    back = again(value, kind)
    assert type(back) is type(value) and repr(back) == repr(value) or back == value


def test_a_whole_number_stays_one_although_the_return_type_says_float() -> None:
    assert repr(again(8611, float)) == "8611"
    assert repr(again([1, 2.5], list[float])) == "[1, 2.5]"


def test_numbers_in_a_typed_value_may_become_what_its_type_says_here_and_there() -> None:
    assert again(Pair(left=1, right=(1,)), Pair) == Pair(left=1.0, right=(1,))


def test_tuples_come_back_as_lists_where_no_type_says_otherwise() -> None:
    assert again([(1, 2), (3, 4)]) == [[1, 2], [3, 4]]
    assert again((1, 2), tuple[str, str]) == [1, 2]  # it returned something else than it says


class Shade(StrEnum):
    GREY = "grey"


class Share(float):
    """As numpy's float64 is one."""


@pytest.mark.parametrize(
    ("value", "kind", "back"),
    [
        (defaultdict(int, a=1), None, {"a": 1}),
        (Share(0.5), float, 0.5),
        ([Share(0.5)], None, [0.5]),
        (Shade.GREY, str, "grey"),
        (Shade.GREY, Shade, Shade.GREY),
    ],
)
def test_subclasses_become_types_of_json(value: Any, kind: Any, back: Any) -> None:
    assert again(value, kind) == back and type(again(value, kind)) is type(back)


def knot() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


def deep() -> Any:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (datetime(2020, 1, 1), None),
        ({1, 2}, None),
        (b"text", None),
        (b"\xff", bytes),
        (PEAK, None),
        (PEAK, dict),
        (Pair(1, (2,)), None),
        ({1: "one"}, None),
        (object(), None),
        (object(), object),
        (iter([1]), None),
        (knot(), None),
        (deep(), list),
    ],
)
def test_what_could_not_be_made_again_is_refused(value: Any, kind: Any) -> None:
    with pytest.raises(Unkeepable):
        again(value, kind)


def test_a_number_that_python_would_not_read_again_is_refused() -> None:
    with pytest.raises(Unkeepable, match="more than 4,000 digits"):
        again({"n": 10**4500})


def test_calls_differ_when_their_inputs_do() -> None:
    inputs: list[Any] = [
        1,
        1.0,
        True,
        "1",
        None,
        [1],
        [[1]],
        {"1": 1},
        {1: 1},
        {1},
        b"1",
        Decimal(1),
        PEAK,
        Pair(1, (1,)),
        Pair(1.0, (1,)),
    ]
    assert len({fingerprint("a", {"x": value}) for value in inputs}) == len(inputs)
    assert fingerprint("a", {"x": 1}) != fingerprint("b", {"x": 1})


@pytest.mark.parametrize("value", [object(), iter("abc"), [lambda: 1], memoryview(b"a")])
def test_an_input_whose_content_nobody_knows_has_no_fingerprint(value: Any) -> None:
    with pytest.raises(Unkeepable):
        fingerprint("a", {"x": value})


def test_a_call_with_a_set_is_known_again_by_a_process_with_another_order() -> None:
    program = (
        "from orchestra.schedule.kept import fingerprint; print(fingerprint('a', {'x': [set('abcdefgh')]}), list(set('abcdefgh')))"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert found[0] != found[1] and found[0].split()[0] == found[1].split()[0]
