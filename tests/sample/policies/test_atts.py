"""Conformal acceptance of drafts, event by event."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.sample.decisions import Abort, Judge, Launch, Stop
from orchestra.sample.events import Progress
from orchestra.sample.policies.atts import Atts, p_value, percentile

from .endings import BEGUN, decisions, ended, follow, judged, lost, play

NINE = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0)


@pytest.mark.parametrize(
    ("score", "p", "below"),
    [
        (0.5, 1.0, 0.0),  # all nine are as strange, and it itself: 10 / 10
        (5.0, 0.6, 0.4),  # 5 … 9 and itself
        (6.0, 0.5, 0.5),
        (6.5, 0.4, 0.6),  # 7, 8, 9 and itself
        (9.5, 0.1, 0.9),  # only itself
        (math.inf, 0.1, 0.9),
    ],
)
def test_p_values_by_hand(score: float, p: float, below: float) -> None:
    assert p_value(score, NINE) == p
    assert percentile(score, NINE) == below


def test_equal_scores_count_as_strange() -> None:
    assert p_value(2.0, (2.0, 2.0, 2.0)) == 1.0
    assert percentile(2.0, (2.0, 2.0, 2.0)) == 0.0


@settings(deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0, 100))
def test_p_value_and_percentile_add_up_to_one(calibration: list[float], score: float) -> None:
    assert p_value(score, calibration) + percentile(score, calibration) == pytest.approx(1.0)


@settings(deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=30), st.integers(1, 9))
def test_of_exchangeable_scores_at_most_the_stated_share_is_rejected(scores: list[int], tenths: int) -> None:
    """Each score in turn against the others, which is what exchangeability averages over."""
    reject = tenths / 10
    others = [[*scores[:i], *scores[i + 1 :]] for i in range(len(scores))]
    rejected = sum(percentile(score, rest) >= reject for score, rest in zip(scores, others, strict=True))
    assert rejected <= (1 - reject) * len(scores) + 1e-9


def ask(*traces: int, tokens: int | None = None) -> Judge:
    return Judge("accept", tuple((trace,) for trace in traces), tokens)


def test_strange_drafts_are_written_anew_by_the_target() -> None:
    policy = Atts(n=3, calibration=NINE)
    follow(
        policy,
        (BEGUN, [Launch(3)]),
        (ended(1, "8"), [ask(1)]),
        (ended(0, "7"), [ask(0)]),
        (judged("accept", (1, 6.5)), [Launch(1, "target")]),  # percentile 0.6 is rejected
        (judged("accept", (0, 6.0)), []),  # 0.5 stands
        (ended(3, "7"), []),
        (ended(2, "8"), [ask(2)]),
        (judged("accept", (2, 1.0)), [Stop("7", "1 of 3 drafts rejected", 0)]),
    )
    assert policy.most == 6


def test_with_a_prefix_drafts_are_scored_as_they_write_and_aborted() -> None:
    follow(
        Atts(n=3, calibration=NINE, prefix=500),
        (BEGUN, [Launch(3)]),
        (ended(2, "7", tokens=100), [ask(2, tokens=500)]),
        (Progress(500.0, {0: 500, 1: 500}), [ask(0, 1, tokens=500)]),
        (judged("accept", (0, 9.0), (1, 1.0)), [Abort((0,)), Launch(1, "target")]),
        (Progress(1000.0, {1: 1000, 3: 500}), []),
        (judged("accept", (2, 2.0)), []),
        (ended(1, "8"), []),
        (ended(3, "8"), [Stop("8", "1 of 3 drafts rejected", 1)]),
    )


def test_a_draft_on_which_there_is_no_opinion_stands() -> None:
    events = [BEGUN, ended(0, "7"), judged("accept", (0, None))]
    assert decisions(Atts(n=1, calibration=NINE), *events) == [Stop("7", "0 of 1 drafts rejected", 0)]


def test_drafts_that_are_lost_or_silent_are_written_by_the_target_once() -> None:
    follow(
        Atts(n=2, calibration=NINE, prefix=500),
        (BEGUN, [Launch(2)]),
        (lost(0), [Launch(1, "target")]),
        (Progress(500.0, {1: 500}), [ask(1, tokens=500)]),
        (ended(1, None), [Launch(1, "target")]),
        (judged("accept", (1, 9.0)), []),
        (ended(2, "7"), []),
        (ended(3, "7"), [Stop("7", "2 of 2 drafts rejected", 2)]),
    )


def test_rejected_drafts_vote_when_the_target_states_nothing() -> None:
    events = [BEGUN, ended(0, "7"), judged("accept", (0, 9.0)), lost(1)]
    why = "1 of 1 drafts rejected, which vote as nothing else states an answer"
    assert decisions(Atts(n=1, calibration=NINE), *events) == [Stop("7", why, 0)]


@settings(deadline=None)
@given(st.data(), st.booleans())
def test_drafts_end_however_they_and_the_judge_do(data: st.DataObject, silent: bool) -> None:
    prefix = data.draw(st.sampled_from([None, 20]))
    play(Atts(n=data.draw(st.integers(1, 4)), calibration=NINE, prefix=prefix), data, silent=silent)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 0, "calibration": NINE}, "`n` must be at least 1, got 0"),
        ({"n": 1, "calibration": ()}, "at least one score"),
        ({"n": 1, "calibration": (math.nan,)}, "finite"),
        ({"n": 1, "calibration": NINE, "reject": 0.0}, r"lie in \(0, 1\], got 0.0"),
        ({"n": 1, "calibration": NINE, "prefix": 0}, "at least 1 token, got 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=message):
        Atts(**settings)
