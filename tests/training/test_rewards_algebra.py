"""Rewards add and multiply like numbers, and a score shows what each term has contributed."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra.training.rewards import (
    Read,
    Reward,
    Setting,
    acceleration,
    correct,
    format_gate,
    p_grpo,
    read_reward,
    redundancy,
    term,
    width,
    work,
)
from orchestra.training.rewards.reward import MAX_SUMMANDS
from orchestra.training.rollout import Facts
from rewarded import facts, value

from orchestra.errors import ConfigError

NOW = Setting(step=3, solved=0.75)
COEFFICIENTS = st.integers(-64, 64).map(lambda number: number / 16)
LEAVES = st.sampled_from(
    [correct(), correct(wrong=-1), format_gate(), acceleration(max=0.25), work(price=0.0005), width(price=0.125)]
)
REWARDS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda a, b: a + b, inner, inner),
        st.builds(lambda a, b: a - b, inner, inner),
        st.builds(lambda a, b: a * b, LEAVES, LEAVES),
        st.builds(lambda c, a: c * a, COEFFICIENTS, inner),
        st.builds(lambda a, c: c - a, inner, COEFFICIENTS),
    ),
    max_leaves=6,
)
FACTS = st.builds(
    facts,
    correct=st.booleans(),
    work=st.integers(100, 4000),
    span=st.integers(1, 100),
    children=st.integers(0, 9),
    malformed=st.integers(0, 1),
)


def number(reward: Reward, of: Facts) -> float:
    return reward(of, NOW).value


@given(REWARDS, REWARDS, COEFFICIENTS, FACTS)
def test_rewards_compose_like_numbers(a: Reward, b: Reward, c: float, of: Facts) -> None:
    x, y = number(a, of), number(b, of)
    assert number(a + b, of) == pytest.approx(x + y)
    assert number(a - b, of) == pytest.approx(x - y)
    assert number(a * b, of) == pytest.approx(x * y)
    assert number(c * a, of) == pytest.approx(c * x) == number(a * c, of)
    assert number(-a, of) == pytest.approx(-x)
    assert number(a + c, of) == pytest.approx(x + c) == number(c + a, of)
    assert number(c - a, of) == pytest.approx(c - x)


@given(REWARDS, FACTS, FACTS)
def test_terms_add_up_to_the_reward_and_are_the_same_for_every_rollout(reward: Reward, one: Facts, other: Facts) -> None:
    scores = [reward(of, NOW) for of in (one, other)]
    assert [*scores[0].terms] == [*scores[1].terms]
    for score in scores:
        assert score.value == math.fsum(score.terms.values())


@given(REWARDS, FACTS)
def test_the_text_of_a_reward_reads_back_as_the_same_reward(reward: Reward, of: Facts) -> None:
    again = read_reward(str(reward))
    assert str(again) == str(reward)
    assert again(of, NOW).terms == pytest.approx(reward(of, NOW).terms)


def test_a_score_names_every_term_with_its_sign_and_coefficient() -> None:
    reward = format_gate() * (correct() + 0.5 * acceleration(max=0.2)) - work(price=0.0001) + 0.25
    assert dict(reward(facts(work=1000, span=700), NOW).terms) == pytest.approx(
        {
            "format_gate*correct": 1.0,
            "format_gate*acceleration(max=0.2)": 0.1,
            "work(price=0.0001)": -0.1,
            "constant": 0.25,
        }
    )


def test_a_name_shows_only_parameters_that_differ_from_the_defaults() -> None:
    assert str(correct(wrong=0)) == "correct"
    assert str(acceleration(max=None, scale=0.5)) == "acceleration(scale=0.5)"
    assert str(redundancy(when="always")) == "redundancy(when=always)"


def test_a_term_that_stands_twice_is_shown_once_with_the_sum() -> None:
    assert dict((correct() + 0.5 * correct())(facts(), NOW).terms) == {"correct": 1.5}


def test_anyone_can_make_a_term_of_their_own() -> None:
    @term
    def depth(*, price: float) -> Read:
        return lambda facts, setting: price * facts.depth

    reward = p_grpo() - depth(price=0.1)
    assert value(reward, facts(depth=2)) == pytest.approx(0.8)
    assert str(reward) == "correct + acceleration(scale=0.5, max=0.2) - depth(price=0.1)"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_term_that_is_no_finite_number_stops_with_its_name(bad: float) -> None:
    @term
    def broken() -> Read:
        return lambda facts, setting: bad

    with pytest.raises(ConfigError, match=f"term `broken` is {bad}"):
        (correct() + broken())(facts(), NOW)


@pytest.mark.parametrize("grow", [lambda reward: reward * reward, lambda reward: reward + reward])
def test_a_reward_that_grows_beyond_reason_is_refused(grow: Callable[[Reward], Reward]) -> None:
    reward = correct() + acceleration() + 1
    with pytest.raises(ConfigError, match=f"{MAX_SUMMANDS} summands"):
        for _ in range(9):
            reward = grow(reward)


def test_a_coefficient_must_be_finite() -> None:
    with pytest.raises(ConfigError, match="finite number, got nan"):
        math.nan * correct()
