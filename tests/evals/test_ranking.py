"""Areas under the ROC curve, against cases worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra.evals.ranking import auroc, pooled_auroc, problem_rates, within_problem_auroc


def test_area_is_the_share_of_pairs_in_the_right_order() -> None:
    # Positives 0.9 and 0.4, negatives 0.6 and 0.1: of four pairs, only 0.4 against 0.6 is the wrong way round.
    assert auroc([0.9, 0.6, 0.4, 0.1], [True, False, True, False]) == 0.75


def test_ties_count_half() -> None:
    assert auroc([0.5, 0.5], [True, False]) == 0.5
    # Positive 0.5 ties with one of two negatives and beats the other.
    assert auroc([0.5, 0.5, 0.2], [True, False, False]) == 0.75


def test_one_class_alone_has_no_area() -> None:
    assert auroc([0.1, 0.9], [True, True]) is None
    assert pooled_auroc([], []) is None
    assert within_problem_auroc([0.1, 0.9], [True, False], ["a", "b"]) is None


def test_each_problem_counts_once_and_those_with_one_class_not_at_all() -> None:
    scores = [0.9, 0.1, 0.1, 0.9, 0.5, 0.5, 0.5, 0.3]
    labels = [True, False, True, False, False, False, True, True]
    problems = ["right"] * 2 + ["wrong"] * 4 + ["easy"] * 2
    ranked = within_problem_auroc(scores, labels, problems)
    assert ranked is not None
    assert (ranked.value, ranked.count) == (0.5, 2)  # 1 and 0
    assert ranked.error == pytest.approx(0.5)  # standard deviation of (1, 0) is 1/√2, over √2


def test_knowing_only_the_problem_looks_good_pooled_and_is_worth_nothing_inside() -> None:
    labels = [True, True, True, False] + [False, False, False, True]
    problems = ["easy"] * 4 + ["hard"] * 4
    rates = problem_rates(labels, problems)
    assert rates == [0.75] * 4 + [0.25] * 4
    # 3 × 3 pairs won, 3 + 3 tied, 1 × 1 lost, of 16.
    assert pooled_auroc(rates, labels) == pytest.approx((9 + 3) / 16)
    within = within_problem_auroc(rates, labels, problems)
    assert within is not None and within.value == 0.5


def test_scores_without_order_or_partner_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        auroc([float("nan"), 0.0], [True, False])
    with pytest.raises(ValueError, match="2 scores and 1 labels"):
        auroc([0.0, 1.0], [True])
    with pytest.raises(ValueError, match="a label and a problem"):
        within_problem_auroc([0.0, 1.0], [True, False], ["a"])


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=30))
def test_area_equals_the_count_over_all_pairs(items: list[tuple[int, bool]]) -> None:
    positives = [score for score, label in items if label]
    negatives = [score for score, label in items if not label]
    found = auroc([score for score, _ in items], [label for _, label in items])
    if not positives or not negatives:
        assert found is None
        return
    wins = sum((p > n) + 0.5 * (p == n) for p in positives for n in negatives)
    assert found == pytest.approx(wins / (len(positives) * len(negatives)))
