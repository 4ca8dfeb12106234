"""Questions put more simply, and the plans that come back."""

from __future__ import annotations

import pytest
from orchestra.training.planner.card import card

from orchestra.agent.facts_planner import lifted
from orchestra.tools.facts import FactTable, fact_tools
from orchestra.tools.facts.disguise import Disguise
from orchestra.tools.facts.mentions import Mentions
from orchestra.tools.facts.names import Names
from orchestra.tools.facts.operators import Operators
from orchestra.tools.tool import ToolSet

PEOPLE = ("Ada", "Bob", "Cleo", "Dan", "Eve", "Finn", "Gus")
TABLE = FactTable([(name, "salary", 10 + place) for place, name in enumerate(PEOPLE)] + [("Ada", "boss", "Bob")])
NAMES = Names(TABLE, card().vocabulary)
SPECS = ToolSet(fact_tools(TABLE)).specs


@pytest.mark.parametrize("seed", range(4))
def test_no_name_of_the_question_is_left(seed: int) -> None:
    disguise = Disguise("Is the salary of Ada less than the salary of Bob?", NAMES, seed=seed)
    assert "Ada" not in disguise.text and "Bob" not in disguise.text and disguise.folds == 0


@pytest.mark.parametrize("owner", ["the boss of Ada", "Ada's boss"])
def test_a_relation_of_a_name_becomes_a_name_and_comes_back_as_a_call(owner: str) -> None:
    disguise = Disguise(f"What is the salary of {owner}?", NAMES, seed=0)
    (name,) = disguise.text.removeprefix("What is the salary of ").removesuffix("?").split()
    plan = lifted(f'1. lookup("{name}", "salary")\n2. join($1)', disguise, SPECS)
    assert plan == '1. related("Ada", "boss")\n2. lookup($1, "salary")\n3. join($2)'


def test_an_item_that_was_left_out_of_a_list_comes_back_in_its_place() -> None:
    disguise = Disguise("What is the average salary of Ada, Bob, Cleo, Dan, Eve, Finn and Gus?", NAMES, seed=0)
    names = disguise.text.removeprefix("What is the average salary of ").removesuffix("?").replace(" and", ",").split(", ")
    assert len(names) == 6
    calls = "\n".join(f'{number}. lookup("{name}", "salary")' for number, name in enumerate(names, 1))
    plan = lifted(f"{calls}\n7. mean([$1, $2, $3, $4, $5, $6])\n8. join($7)", disguise, SPECS)
    assert plan.splitlines()[:7] == [f'{number}. lookup("{name}", "salary")' for number, name in enumerate(PEOPLE, 1)]
    assert plan.endswith("8. mean([$1, $2, $3, $4, $5, $6, $7])\n9. join($8)")


def test_the_best_of_a_list_becomes_a_name_unless_it_is_all_that_is_asked() -> None:
    asked = "What is the salary of the one of Ada and Bob with the highest salary?"
    assert Disguise(asked, NAMES, seed=0).folds == 1 and Disguise(asked, NAMES, seed=0, fold="relations").folds == 0
    assert Disguise("Name the one of Ada and Bob with the highest salary.", NAMES, seed=0).folds == 0


@pytest.mark.parametrize(
    "asked",
    [
        "Find (the one of Ada and Bob with the highest salary) and Cleo's boss.",
        "Find (the one of Ada and Bob with the highest salary) and (the boss of Cleo).",
        "What is the boss of Ada, and what is the boss of Cleo?",
        "Tell me the boss of Ada, then the boss of Bob, then the boss of Cleo.",
        "Give me the name of the boss of Ada.",
        "Who or what is Ada's boss?",
    ],
)
def test_what_is_an_answer_of_its_own_does_not_become_a_name(asked: str) -> None:
    assert Disguise(asked, NAMES, seed=0).folds == 0


@pytest.mark.parametrize(
    ("asked", "folds"),
    [
        ("What is the average salary of Ada, the boss of Bob and Cleo's boss?", 2),
        ("Which of Ada, (the one of Bob and Cleo with the highest salary) and Dan has the least salary?", 2),
        ("Is the boss of Ada older than Bob?", 1),
        ("How old is Ada's boss's boss?", 2),
        ("Find the salary of the boss of Ada, (the one of Bob and Cleo with the highest salary) and the boss of Dan.", 1),
    ],
)
def test_what_something_is_asked_of_becomes_a_name(asked: str, folds: int) -> None:
    assert Disguise(asked, NAMES, seed=0).folds == folds


@pytest.mark.parametrize(
    ("asked", "spelled_out"),
    [
        ("What is twice the salary of Ada plus 100?", "What is (twice the salary of Ada) plus 100?"),
        ("What is 3 times Ada's salary plus 100?", "What is (3 times Ada's salary) plus 100?"),
        ("Find one half of the salary of Ada minus that of Bob.", "Find (one half of the salary of Ada) minus that of Bob."),
        ("What's Ada's salary times 2 plus 3?", "What's (Ada's salary times 2) plus 3?"),
        ("What is Ada's salary plus 2 times 3?", "What is Ada's salary plus 2 times 3?"),
        ("What is (twice the salary of Ada) plus 100?", "What is (twice the salary of Ada) plus 100?"),
        ("Is twice Ada's salary more than Bob's salary plus 3?", "Is twice Ada's salary more than Bob's salary plus 3?"),
    ],
)
def test_operators_that_apply_from_left_to_right_get_parentheses(asked: str, spelled_out: str) -> None:
    assert Operators(Mentions(asked, NAMES)).parenthesized() == spelled_out


def test_what_is_no_plan_stays_as_it_is() -> None:
    assert lifted("I cannot", Disguise("What is Ada's salary?", NAMES, seed=0), SPECS) == "I cannot"
