"""Sums that are asked for by "together", said as a small planner knows them."""

from __future__ import annotations

import pytest
from orchestra.training.planner.card import card

from orchestra.tools.facts import FactTable
from orchestra.tools.facts.disguise import Disguise
from orchestra.tools.facts.mentions import Mentions
from orchestra.tools.facts.names import Names
from orchestra.tools.facts.together import hint, in_total

PEOPLE = ("Ada", "Bob", "Cleo")
NAMES = Names(
    FactTable([(name, what, place) for place, name in enumerate(PEOPLE, 1) for what in ("age", "salary")]), card().vocabulary
)


def said(text: str) -> str:
    return in_total(text, PEOPLE, {"age": "age", "salary": "salary"}, NAMES.vocabulary)


@pytest.mark.parametrize(
    ("asked", "instead"),
    [
        ("How old are Ada and Bob together?", "What is the total age of Ada and Bob?"),
        ("How old are Ada, Bob and Cleo together?", "What is the total age of Ada, Bob and Cleo?"),
        ("How old are Ada and Bob and Cleo combined?", "What is the total age of Ada, Bob and Cleo?"),
        ("What are the salaries of Ada, Bob, and Cleo in total?", "What is the total salary of Ada, Bob and Cleo?"),
        ("Is Ada older than Bob and Cleo together?", "Is Ada older than the total age of Bob and Cleo?"),
        ("How much older is Ada than Bob and Cleo together?", "How much older is Ada than the total age of Bob and Cleo?"),
        ("So, how old are the Ada and Bob all together?", "So, what is the total age of the Ada and Bob?"),
    ],
)
def test_together_is_said_as_the_total(asked: str, instead: str) -> None:
    assert said(asked) == instead


@pytest.mark.parametrize(
    "asked",
    [
        "What are the ages of Ada and Bob?",
        "How old are Ada and Dan together?",
        "How good are Ada and Bob together?",
        "Together, how old are Ada and Bob?",
        "Which is older, Ada or Bob and Cleo together?",
    ],
)
def test_what_is_said_otherwise_or_of_others_stays(asked: str) -> None:
    assert said(asked) == asked


@pytest.mark.parametrize("fold", ["names", "relations", "all"])
def test_a_question_that_is_put_more_simply_asks_for_the_total(fold: str) -> None:
    disguise = Disguise("How old are Ada, Bob and Cleo together?", NAMES, seed=0, fold=fold)  # type: ignore[arg-type]
    assert disguise.text.startswith("What is the total age of ") and disguise.folds == 1


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("Together, how old are Ada, Bob and Cleo?", 'For a sum ask as in "What is the total age of Ada, Bob and Cleo?"'),
        ("Which is older, Ada or Bob and Cleo together?", 'For a sum ask for "the total length of A, B and C", or of what else'),
        ("How old are Ada and Bob?", ""),
    ],
)
def test_a_refusal_shows_how_to_ask_for_a_sum(asked: str, words: str) -> None:
    assert (hint(Mentions(asked, NAMES)) or "").startswith(words)
