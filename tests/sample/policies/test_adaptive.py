"""The adaptive family, on pools small enough to follow by hand. One decoding step is one second."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.sample.account import Price
from orchestra.sample.decisions import Stop
from orchestra.sample.events import Begun, Event, Finished
from orchestra.sample.outcome import Outcome
from orchestra.sample.policies.adaptive import (
    Adaptive,
    Stage,
    adaptive,
    asc_events,
    first_finish,
    self_consistency,
    short_m,
    staged,
)
from orchestra.sample.policies.budgeted import Budgeted
from orchestra.sample.policy import Policy
from orchestra.sample.pool import Pool, PooledProblem, Recorded
from orchestra.sample.replay import replay
from orchestra.sample.weights import Weight


def run(policy: Policy, *traces: tuple[str | None, int]) -> Outcome:
    recorded = [Recorded(tokens=tokens, answer=answer, correct=False) for answer, tokens in traces]
    problem = PooledProblem(id="p", text="", gold=None, traces=recorded)
    return replay(policy, Pool("made", [problem]), problem, range(len(traces)))


def seen(outcome: Outcome) -> tuple[str | None, int, int, int]:
    """Answer, kept, aborted, span."""
    account = outcome.account
    return outcome.answer, account.kept, account.aborted, account.span


RACE = [("8", 10), ("7", 20), ("7", 30), ("7", 40), ("9", 50)]


def test_self_consistency_waits_for_all() -> None:
    assert seen(run(self_consistency(5), *RACE)) == ("7", 150, 0, 50)


def test_first_finish_takes_the_first_that_answers() -> None:
    assert seen(run(first_finish(5), *RACE)) == ("8", 10, 40, 10)
    assert seen(run(first_finish(2), (None, 5), ("8", 10))) == ("8", 15, 0, 10)


def test_a_length_guard_keeps_degenerate_traces_from_winning() -> None:
    assert seen(run(first_finish(5, length_guard=15), *RACE)) == ("7", 30, 60, 20)


def test_short_m_votes_among_the_first_m() -> None:
    assert seen(run(short_m(5, 3), *RACE)) == ("7", 60, 60, 30)


def test_the_posterior_is_asked_after_every_end() -> None:
    # 1-0, 1-1, 2-1 (0.69), 3-1 (0.81), then all are in: 0.95 is never reached
    assert seen(run(asc_events(5), *RACE)) == ("7", 150, 0, 50)
    assert seen(run(asc_events(5, threshold=0.8), *RACE)) == ("7", 100, 40, 40)


def test_unanimity_needs_as_many_votes_as_the_threshold_says() -> None:
    same = [("7", 10 * number) for number in range(1, 9)]
    assert run(asc_events(8, threshold=0.95), *same).account.finished == 4
    assert run(asc_events(8, threshold=0.93), *same).account.finished == 3
    assert run(adaptive(8, threshold=0.7, min_votes=1), *same).account.finished == 1


def test_a_later_stage_begins_when_the_earlier_votes_disagree() -> None:
    outcome = run(staged((2, None), (3, 4)), ("8", 10), ("7", 20), ("7", 30), ("7", 40), ("9", 50))
    # the second stage begins at 20: its traces end at 50 and 60, when four votes are in
    assert seen(outcome) == ("7", 100, 40, 60)
    assert outcome.account.launched == 5


def test_a_stage_may_begin_before_the_earlier_traces_have_ended() -> None:
    outcome = run(staged((2, 1), (1, 2)), ("8", 10), ("8", 100), ("8", 30))
    assert seen(outcome) == ("8", 40, 40, 40)


def test_later_stages_are_spared_when_the_first_agrees() -> None:
    outcome = run(staged((4, None), (12, 8)), *[("7", 10)] * 4, *[("8", 5)] * 12)
    assert seen(outcome) == ("7", 40, 0, 10)


def test_a_leader_that_cannot_be_overtaken_ends_the_vote() -> None:
    policy = adaptive(5, threshold=1.0, overtake=True)
    assert seen(run(policy, ("7", 10), ("7", 20), ("7", 30), ("8", 40), ("9", 50))) == ("7", 60, 60, 30)


def test_short_traces_can_outvote_long_ones() -> None:
    votes = [("8", 10), ("7", 40), ("7", 40)]
    assert run(self_consistency(3), *votes).answer == "7"
    assert run(self_consistency(3, weight=Weight("length")), *votes).answer == "8"  # 1/10 against 2/40


def test_a_price_stops_when_waiting_costs_more_than_it_can_improve() -> None:
    patient = Adaptive(stages=(Stage(5),), price=Price(second=1e-6))
    hasty = Adaptive(stages=(Stage(5),), price=Price(second=0.06))
    thrifty = Adaptive(stages=(Stage(5),), price=Price(kilotoken=30))
    assert run(patient, *RACE).account.finished == 5
    assert run(hasty, *RACE).account.finished == 2
    assert run(thrifty, *RACE).account.finished == 2


def test_nothing_readable_gives_no_answer() -> None:
    assert seen(run(asc_events(3), (None, 1), (None, 2), (None, 3))) == (None, 6, 0, 3)


def test_one_trace_is_a_sample_of_one() -> None:
    assert seen(run(adaptive(1), ("7", 10))) == ("7", 10, 0, 10)


def test_weights_that_nobody_has_leave_a_plain_majority() -> None:
    # No trace of this pool has scores: every vote counts 1, and 8, which came first, does not win for that.
    decider = self_consistency(3, weight=Weight("entropy")).decider()
    events: list[Event] = [Begun(0), Finished(1, 0, "8", 10), Finished(2, 1, "7", 20), Finished(3, 2, "7", 30)]
    assert [list(decider.on(event)) for event in events][-1] == [Stop("7", "3 votes are in", 1)]


def test_uniform_weights_may_be_spelled_out() -> None:
    assert adaptive(4, overtake=True, weight=Weight("uniform")) == adaptive(4, overtake=True)


def test_a_budget_of_launches_ends_with_the_answer_of_the_moment() -> None:
    outcome = run(Budgeted(policy=staged((2, None), (3, None)), traces=2), *RACE)
    assert seen(outcome) == ("8", 30, 0, 20)
    assert outcome.why == "budget: no more than 2 traces may be launched: 2 votes are in"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Adaptive(stages=()), "at least one trace"),
        (lambda: self_consistency(0), "at least one trace"),
        (lambda: short_m(4, 5), "waits for 5 votes, but only 4"),
        (lambda: staged((4, 4), (4, 9)), "stage 2 waits for 9 votes, but only 8"),
        (lambda: asc_events(4, threshold=0.5), r"`threshold` must lie in \(0.5, 1\]"),
        (lambda: Adaptive(stages=(Stage(4),), overtake=True, weight=Weight("length")), "counts votes"),
        (lambda: Budgeted(policy=self_consistency(1)), "limits something"),
        (lambda: Budgeted(policy=self_consistency(1), tokens=0), "`tokens` must be positive"),
        (lambda: Price(second=-1), "`second` must be a number of at least 0"),
    ],
)
def test_contradictions_are_refused_when_a_policy_is_made(make: object, words: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=words):
        make()


votes = st.lists(st.tuples(st.sampled_from([None, "7", "8"]), st.integers(1, 50)), min_size=1, max_size=10)


@settings(deadline=None)
@given(votes)
def test_corners_of_the_family_are_the_known_methods(traces: list[tuple[str | None, int]]) -> None:
    n = len(traces)
    assert seen(run(short_m(n, 1), *traces)) == seen(run(first_finish(n), *traces))
    everything = run(self_consistency(n), *traces)
    assert seen(run(staged((n, None), threshold=1.0), *traces)) == seen(everything)
    assert everything.account.kept == sum(tokens for _, tokens in traces)


@settings(deadline=None)
@given(votes)
def test_what_cannot_be_overtaken_would_have_won(traces: list[tuple[str | None, int]]) -> None:
    n = len(traces)
    assert run(adaptive(n, threshold=1.0, overtake=True), *traces).answer == run(self_consistency(n), *traces).answer
