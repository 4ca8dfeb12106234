"""Tools in a few words, whatever schema a foreign server sends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.plan.tool_spec import ToolSpec
from orchestra.tools.wording import type_text, usage


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string"}, "string"),
        ({"type": "string", "format": "date"}, "string (date)"),
        ({"type": "array", "items": {"type": "integer"}}, "list of integer"),
        ({"type": "array"}, "array"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer | null"),
        ({"type": ["integer", "null"]}, "integer | null"),
        ({"$ref": "#/$defs/Place"}, "Place"),
        ({"enum": list(range(100))}, "0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | …"),
        ({"const": "a"}, "'a'"),
        (True, "any"),
    ],
)
def test_a_schema_is_put_into_a_few_words(schema: Any, text: str) -> None:
    assert type_text(schema) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "items", "enum", "anyOf", "$ref", "default", "x"]), inner)
    ),
)


@given(JSON, JSON)
def test_no_schema_is_too_odd(properties: Any, required: Any) -> None:
    assert usage(ToolSpec(name="odd", parameters={"properties": properties, "required": required})).startswith("odd(")


def test_optional_arguments_are_marked_by_their_default_or_as_optional() -> None:
    parameters = {"properties": {"a": {"type": "string"}, "b": {"type": "integer", "default": 3}, "c": {}}, "required": ["a"]}
    assert usage(ToolSpec(name="search", parameters=parameters)) == "search(a: string, b: integer = 3, c: any (optional))"
