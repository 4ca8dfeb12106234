"""Task graphs as they come in, and the judge of plans."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from orchestra.errors import ProblemError
from orchestra.plan.task_graph import load_task_graph, validate

QUESTION: dict[str, Any] = {
    "rules": [
        {"id": 0, "source": ["A"], "target": ["B"], "time": 3, "cost": 1},
        {"id": 1, "source": ["A"], "target": ["C"], "time": 5, "cost": 2},
        {"id": 2, "source": ["C", "B"], "target": ["D"], "time": 2, "cost": 1},
        {"id": 3, "source": ["B"], "target": ["D"], "time": 9, "cost": 1},
    ],
    "initial_source": ["A"],
    "target": "D",
}
GRAPH = load_task_graph(QUESTION)


def with_rule(**changes: object) -> dict[str, Any]:
    return {**QUESTION, "rules": [*QUESTION["rules"][:3], {**QUESTION["rules"][3], **changes}]}


def subtask(name: str, source: str, target: str, *dependencies: str, **more: object) -> dict[str, Any]:
    return {"name": name, "source": list(source), "target": [target], "dependencies": list(dependencies), **more}


PLAN = [subtask("b", "A", "B"), subtask("c", "A", "C"), subtask("d", "BC", "D", "b", "c")]


def test_a_question_keeps_its_form_through_json() -> None:
    assert json.loads(GRAPH.model_dump_json()) == QUESTION
    assert load_task_graph(json.dumps(QUESTION)) == load_task_graph(json.dumps(QUESTION).encode()) == GRAPH


def test_times_and_costs_may_be_decimal_and_ids_text() -> None:
    rule = load_task_graph(with_rule(id="slow", time=0.5, cost=0)).rules[3]
    assert (rule.id, rule.time, rule.cost) == ("slow", 0.5, 0)


@pytest.mark.parametrize("field", ["time", "cost"])
@pytest.mark.parametrize("value", [-1, -0.5, math.nan, math.inf, -math.inf, 1e300, 10**16, True, "3", None, [1]])
def test_what_is_no_finite_amount_is_refused_with_its_rule_and_field(field: str, value: object) -> None:
    with pytest.raises(ProblemError) as caught:
        load_task_graph(with_rule(**{field: value}))
    assert f"rule 3 (rules[3]): {field}: must be a number" in str(caught.value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": True}, "rule True (rules[3]): id: must be a whole number or a text, got True"),
        ({"id": 2}, "several rules have the id 2"),
        ({"source": "B"}, "rule 3 (rules[3]): source: Input should be a valid list, got 'B'"),
        ({"source": [7]}, "rule 3 (rules[3]): source: 0: Input should be a valid string, got 7"),
        ({"target": ["D", "E"]}, "rule 3 (rules[3]): target: one rule makes one item, got 2: ['D', 'E']"),
        ({"target": []}, "one rule makes one item, got 0"),
    ],
)
def test_malformed_rules_are_refused_with_rule_field_and_value(change: dict[str, object], message: str) -> None:
    with pytest.raises(ProblemError) as caught:
        load_task_graph(with_rule(**change))
    assert message in str(caught.value)


def test_every_mistake_is_listed_at_once() -> None:
    with pytest.raises(ProblemError) as caught:
        load_task_graph({"rules": [{"id": 5, "source": ["A"], "target": "B", "time": -1}, 3], "initial_source": ["A"]})
    for mistake in (
        "rule 5 (rules[0]): time: ",
        "rule 5 (rules[0]): cost: Field required",
        "rules[1]: must be an object",
        "target: ",
    ):
        assert mistake in str(caught.value)


@pytest.mark.parametrize("data", ["{", "[" * 100_000, b"\xff", "[]", "null", '{"rules": 1}', '"text"'])
def test_text_that_is_no_task_graph_is_refused(data: str | bytes) -> None:
    with pytest.raises(ProblemError, match="task graph"):
        load_task_graph(data)


def test_a_plan_ends_when_its_target_is_there_and_costs_all_its_rules() -> None:
    assert validate(GRAPH, PLAN) == (7, 4)
    assert validate(GRAPH, [subtask("b", "A", "B"), subtask("d", "B", "D", "b")]) == (12, 2)


def test_the_order_of_sources_and_of_subtasks_does_not_matter() -> None:
    assert validate(GRAPH, [subtask("d", "CB", "D", "c", "b"), subtask("c", "A", "C"), subtask("b", "A", "B")]) == (7, 4)


def test_of_two_ways_to_an_item_the_earlier_counts_and_both_are_paid() -> None:
    assert validate(GRAPH, [*PLAN, subtask("again", "B", "D", "b")]) == (7, 5)


def test_a_dependency_that_is_no_source_orders_and_does_not_delay() -> None:
    assert validate(GRAPH, [subtask("c", "A", "C"), subtask("b", "A", "B", "c"), subtask("d", "B", "D", "b")]) == (12, 4)


def test_decimal_times_add_up_as_written() -> None:
    rules = [
        {"id": 0, "source": ["A"], "target": ["B"], "time": 0.1, "cost": 0.1},
        {"id": 1, "source": ["B"], "target": ["D"], "time": 0.2, "cost": 0.2},
    ]
    plan = [subtask("b", "A", "B"), subtask("d", "B", "D", "b")]
    assert validate(load_task_graph({**QUESTION, "rules": rules}), plan) == (0.3, 0.3)


def test_a_subtask_that_fits_several_rules_is_the_first_unless_it_names_one() -> None:
    graph = load_task_graph(
        {**QUESTION, "rules": [*QUESTION["rules"], {**QUESTION["rules"][3], "id": "quick", "time": 1, "cost": 8}]}
    )
    plan = [subtask("b", "A", "B"), subtask("d", "B", "D", "b")]
    assert validate(graph, plan) == (12, 2)
    assert validate(graph, [plan[0], {**plan[1], "rule": "quick"}]) == (4, 9)


def test_a_target_that_is_there_at_the_start_needs_no_plan() -> None:
    assert validate(load_task_graph({**QUESTION, "target": "A"}), []) == (0, 0)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ([], "does not make its target 'D'"),
        (PLAN[:2], "does not make its target 'D'"),
        ([subtask("x", "AB", "D")], "'x': no rule makes 'D' from ['A', 'B']"),
        ([subtask("x", "A", "B", rule=1)], "'x': rule 1 is not the one that makes 'B' from ['A']"),
        ([subtask("d", "B", "D"), subtask("b", "A", "B")], "'d' needs 'B', which nothing has made before it"),
        ([subtask("b", "A", "B", "z")], "'b' depends on 'z', which is no subtask of this plan"),
        ([subtask("b", "A", "B"), subtask("b", "A", "C")], "several subtasks are called 'b'"),
        ([subtask("b", "A", "B", "c"), subtask("c", "A", "C", "b")], "these subtasks wait for each other: 'b', 'c'"),
        ([{"name": "b", "source": ["A"], "target": ["B"]}], "is no subtask: dependencies: Field required"),
    ],
)
def test_a_plan_that_fails_is_refused_with_the_reason(plan: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ProblemError) as caught:
        validate(GRAPH, plan)
    assert message in str(caught.value)
