"""Accuracies at equal cost, on runs whose families and majorities are worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orchestra.evals.matched import curves, family, matched
from orchestra.evals.measured import Measured

from ..made_runs import row, tries

NAMES = "abcdefghij"


def run(label: str, verdicts: dict[str, str], *, method: str | None = None, **costs: int) -> Measured:
    rows = [one for problem, those in verdicts.items() for one in tries(problem, those, **costs)]
    return Measured.of_rows(rows, label=label, benchmark="tiny", method=method or label)


def shares(right: int) -> dict[str, str]:
    return {name: "r" if number < right else "w" for number, name in enumerate(NAMES)}


def test_methods_with_other_numbers_are_one_family() -> None:
    def of(method: str) -> str:
        return str(family(run("run", {"a": "r"}, method=method))[0])

    assert of("short_m:n=8,m=4") == of("short_m:n=16,m=8") != of("asc_events:n=8")
    assert of("fork (first)") != of("fork (all)")
    assert of("short_m:n=8,weight=length") != of("short_m:n=8,weight=entropy")


def test_runs_on_other_models_are_another_family() -> None:
    small, large = run("serial", {"a": "r"}), run("serial", {"a": "r"})
    small.experiment, large.experiment = {"model": "qwen3-4b"}, {"model": "qwen3-8b"}
    assert family(small) != family(large)


def test_between_two_settings_a_family_is_interpolated() -> None:
    runs = [
        run("other", shares(7), work=250),
        run("vote:n=1", shares(2), work=100),
        run("vote:n=4", shares(8), work=400),
    ]
    found = next(one for one in matched(runs, ["work"]) if one.run == "other")
    assert (found.cost, found.other_cost, found.reached) == (250, 250, True)
    assert found.other == pytest.approx(0.5) and found.difference == pytest.approx(0.2)
    assert found.low is not None and found.high is not None and found.low < 0.2 < found.high


def test_a_family_that_cannot_cost_so_much_stands_in_with_its_dearest_and_one_that_is_too_dear_not_at_all() -> None:
    family_of_two = [run("vote:n=1", shares(2), work=100), run("vote:n=4", shares(8), work=400)]
    (found,) = (one for one in matched([run("dear", shares(9), work=900), *family_of_two], ["work"]) if one.run == "dear")
    assert (found.other_cost, found.other, found.reached) == (400, 0.8, False)
    assert not any(one.run == "cheap" for one in matched([run("cheap", shares(9), work=90), *family_of_two], ["work"]))


def test_a_majority_takes_as_many_votes_as_cost_the_same_problem_by_problem() -> None:
    serial = run("serial", {"a": "rrrr", "b": "wwww"}, work=100, span=100)
    policy = run("policy", {"a": "w", "b": "r"}, work=250, span=100)
    (work, span) = (one for one in matched([serial, policy], ["work", "span"]) if one.run == "policy")
    assert work.traces == pytest.approx(2.5) and work.other_cost == pytest.approx(250) and work.reached
    assert work.other == pytest.approx(0.5) and work.difference == 0.0
    assert span.traces == pytest.approx(4) and span.reached


def test_wall_seconds_and_context_are_axes_too_and_a_run_that_does_not_know_its_context_is_left_out() -> None:
    knowing = [one.model_copy(update={"context": 80}) for name in NAMES for one in tries(name, "rrw")]
    serial = Measured.of_rows(knowing, label="serial", benchmark="tiny", method="serial")
    policy = Measured.of_rows([row(name, context=80, wall_seconds=3.0) for name in NAMES], label="p", benchmark="tiny", method="p")
    ignorant = run("ignorant", dict.fromkeys(NAMES, "r"))
    found = matched([serial, policy, ignorant], ["wall", "context"])
    assert {(one.axis, one.run) for one in found} == {("wall", "p"), ("wall", "ignorant"), ("context", "p")}


def test_without_common_problems_nothing_is_matched() -> None:
    assert matched([run("serial", {"a": "rr"}), run("other", {"b": "rr"})], ["work"]) == []


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(["7", "8", None]), st.integers(1, 50)), min_size=1, max_size=6),
)
def test_costs_of_more_votes_never_fall_and_those_of_all_are_exact(made: list[tuple[str | None, int]]) -> None:
    answers = [(answer, answer == "7") for answer, _ in made]
    costs = [float(cost) for _, cost in made]
    right, spent = curves(answers, {"work": costs, "span": costs}, resamples=20)
    assert len(right) == len(made) and all(0 <= share <= 1 for share in right)
    for values in spent.values():
        assert values == sorted(values)
    assert spent["work"][-1] == pytest.approx(sum(costs)) and spent["span"][-1] == pytest.approx(max(costs))
