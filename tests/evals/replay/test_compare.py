"""From replays to numbers: matched budgets by hand, and what a report says."""

from __future__ import annotations

import pytest
from orchestra.evals.replay.compare import curve_of, match, report_of
from orchestra.evals.replay.resample import Majority, Resampling, run
from orchestra.evals.replay.results import Report

from orchestra.sample.policies.adaptive import asc_events, self_consistency
from orchestra.sample.pool import Pool

from .made import problem, random_pool, trace

MAJORITY = Majority(right=[bytes([0, 1]), bytes([1, 1]), bytes([1, 0])], work=[10, 20, 40], span=[10, 15, 15], seconds=[10, 15, 15])


def test_a_cost_between_two_majorities_is_interpolated() -> None:
    found = match(25, MAJORITY.work)
    assert (found.traces, found.reached) == (2.25, True)
    assert found.of(MAJORITY) == [1.0, 0.75]


@pytest.mark.parametrize(("cost", "traces", "reached"), [(5, 1, False), (10, 1, True), (40, 3, True), (50, 3, False)])
def test_a_cost_that_no_majority_has_is_matched_by_the_nearest_and_marked(cost: float, traces: float, reached: bool) -> None:
    found = match(cost, MAJORITY.work)
    assert (found.traces, found.reached) == (traces, reached)
    assert found.of(MAJORITY) == list(MAJORITY.right[int(traces) - 1])


def test_of_majorities_with_the_same_span_the_largest_is_matched() -> None:
    assert match(15, MAJORITY.span).traces == 3


def test_the_curve_ends_with_the_traces_that_every_problem_has() -> None:
    shallow = Majority(right=[bytes([1, 1])] * 2, work=[8, 16], span=[8, 9], seconds=[8, 9])
    assert [(point.traces, point.accuracy.value, point.tokens) for point in curve_of([MAJORITY, shallow])] == [
        (1, 0.75, 9),
        (2, 1.0, 18),
    ]


def report(pool: Pool, *names: str, resamples: int = 20) -> Report:
    known = {"sc8": self_consistency(8), "sc4": self_consistency(4), "asc8": asc_events(8)}
    resampling = Resampling(pool=pool, policies=[known[name] for name in names], resamples=resamples)
    return report_of(resampling, names, run(resampling))


def test_self_consistency_is_the_majority_at_its_own_price() -> None:
    # Costs are matched in the mean over resamples, so this is exact only where every trace costs the same.
    even = Pool("even", [problem(f"p{p}", *(trace(50, "7" if t % 3 else "1") for t in range(10 + p))) for p in range(3)])
    found = report(even, "sc8", "sc4").rows[1]
    assert found.at_tokens.traces == 4
    assert (found.at_tokens.difference.value, found.at_tokens.difference.low, found.at_tokens.difference.high) == (0, 0, 0)
    assert found.tokens_share == 0.5


def test_the_baseline_has_no_difference_to_itself_and_shares_of_one() -> None:
    base, other = report(random_pool(), "sc8", "asc8").rows
    assert base.difference is None and (base.tokens_share, base.span_share) == (1, 1)
    assert other.difference is not None and other.tokens_share < 1


def test_tokens_are_those_kept_and_those_given_up() -> None:
    row = report(random_pool(), "sc8", "asc8").rows[1]
    assert row.tokens.value == pytest.approx(row.counts["kept"] + row.counts["aborted"])
    assert row.counts["launched"] == 8 > row.counts["finished"]


def test_each_set_has_its_own_numbers_and_they_add_up() -> None:
    found = report(random_pool(problems=6, groups=2), "sc8", "asc8")
    assert found.groups == {"set0": 3, "set1": 3}
    row = found.rows[1]
    assert sum(group.accuracy.value for group in row.groups.values()) / 2 == pytest.approx(row.accuracy.value)
    assert sum(group.tokens.value for group in row.groups.values()) / 2 == pytest.approx(row.tokens.value)


def test_one_problem_and_one_resample_still_make_a_report() -> None:
    found = report(random_pool(problems=1), "sc8", "asc8", resamples=1)
    assert found.rows[0].tokens.error is None
    assert Report.model_validate_json(found.model_dump_json()) == found


def test_unreadable_answers_everywhere_are_wrong_everywhere() -> None:
    pool = Pool("blank", [problem("p", *(trace(5, None) for _ in range(9)))])
    assert [row.accuracy.value for row in report(pool, "sc8", "asc8").rows] == [0, 0]
