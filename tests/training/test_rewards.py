"""The rewards of the papers give the numbers that their formulas give by hand, and count only what was executed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra.training.rewards import (
    Reward,
    Setting,
    acceleration,
    apr,
    async_think,
    children,
    concurrency,
    correct,
    early,
    format_errors,
    format_gate,
    late,
    long_children,
    malformed,
    p_grpo,
    p_grpo_code,
    p_grpo_gated,
    parallel_bonus,
    parallel_r1_accuracy,
    parallel_r1_alternating,
    parallel_r1_stage2,
    redundancy,
    span,
    wasted,
    width,
    work,
)
from orchestra.training.rollout import rollout_of_attempt
from rewarded import facts, value
from wild_countdown import SEEDS, SETUPS, run

from orchestra.countdown.attempt import Setup
from orchestra.errors import ConfigError

OUTCOMES = st.builds(
    facts,
    correct=st.booleans(),
    work=st.integers(1000, 5000),
    span=st.integers(0, 1000),
    in_children=st.integers(0, 4000),
    forks=st.integers(0, 3),
    children=st.integers(0, 9),
    refused=st.integers(0, 2),
    malformed=st.integers(0, 3),
    redundancy=st.floats(0, 0.9),
)
SETTINGS = st.builds(Setting, step=st.integers(1, 50), solved=st.floats(0, 1))


# P-GRPO: notes/threads 1.4 and 14.2


@pytest.mark.parametrize(
    ("work", "span", "paper", "code"),
    [
        (1000, 1000, 1.0, 1.0),
        (1000, 700, 1.15, 1.1),  # η = 0.3: 0.5 · 0.3 against 0.5 · min(0.3, 0.2)
        (1000, 900, 1.05, 1.05),  # η = 0.1, below both caps
        (1000, 600, 1.2, 1.1),  # η = 0.4 reaches the paper's cap
        (1000, 100, 1.2, 1.1),
        (11143, 8278, 1.0 + 0.5 * 2865 / 11143, 1.1),  # means of the paper's table 8
    ],
)
def test_p_grpo_pays_a_right_answer_for_its_acceleration(work: int, span: int, paper: float, code: float) -> None:
    assert value(p_grpo(), facts(work=work, span=span)) == pytest.approx(paper)
    assert value(p_grpo_code(), facts(work=work, span=span)) == pytest.approx(code)


def test_p_grpo_pays_a_wrong_answer_nothing_in_the_paper_and_minus_one_in_the_released_code() -> None:
    fast_and_wrong = facts(correct=False, work=1000, span=300)
    assert value(p_grpo(), fast_and_wrong) == 0
    assert value(p_grpo_code(), fast_and_wrong) == -1
    assert value(p_grpo_code(wrong=0), fast_and_wrong) == 0


def test_the_gated_default_pays_acceleration_only_when_nothing_is_malformed() -> None:
    assert value(p_grpo_gated(), facts(work=1000, span=700)) == pytest.approx(1.15)
    assert value(p_grpo_gated(), facts(work=1000, span=700, malformed=1)) == 1
    assert value(p_grpo_gated(), facts(correct=False, work=1000, span=700)) == 0


@given(SEEDS)
def test_what_ran_in_one_thread_is_paid_for_no_parallelism_whatever_it_wrote(seed: int) -> None:
    _, done = run(seed, Setup(method="serial", logprobs=True, window=200))
    made = rollout_of_attempt(done, group="g").facts
    for reward in (acceleration(when="always"), concurrency(pool=2, max=0.5)):
        assert value(reward, made) == 0


@given(SEEDS, SETUPS)
def test_every_paper_s_reward_stays_within_its_bounds_on_executed_trees(seed: int, setup: Setup) -> None:
    _, done = run(seed, setup)
    made = rollout_of_attempt(done, group="g").facts
    bounds: list[tuple[Reward, float, float]] = [
        (apr(), 0, 1),
        (p_grpo(), 0, 1.2),
        (p_grpo_code(), -1, 1.1),
        (p_grpo_gated(), 0, 1.2),
        (parallel_r1_accuracy(), -1, 1),
        (parallel_r1_stage2(), -1, 1),
        (parallel_r1_alternating(), -1, 1.2),
        (async_think(pool=4, max=0.5, weight=0.2, error=-0.5), -0.5, 1.2),
    ]
    for reward, low, high in bounds:
        assert low <= value(reward, made, step=9) <= high


# APR: notes/threads 6. Parallel-R1: 5.2 and 14.2


def test_apr_is_one_for_right_and_zero_for_wrong() -> None:
    assert [value(apr(), facts(correct=right)) for right in (True, False)] == [1, 0]


def test_parallel_r1_accuracy_is_one_or_minus_one() -> None:
    assert [value(parallel_r1_accuracy(), facts(correct=right)) for right in (True, False)] == [1, -1]


def test_parallel_r1_stage_2_wants_a_right_answer_and_a_fork() -> None:
    cases = [(True, 1), (True, 0), (False, 1), (False, 0)]
    assert [value(parallel_r1_stage2(), facts(correct=right, forks=forks)) for right, forks in cases] == [1, -1, -1, -1]


@pytest.mark.parametrize(
    ("about", "late_value"),
    [
        ({"forks": 1}, 1.2),
        ({"forks": 0}, 1.0),
        ({"forks": 1, "malformed": 1}, -1.0),  # right, but malformed
        ({"forks": 0, "malformed": 1}, -1.0),  # it tried to fork
        ({"correct": False, "forks": 1}, -1.0),
    ],
)
def test_parallel_r1_alternates_eight_steps_of_accuracy_with_two_of_the_bonus(about: dict[str, Any], late_value: float) -> None:
    made = facts(**about)
    accuracy = 1.0 if made.correct else -1.0
    values = [value(parallel_r1_alternating(), made, step=step) for step in range(1, 22)]
    assert values == [*[accuracy] * 8, late_value, late_value] * 2 + [accuracy]


@given(st.integers(1, 1000), st.integers(1, 30), st.data())
def test_each_step_is_either_early_or_late(step: int, window: int, data: st.DataObject) -> None:
    steps = data.draw(st.integers(0, window))
    now = [value(kind(window=window, steps=steps), facts(), step=step) for kind in (early, late)]
    assert sorted(now) == [0, 1]


# AsyncThink: notes/threads 14.2


@pytest.mark.parametrize(
    ("in_children", "share"),
    [
        (0, 0.0),
        (300, 0.5),  # one child at a time: 1 / 4 of the pool, of 0.5
        (600, 1.0),  # two: 2 / 4 reaches the threshold
        (1200, 1.0),
    ],
)
def test_async_think_pays_for_children_that_sample_at_once_up_to_its_threshold(in_children: int, share: float) -> None:
    made = facts(work=1300, span=300, in_children=in_children)
    assert value(concurrency(pool=4, max=0.5), made) == pytest.approx(share)
    assert value(async_think(pool=4, max=0.5, weight=0.2, error=-1), made) == pytest.approx(1 + 0.2 * share)


def test_async_think_pays_concurrency_for_wrong_answers_too_and_only_the_penalty_for_format_errors() -> None:
    reward = async_think(pool=4, max=0.5, weight=0.2, error=-0.5)
    assert value(reward, facts(correct=False, span=300, in_children=600)) == pytest.approx(0.2)
    assert value(reward, facts(span=300, in_children=600, malformed=2)) == -0.5
    assert value(reward, facts(span=300, in_children=600, refused=1)) == -0.5  # the pool was full


# Format


def test_a_gate_lets_nothing_malformed_through() -> None:
    cases: list[tuple[dict[str, Any], int]] = [({}, 1), ({"malformed": 3}, 0), ({"refused": 1}, 1)]
    for about, passes in cases:
        assert value(format_gate(), facts(**about)) == passes == 1 - value(malformed(), facts(**about))
    assert value(format_gate(refusals="errors"), facts(refused=1)) == 0


def test_format_errors_cost_their_price_up_to_the_cap_right_or_wrong() -> None:
    reward = -format_errors(price=0.5, max=2)
    assert [value(reward, facts(malformed=n, correct=n % 2 == 0)) for n in (0, 1, 3, 9)] == [0, -0.5, -1.5, -2]
    assert value(format_errors(price=1, max=None, refusals="errors"), facts(malformed=2, refused=3)) == 5


def test_children_that_are_there_only_to_be_counted_can_be_gated() -> None:
    gate = long_children(tokens=8)
    assert [value(gate, facts(shortest_child=shortest)) for shortest in (None, 2, 7, 8, 90)] == [1, 0, 0, 1, 1]


# Prices


@pytest.mark.parametrize(
    ("price", "of", "expected"),
    [
        (work, facts(work=1500), 0.15),
        (work, facts(work=9000), 0.3),
        (span, facts(span=400), 0.04),
        (wasted, facts(wasted=300), 0.03),
        (children, facts(children=500), 0.05),
    ],
)
def test_prices_are_linear_up_to_their_cap_and_only_right_answers_pay(
    price: Callable[..., Reward], of: Any, expected: float
) -> None:
    assert value(price(price=0.0001, max=0.3), of) == pytest.approx(expected)
    wrong = facts(correct=False, work=of.work, span=of.span, wasted=of.wasted, children=of.children)
    assert value(price(price=0.0001, max=0.3), wrong) == 0
    assert value(price(price=0.0001, max=0.3, when="always"), wrong) == pytest.approx(expected)


def test_siblings_that_repeat_each_other_cost() -> None:
    reward = 1.2 - redundancy(price=0.2)
    assert value(reward, facts(redundancy=0.75)) == pytest.approx(1.05)
    assert value(reward, facts()) == 1.2


@pytest.mark.parametrize(("solved", "cost"), [(0.2, 0.0), (0.5, 0.0), (0.75, 0.05), (1.0, 0.1)])
def test_width_costs_most_on_problems_that_are_always_solved_and_nothing_on_hard_ones(solved: float, cost: float) -> None:
    assert value(width(price=0.02), facts(children=5), solved=solved) == pytest.approx(cost)
    assert value(width(price=0.02), facts(children=5, correct=False), solved=solved) == 0
    assert value(width(price=0.02, max=0.03), facts(children=5), solved=solved) == pytest.approx(min(cost, 0.03))


@given(OUTCOMES, SETTINGS, st.floats(0, 0.01), st.floats(0, 0.01))
def test_a_higher_price_never_pays_more(made: Any, setting: Setting, low: float, more: float) -> None:
    for kind in (work, span, children, redundancy, width, format_errors):
        cheap, dear = (kind(price=price, max=0.5)(made, setting).value for price in (low, low + more))
        assert 0 <= cheap <= dear <= 0.5


def test_parameters_that_turn_a_term_around_are_refused() -> None:
    for make in (work, span, children, width, redundancy, format_errors):
        with pytest.raises(ConfigError, match=r"`price` must be a number from 0 up, got -0\.1"):
            make(price=-0.1)
    with pytest.raises(ConfigError, match="`pool` must be a number above 0"):
        concurrency(pool=0, max=0.5)
    with pytest.raises(ConfigError, match="`free` of `width` is a share"):
        width(price=0.1, free=1)
    with pytest.raises(ConfigError, match="of a window of 10 training steps"):
        early(steps=11)
    with pytest.raises(ConfigError, match="`max` must be a number from 0 up, got inf"):
        acceleration(max=float("inf"))


def test_the_paper_s_terms_keep_their_parameters_when_they_are_changed() -> None:
    made = facts(work=1000, span=500)
    assert value(p_grpo(rho=0.1, clip=0.04), made) == pytest.approx(1.04)
    assert value(correct(right=2, wrong=-3), facts(correct=False)) == -3
    assert value(parallel_bonus(parallel=5), facts(forks=1)) == 5
