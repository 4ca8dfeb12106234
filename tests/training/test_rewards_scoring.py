"""Batches are scored without their errors, group by group."""

from __future__ import annotations

import pytest
from orchestra.training.advantage import advantages
from orchestra.training.rewards import correct, read_reward, score_rollouts, width
from rewarded import rollout


def test_errors_are_dropped_and_never_scored_right_or_wrong() -> None:
    batch = [
        rollout("a", correct=True),
        rollout("a", correct=True, error="no server"),
        rollout("a", correct=False, error="no server"),
        rollout("a", correct=False),
    ]
    scored = score_rollouts(batch, correct(), step=1)
    assert (scored.rollouts, scored.rewards, scored.dropped) == ((batch[0], batch[3]), [1, 0], 2)
    assert scored.means == {"correct": 0.5}


def test_a_group_that_an_outage_left_with_one_rollout_teaches_nothing() -> None:
    batch = [rollout("a"), rollout("a", correct=False, error="no server"), rollout("b"), rollout("b", correct=False)]
    scored = score_rollouts(batch, correct(), step=1)
    found = advantages(scored.rewards, scored.groups, "centred")
    assert (found.values, found.alone, found.equal) == ((0, 0.5, -0.5), 1, 0)


def test_how_easy_a_problem_is_is_read_from_its_own_group_without_errors() -> None:
    easy = [rollout("easy", children=4), rollout("easy", children=2), rollout("easy", correct=False, error="no server")]
    hard = [rollout("hard", children=4), rollout("hard", correct=False, children=4)]
    scored = score_rollouts([easy[0], hard[0], easy[1], hard[1], easy[2]], width(price=0.125), step=1)
    assert scored.rewards == [0.5, 0, 0.25, 0]
    assert scored.groups == ["easy", "hard", "easy", "hard"]


def test_mean_terms_add_up_to_the_mean_reward() -> None:
    batch = [rollout("a", work=1000, span=700), rollout("a", work=2000, span=2000), rollout("b", correct=False, work=1500)]
    scored = score_rollouts(batch, read_reward("correct + acceleration(max=0.2) - work(price=0.0001)"), step=1)
    assert scored.means == pytest.approx({"correct": 2 / 3, "acceleration(max=0.2)": 0.2 / 3, "work(price=0.0001)": -0.1})
    assert sum(scored.means.values()) == pytest.approx(sum(scored.rewards) / 3)


def test_a_batch_of_errors_only_has_no_scores_and_no_means() -> None:
    scored = score_rollouts([rollout("a", error="no server")], correct(), step=1)
    assert (scored.rewards, scored.means, scored.dropped) == ([], {}, 1)
    assert advantages(scored.rewards, scored.groups, "batch").silent_share == 0


def test_the_step_reaches_rewards_that_alternate() -> None:
    reward = read_reward("parallel_r1_alternating")
    assert [score_rollouts([rollout("a", forks=1)], reward, step=step).rewards for step in (8, 9)] == [[1.0], [1.2]]
