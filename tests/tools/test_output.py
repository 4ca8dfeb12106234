"""How much a tool may return."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from orchestra.errors import ToolError
from orchestra.tools.function import as_tool, tool
from orchestra.tools.output import bounded


def call(made: Any) -> Any:
    return asyncio.run(as_tool(made).call({}))


def test_a_long_text_is_cut_with_a_mark() -> None:
    def long() -> str:
        return "abc" * 1_000

    assert call(tool(long, max_output_chars=4)) == "abca\n[cut here: 2,996 of 3,000 characters are left out]"
    assert call(tool(long, max_output_chars=3_000)) == "abc" * 1_000
    assert call(tool(long, max_output_chars=None)) == "abc" * 1_000
    assert len(call(tool(lambda: "x" * 3_000_000, name="huge"))) < 1_000_100


@dataclasses.dataclass
class Pages:
    pages: list[str]


class Model(BaseModel):
    text: str


LOOP: list[object] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    "output",
    [["x" * 50] * 3, {"a": {"b": "x" * 101}}, Pages(["x" * 101]), Model(text="x" * 101), b"x" * 101, 10**101, LOOP, [0] * 10**6],
)
def test_anything_else_that_is_too_large_is_refused_because_half_of_it_would_be_wrong(output: Any) -> None:
    with pytest.raises(ToolError, match="search returned more than 100 characters of data"):
        bounded(output, 100, "search")


@pytest.mark.parametrize(
    "output", [None, True, 1.5, 10**90, "x" * 100, ["x" * 40] * 2, {"a": [1, 2]}, Pages(["x"]), Model(text="y"), object()]
)
def test_what_fits_is_returned_as_it_is(output: Any) -> None:
    assert bounded(output, 100, "search") is output


@given(
    st.recursive(
        st.text(max_size=20), lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5)
    )
)
def test_no_output_passes_whose_texts_alone_are_longer_than_the_limit(output: Any) -> None:
    def length(value: Any) -> int:
        if isinstance(value, str):
            return len(value)
        return sum(map(length, value)) + (sum(map(length, value.values())) if isinstance(value, dict) else 0)

    try:
        passed = bounded(output, 40, "tool")
    except ToolError:
        return
    assert length(output) <= 40 or (isinstance(output, str) and passed.startswith(output[:40]))
