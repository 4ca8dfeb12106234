"""A plan's parts against the question's: parentheses, several answers, attributes and numbers as often as they are said."""

from __future__ import annotations

from itertools import islice

import pytest
from orchestra.training.planner.card import card
from orchestra.training.planner.grammar import SPLITS, Split
from orchestra.training.planner.task import tasks

from orchestra.plan.formats.llmcompiler import LLMCompiler
from orchestra.tools.facts import FactTable, fact_tools
from orchestra.tools.facts.mentions import Mentions
from orchestra.tools.facts.names import Names
from orchestra.tools.facts.parts import Group, groups
from orchestra.tools.facts.question import Question
from orchestra.tools.tool import ToolSet

PEOPLE = ("Ada", "Bob", "Cleo", "Dan")
TABLE = FactTable(
    [
        *((name, attribute, 10 + place) for place, name in enumerate(PEOPLE) for attribute in ("age", "height", "depth")),
        *((name, "boss", "Bob") for name in PEOPLE),
    ]
)
NAMES = Names(TABLE, card().vocabulary)
SPECS = ToolSet(fact_tools(TABLE)).specs


def misfit(text: str, *lines: str) -> str | None:
    numbered = "\n".join(f"{number}. {line}" for number, line in enumerate(lines, start=1))
    parsed = LLMCompiler().parse(numbered, SPECS)
    assert not parsed.findings
    return Question(text, NAMES).misfit(parsed.plan)


def age(name: str) -> str:
    return f'lookup("{name}", "age")'


AGES = [age(name) for name in PEOPLE]
OLDEST = 'argmax(["Ada", "Bob"], [$1, $2])'
TWO_ANSWERS = "Find (the oldest of Ada and Bob) and (the height of Cleo)."
NESTED = "What is (twice (the difference between the age of Ada and 7)) minus the age of Bob?"


def test_parentheses_may_stand_in_one_another() -> None:
    assert groups("a (b (c)) (d) ) (") == [Group(5, 7), Group(2, 8), Group(10, 12)]


def test_what_stands_in_parentheses_is_one_part_of_the_plan() -> None:
    right = (AGES[0], "difference($1, 7)", "multiply($2, 2)", AGES[1], "subtract($3, $4)", "join($5)")
    assert misfit(NESTED, *right) is None
    wrong = (AGES[0], "multiply($1, 2)", "difference($2, 7)", AGES[1], "subtract($3, $4)", "join($5)")
    assert misfit(NESTED, *wrong) == (
        "it does not take as one what stands in parentheses: (the difference between the age of Ada and 7)"
    )


def test_words_in_parentheses_are_used_there() -> None:
    text = "What is the smallest number among (the average age of Ada and Bob) and (the total age of Cleo and Dan)?"
    right = (*AGES, "mean([$1, $2])", "add([$3, $4])", "smallest([$5, $6])", "join($7)")
    assert misfit(text, *right) is None
    swapped = (*AGES, "add([$1, $2])", "mean([$3, $4])", "smallest([$5, $6])", "join($7)")
    assert misfit(text, *swapped) == (
        "it reads otherwise than it is written what stands in parentheses: (the average age of Ada and Bob)"
    )


def test_a_list_may_stand_in_parentheses() -> None:
    text = "What is the average age of (Ada, Bob and Cleo)?"
    assert misfit(text, *AGES[:3], "mean([$1, $2, $3])", "join($4)") is None


@pytest.mark.parametrize("more", ["height", "age"])
def test_the_best_of_several_is_an_answer_by_itself(more: str) -> None:
    assert misfit(TWO_ANSWERS, *AGES[:2], OLDEST, 'lookup("Cleo", "height")', "join([$3, $4])") is None
    asked = (*AGES[:2], OLDEST, f'lookup($3, "{more}")', 'lookup("Cleo", "height")', "join([$4, $5])")
    assert misfit(TWO_ANSWERS, *asked) is not None


def test_several_answers_may_share_an_attribute_that_is_said_of_several() -> None:
    text = "What are the ages of Ada and Bob, and the height of Cleo?"
    assert misfit(text, *AGES[:2], 'lookup("Cleo", "height")', "join([$1, $2, $3])") is None


@pytest.mark.parametrize(
    "text", ["Give me the name of the boss of the oldest of Ada and Bob.", "Name the boss of the oldest of Ada and Bob."]
)
def test_a_name_that_is_asked_for_is_no_number(text: str) -> None:
    plan = (*AGES[:2], OLDEST, 'related($3, "boss")')
    assert misfit(text, *plan, "join($4)") is None
    assert misfit(text, *plan, 'lookup($4, "age")', "join($5)") is not None


def test_a_superlative_before_an_attribute_asks_for_that_attribute() -> None:
    text = "Who is the boss of the one of Ada and Bob with the highest age?"
    assert list(Mentions(text, NAMES).attributes["height"]) == []
    assert len(Mentions("Who is higher, Ada or Bob, by height?", NAMES).attributes["height"]) == 2


def test_the_smallest_of_several_is_not_found_by_another_attribute() -> None:
    text = "What is the depth of the oldest of Ada and Bob?"
    depths = [f'lookup("{name}", "depth")' for name in PEOPLE[:2]]
    assert misfit(text, *depths, "largest([$1, $2])", "join($3)") == "it makes nothing of the word 'oldest'"


def test_numbers_are_used_as_often_as_they_are_said() -> None:
    text = "Take the age of Ada divided by 2. Divide it by 2. What do you get?"
    assert misfit(text, AGES[0], "divide($1, 2)", "divide($2, 2)", "join($3)") is None
    assert misfit(text, AGES[0], "divide($1, 2)", "join($2)") == "it uses the number 2 1 times, which the question says 2 times"
    things = "Give me two things: the age of Ada and twice the age of Bob."
    assert misfit(things, *AGES[:2], "multiply($2, 2)", "join([$1, $3])") is None


@pytest.mark.parametrize("split", SPLITS)
def test_right_plans_of_generated_questions_fit(split: Split) -> None:
    for task in islice(tasks(split, seed=5), 40):
        table = FactTable(task.facts)
        plan = LLMCompiler().parse(task.plan, ToolSet(fact_tools(table)).specs).plan
        assert Question(task.task, Names(table, card().vocabulary)).misfit(plan) is None
