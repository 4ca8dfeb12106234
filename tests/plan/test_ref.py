"""References: written, read again, and replaced by outputs exactly once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.errors import PlanError
from orchestra.plan.ref import OMIT, Missing, Ref, Text, as_text, decode, encode, follow, refs, resolve, substitute

words = st.text(max_size=6) | st.sampled_from(["$ref", "$text", "$json", "$1", "1", "007", "a.b", ""])
steps = words | st.integers(-(10**20), 10**20)
references = st.builds(Ref, words.filter(bool), st.lists(steps, max_size=3).map(tuple))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words
json_values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3))
values = st.recursive(
    scalars | references | st.builds(Text, st.lists(words | references, max_size=4).map(tuple)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
)


@given(values)
@settings(deadline=None)
def test_every_value_survives_being_written_as_json_and_read_again(value: Any) -> None:
    assert decode(json.loads(json.dumps(encode(value)))) == value


@given(json_values)
@settings(deadline=None)
def test_data_without_references_is_never_read_as_one(data: Any) -> None:
    assert not list(refs(decode(encode(data))))


@given(values, json_values)
@settings(deadline=None)
def test_outputs_take_the_place_of_references_and_are_not_looked_into(value: Any, output: Any) -> None:
    hostile = {"$ref": "secret", "text": "$1 ${1} {1} $ref", "data": output}
    asked: list[Ref] = []

    def output_of(ref: Ref) -> Any:
        asked.append(ref)
        return hostile

    resolved = resolve(value, output_of)
    assert asked == list(refs(value))  # once each, and none that came out of an output
    if isinstance(value, Ref):
        assert resolved is hostile
    if isinstance(value, Text):
        assert resolved == "".join(part if isinstance(part, str) else as_text(hostile) for part in value.parts)


def test_a_reference_inside_an_output_stays_what_it_was() -> None:
    outputs = {"1": "please pay $2 now", "2": "SECRET"}
    text = Text((Ref("1"), " and $2"))
    assert resolve(text, lambda ref: outputs[ref.node]) == "please pay $2 now and $2"
    assert resolve(Ref("1"), lambda ref: Ref("2")) == Ref("2")


@pytest.mark.parametrize(
    "target",
    [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        [],
        [""],
        [1],
        ["a", None],
        ["a", True],
        ["a", 1.5],
        ["a", ["b"]],
        None,
        1,
        1.5,
        True,
        {},
        {"$ref": "a"},
    ],
)
def test_a_malformed_reference_is_refused_with_its_value(target: Any) -> None:
    with pytest.raises(PlanError, match=r"\$ref"):
        decode({"$ref": target})


@pytest.mark.parametrize("parts", ["a", None, {"$ref": "1"}, [1], [None], [["a"]], [{"$text": ["a"]}], [{"a": 1}]])
def test_text_holds_only_strings_and_references(parts: Any) -> None:
    with pytest.raises(PlanError, match=r"\$text"):
        decode({"$text": parts})


@pytest.mark.parametrize("value", [{"$ref": "1", "default": 2}, {"$text": ["a"], "x": 1}, {"$json": 1}, {"$ref": "1", "$text": []}])
def test_a_reference_with_more_beside_it_is_refused_rather_than_passed_on_as_data(value: Any) -> None:
    with pytest.raises(PlanError, match=r"\$json"):
        decode([value])


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), "\ud800", {"\udfff": 1}, {1: 2}, {"$ref": "\ud800"}, b"a", {1, 2}, object(), ("a",)]
)
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(PlanError):
        decode({"a": [value]})


def test_nesting_without_end_is_refused_before_the_stack_is() -> None:
    deep: Any = "bottom"
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(PlanError, match="nested"):
        decode(deep)
    circular: dict[str, Any] = {}
    circular["$text"] = [circular]
    with pytest.raises(PlanError):
        decode(circular)


PAGES = {"pages": [{"title": "first", "1": "one"}], "n": 2}


@pytest.mark.parametrize(
    ("path", "expected"),
    [((), PAGES), (("n",), 2), (("pages", 0, "title"), "first"), (("pages", "0", "1"), "one"), (("pages", -1, 1), "one")],
)
def test_a_path_leads_to_keys_and_indices_however_they_are_written(path: tuple[str | int, ...], expected: Any) -> None:
    assert follow(Ref("a", path), PAGES) == expected


@pytest.mark.parametrize(
    "path", [("x",), (9,), ("items",), ("__class__",), ("n", "real"), ("n", 0), ("pages", 1), ("pages", "append"), ("",)]
)
def test_a_path_that_leads_nowhere_is_an_error_that_says_so(path: tuple[str | int, ...]) -> None:
    with pytest.raises(Missing, match="the output of a has no"):
        follow(Ref("a", path), PAGES)


@given(values)
@settings(deadline=None)
def test_replacing_references_by_themselves_changes_nothing(value: Any) -> None:
    assert substitute(value, lambda ref: ref) == value


def test_a_reference_that_is_left_out_leaves_no_hole() -> None:
    value = {"gone": Ref("1"), "kept": [Ref("1"), Ref("2")], "text": Text(("a", Ref("1"), "b"))}
    kept = substitute(value, lambda ref: OMIT if ref.node == "1" else ref)
    assert kept == {"kept": [Ref("2")], "text": Text(("a", "", "b"))}


def test_text_cannot_take_a_list_with_references() -> None:
    with pytest.raises(PlanError, match="text cannot hold"):
        substitute(Text((Ref("1"),)), lambda ref: [Ref("2")])


@pytest.mark.parametrize("output", [{(1, 2): 3}, float("nan"), object, {"a": {1, 2}}])
def test_any_output_can_be_written_into_text(output: Any) -> None:
    assert isinstance(as_text(output), str)
