from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import texts, values

from orchestra.errors import PlanError
from orchestra.plan.formats.dollar_refs import Dollars, write
from orchestra.plan.ref import Ref, Text


def read(value: Any, *exists: str, below: int = 0) -> Any:
    return Dollars(exists, below=below).read(value)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("$2", Ref("2")),
        ("${2}", Ref("2")),
        ("$2.title", Ref("2", ("title",))),
        ("${2.title[0]}", Ref("2", ("title", 0))),
        ("$2[-1]", Ref("2", (-1,))),
        ('$2["first name"]', Ref("2", ("first name",))),
        ("$2['0']", Ref("2", ("0",))),
        ("$capital", Ref("capital")),
        ("${a-b}", Ref("a-b")),
        ("$input.name", Ref("input", ("name",))),
    ],
)
def test_a_whole_argument_is_a_reference_whatever_nodes_exist(text: str, reference: Ref) -> None:
    assert read(text) == read(text, "2") == reference


def test_references_inside_text_make_text_with_parts() -> None:
    assert read("about $1, ${2.title} and $1[0].", "1", "2") == Text(
        ("about ", Ref("1"), ", ", Ref("2", ("title",)), " and ", Ref("1", (0,)), ".")
    )


def test_braces_are_a_reference_even_to_nodes_that_do_not_exist() -> None:
    assert read("x${9}y") == Text(("x", Ref("9"), "y"))


def test_ten_is_not_one_with_a_zero() -> None:
    assert read("$10 and $1", "1", "10") == Text((Ref("10"), " and ", Ref("1")))


def test_a_price_stays_a_price_with_a_warning() -> None:
    dollars = Dollars({"1"}, node="2")
    assert dollars.read("costs $100, see $1") == Text(("costs $100, see ", Ref("1")))
    assert dollars.undecided
    assert [(finding.code, finding.severity, finding.node) for finding in dollars.findings] == [("kept-as-text", "warning", "2")]
    assert "`$$100`" in str(dollars.findings[0])


@pytest.mark.parametrize("text", ["$1.50", "$1,000", "$1,000,000.5", "$1st", "$1_000", "$1k", "pay $1.50", "the $1st"])
def test_amounts_and_words_are_text_even_if_the_node_exists(text: str) -> None:
    dollars = Dollars({"1"})
    assert dollars.read(text) == text
    assert dollars.findings


def test_a_number_below_that_of_its_node_is_a_reference_to_a_node_that_was_forgotten() -> None:
    assert read("about $2", "1", below=3) == Text(("about ", Ref("2")))
    assert read("about $0", "1", below=3) == "about $0"


@pytest.mark.parametrize(
    ("text", "literal"), [("$$5", "$5"), ("$$", "$"), ("$$$$", "$$"), ("$$1 $$ ${1}", None), ("a $ b", "a $ b"), ("$", "$")]
)
def test_two_dollars_are_a_dollar(text: str, literal: str | None) -> None:
    assert read(text, "1", "5") == (literal if literal is not None else Text(("$1 $ ", Ref("1"))))


@pytest.mark.parametrize("text", ["${", "${}", "x ${1", "${a b}", "${1.}", "`${x+1}`", "${1}}${"])
def test_braces_that_hold_no_reference_are_refused(text: str) -> None:
    with pytest.raises(PlanError, match=r"write `\$\{id\}`"):
        read(text)


def test_a_path_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(PlanError, match="path"):
        read("see $1[x]", "1")
    assert read("see $1[x]") == "see $1[x]"


def test_a_word_inside_text_is_text_unless_a_node_is_called_so() -> None:
    assert read("$AAPL rose") == "$AAPL rose"
    with pytest.raises(PlanError, match=r"\$\{AAPL\}"):
        read("$AAPL rose", "AAPL")


def test_references_are_found_at_any_depth_but_not_in_keys() -> None:
    assert read({"$1": [{"a": "$1"}, "$2"]}) == {"$1": [{"a": Ref("1")}, Ref("2")]}


def test_what_is_encoded_already_is_literal() -> None:
    assert read({"a": {"$ref": "1.b"}, "b": {"$text": ["$2 ", {"$ref": "1"}]}, "c": {"$json": {"$ref": "$1"}}}) == {
        "a": Ref("1", ("b",)),
        "b": Text(("$2 ", Ref("1"))),
        "c": {"$ref": "$1"},
    }


@given(values(["1", "2", "a-b", "x"]), st.sets(st.sampled_from(["1", "2", "12", "x"])))
def test_what_is_written_is_read_as_the_same_value_whatever_nodes_exist(value: Any, exists: set[str]) -> None:
    dollars = Dollars(exists, below=5)
    assert repr(dollars.read(write(value))) == repr(value)
    assert not dollars.undecided
    assert dollars.findings == []


@given(texts)
def test_text_without_references_only_loses_doubled_dollars(text: str) -> None:
    try:
        found = read(text)
    except PlanError:
        return
    if isinstance(found, str):
        assert found == text.replace("$$", "$")
