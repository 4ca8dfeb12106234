"""Plain majorities of every number of traces, computed at once."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from orchestra.evals.replay.majority import vote

from orchestra.sample.policies.adaptive import self_consistency
from orchestra.sample.pool import Pool, Recorded
from orchestra.sample.replay import Rules, replay

from .made import RIGHT, problem, trace

traces = st.builds(trace, st.integers(1, 30), st.sampled_from([RIGHT, "1", "2", None]))


def test_a_hand_made_draw() -> None:
    votes = vote([trace(5, "1"), trace(3), trace(9), trace(1, None)], frozenset({RIGHT}))
    assert list(votes.right) == [0, 1, 1, 1], "at one vote each the answer that ended first wins"
    assert votes.work == [5, 8, 17, 18]
    assert votes.span == votes.seconds == [5, 5, 9, 9]


@settings(max_examples=60, deadline=None)
@given(st.lists(traces, min_size=1, max_size=9), st.none() | st.integers(1, 4))
def test_the_majority_of_k_is_self_consistency_with_k_traces(drawn: Sequence[Recorded], slots: int | None) -> None:
    pool = Pool("made", [problem("p", *drawn)])
    votes = vote(drawn, frozenset({RIGHT}), slots=slots)
    for k in range(1, len(drawn) + 1):
        outcome = replay(self_consistency(k), pool, pool.problems[0], range(len(drawn)), rules=Rules(slots=slots))
        account = outcome.account
        assert votes.right[k - 1] == (outcome.answer == RIGHT)
        assert (votes.work[k - 1], votes.span[k - 1], votes.seconds[k - 1]) == (account.work, account.span, account.seconds)
