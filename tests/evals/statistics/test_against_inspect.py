"""Errors, intervals and pass@k against inspect_ai's: against its recorded answers always, and against itself where it is installed."""

from __future__ import annotations

import json
from importlib.util import find_spec
from statistics import NormalDist
from typing import Any

import pytest
from orchestra.evals.at_k import pass_at
from orchestra.evals.statistics import accuracy, bootstrap, mean, share_interval
from orchestra.evals.student import quantile

from .inspect_reference import FIXTURE, SIZES, reference, tries_of

RECORDED: dict[str, Any] = json.loads(FIXTURE.read_text())["cases"]
EVEN = [name for name, sizes in SIZES.items() if len(set(sizes)) == 1]


def shares(name: str) -> list[float]:
    return [sum(tries) / len(tries) for tries in RECORDED[name]["tries"]]


@pytest.mark.parametrize("name", SIZES)
def test_mean_and_error_over_problems_are_those_of_inspect_after_its_mean_of_epochs(name: str) -> None:
    theirs, ours = RECORDED[name]["inspect"], mean(shares(name))
    assert ours is not None
    assert ours.value == pytest.approx(theirs["mean of reduced"])
    assert ours.error == pytest.approx(theirs["stderr of reduced"])


@pytest.mark.parametrize("name", EVEN)
def test_with_as_many_tries_at_each_problem_the_error_is_inspects_clustered_one_with_its_finite_cluster_correction(
    name: str,
) -> None:
    theirs, ours = RECORDED[name]["inspect"], mean(shares(name))
    assert ours is not None
    assert ours.value == pytest.approx(theirs["accuracy"])
    assert ours.error == pytest.approx(theirs["clustered stderr"])


@pytest.mark.parametrize("name", ["four tries", "sixteen tries", "two problems", "uneven"])
def test_accuracy_has_that_error_too_where_problems_were_tried_several_times(name: str) -> None:
    ours = accuracy({str(number): list(map(bool, tries)) for number, tries in enumerate(RECORDED[name]["tries"])})
    assert ours is not None
    assert ours.error == pytest.approx(RECORDED[name]["inspect"]["stderr of reduced"])


@pytest.mark.parametrize("name", SIZES)
def test_students_interval_is_inspects(name: str) -> None:
    theirs, ours = RECORDED[name]["inspect"]["t interval of reduced"], mean(shares(name))
    assert ours is not None and ours.error is not None
    half = quantile(0.975, ours.count - 1) * ours.error
    assert (ours.value - half, ours.value + half) == pytest.approx((theirs["lower"], theirs["upper"]))


@pytest.mark.parametrize("name", ["one try", "all right"])
def test_the_interval_of_single_tries_is_inspects_wilson_interval(name: str) -> None:
    theirs, ours = RECORDED[name]["inspect"]["wilson"], share_interval(shares(name))
    assert ours is not None
    assert (ours.low, ours.high) == pytest.approx((theirs["lower"], theirs["upper"]))


@pytest.mark.parametrize("name", ["four tries", "sixteen tries"])
def test_the_bootstrap_is_inspects_cluster_bootstrap_widened_for_few_problems(name: str) -> None:
    theirs, ours = RECORDED[name]["inspect"]["bootstrap interval"], bootstrap(shares(name))
    assert ours is not None
    count = len(shares(name))
    wider = quantile(0.975, count - 1) / NormalDist().inv_cdf(0.975) * (count / (count - 1)) ** 0.5
    assert ours.high - ours.low == pytest.approx(wider * (theirs["upper"] - theirs["lower"]), rel=0.05)


@pytest.mark.parametrize("name", SIZES)
def test_pass_at_k_is_inspects(name: str) -> None:
    case = RECORDED[name]
    assert case["inspect"]["pass_at"]
    for k, values in case["inspect"]["pass_at"].items():
        assert [pass_at(sum(tries), len(tries), int(k)) for tries in case["tries"]] == pytest.approx(values)


def test_the_recorded_inputs_are_those_that_would_be_recorded() -> None:
    assert {name: case["tries"] for name, case in RECORDED.items()} == {name: tries_of(name) for name in SIZES}


@pytest.mark.skipif(find_spec("inspect_ai") is None, reason="inspect_ai is not installed")
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", SIZES)
def test_the_installed_inspect_still_says_what_was_recorded(name: str) -> None:
    now, then = reference(tries_of(name)), RECORDED[name]["inspect"]
    for interval in (now.pop("bootstrap interval"), then.pop("bootstrap interval")):  # drawn anew each time
        assert interval["lower"] <= now["accuracy"] <= interval["upper"]
    assert _flat(now) == pytest.approx(_flat(then))


def _flat(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for key in sorted(value) for number in _flat(value[key])]
    if isinstance(value, list):
        return [number for one in value for number in _flat(one)]
    return [] if value is None else [float(value)]
