"""Macro-F1 on counts that are worked out by hand."""

from __future__ import annotations

from collections import Counter

import pytest
from orchestra.evals.classes import Pair, macro_f1, macro_f1_of


def test_macro_f1_is_the_mean_of_the_classes() -> None:
    pairs = Counter({("yes", "yes"): 3, ("yes", "no"): 1, ("no", "no"): 2, ("no", "yes"): 2})
    assert macro_f1(pairs) == pytest.approx((2 * 3 / (4 + 5) + 2 * 2 / (4 + 3)) / 2)


def test_always_saying_the_frequent_class_is_accurate_and_has_a_poor_f1() -> None:
    assert macro_f1(Counter({("yes", "yes"): 9, ("no", "yes"): 1})) == pytest.approx(18 / 19 / 2)


def test_no_answer_is_a_miss_and_no_class_of_its_own() -> None:
    assert macro_f1(Counter({("yes", "yes"): 1, ("yes", None): 1, ("no", "no"): 2})) == pytest.approx((2 / 3 + 1) / 2)


def test_the_error_is_that_of_leaving_out_one_problem_at_a_time() -> None:
    problems: dict[str, list[Pair]] = {
        "a": [("yes", "yes")],
        "b": [("yes", "no")],
        "c": [("no", "no")],
        "d": [("no", "no")],
        "e": [("yes", "yes")],
    }
    found = macro_f1_of(problems)
    left = [macro_f1(Counter(pair for name, pairs in problems.items() if name != out for pair in pairs)) for out in problems]
    centre = sum(left) / 5
    assert found is not None and found.error is not None
    assert found.error**2 == pytest.approx(4 / 5 * sum((one - centre) ** 2 for one in left))


def test_one_class_has_no_macro_f1_and_a_class_with_one_problem_no_error() -> None:
    assert macro_f1_of({"a": [("yes", "no")], "b": [("yes", "yes")]}) is None
    lonely = macro_f1_of({"a": [("yes", "yes")], "b": [("yes", "yes")], "c": [("no", "yes")]})
    assert lonely is not None and lonely.error is None
