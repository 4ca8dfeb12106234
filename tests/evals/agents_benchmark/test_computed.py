"""The seconds that a run should take, from the latencies of models and tools."""

from __future__ import annotations

import statistics

import pytest
from orchestra.evals.benchmarks.agents.computed import computed_s
from orchestra.evals.benchmarks.agents.modes import MODES
from orchestra.evals.benchmarks.agents.question import Question, Step
from orchestra.evals.benchmarks.agents.tools import Rates, search_s

from .made_questions import taken_apart


def test_the_bounds_are_in_order_and_scale_with_time(questions: list[Question]) -> None:
    slow = Rates(name="", first_token_s=0.35, tokens_per_s=60, math_by_model=True)
    fast = Rates(name="", first_token_s=0.35, tokens_per_s=60, math_by_model=True, time_scale=0.5)
    for question in questions:
        seconds = {mode: computed_s(question, slow, mode) for mode in MODES}
        assert seconds["plan"] <= seconds["plan first"] < seconds["react"] > seconds["native"]
        assert {mode: computed_s(question, fast, mode) for mode in MODES} == pytest.approx(
            {mode: value / 2 for mode, value in seconds.items()}
        )


def test_a_bound_is_the_critical_path() -> None:
    """Tokens are free, so a plan is there after the first one: what is left is two first tokens and the slowest chain of calls."""
    question = taken_apart("If K2 were 10% taller and Mount Everest 20% shorter, which mountain is the tallest?", "K2")
    rates = Rates(name="", first_token_s=0.5, tokens_per_s=1e12)
    slowest = max(search_s(question, "K2"), search_s(question, "Mount Everest"))
    together = sum(search_s(question, entity) for entity in question.entities)
    assert computed_s(question, rates, "plan") == pytest.approx(2 * 0.5 + slowest + 0.05)
    assert computed_s(question, rates, "native") == pytest.approx(3 * 0.5 + slowest + 0.05)
    assert computed_s(question, rates, "react") == pytest.approx(5 * 0.5 + together + 2 * 0.05)


def test_search_latencies_have_the_mean_and_the_tail_of_the_paper() -> None:
    def drawn(id: int) -> list[float]:
        question = Question(id=str(id), kind="movie", text="?", answer="", steps=(Step("search", "K2"),), asks="film")
        assert search_s(question, "film 1") == search_s(question, "film 1")
        return [search_s(question, f"film {place}") for place in range(8)]

    rows = [drawn(id) for id in range(5_000)]
    assert statistics.fmean(seconds for row in rows for seconds in row) == pytest.approx(0.61, rel=0.02)
    assert statistics.fmean(map(max, rows)) == pytest.approx(1.13, rel=0.02)
