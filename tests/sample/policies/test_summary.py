"""Summary of N, event by event."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.sample.decisions import Abort, Launch, Revise, Stop
from orchestra.sample.policies.summary import SummaryOfN

from .endings import BEGUN, decisions, ended, follow, lost, play


def summarise(*traces: int) -> Launch:
    return Launch(start=Revise(traces, "summarise"))


def test_one_trace_reads_all_and_answers() -> None:
    policy = SummaryOfN(n=3)
    follow(
        policy,
        (BEGUN, [Launch(3)]),
        (ended(1, "8"), []),
        (ended(0, "7"), []),
        (ended(2, "7"), [summarise(0, 1, 2)]),
        (ended(3, "9"), [Stop("9", "summary of 3 traces", 3)]),
    )
    assert policy.most == 4


def test_after_m_ends_the_others_are_aborted() -> None:
    events = [BEGUN, ended(3, "8"), ended(1, None)]
    assert decisions(SummaryOfN(n=4, m=2), *events) == [Abort((0, 2)), summarise(1, 3)]


def test_a_summary_without_an_answer_gives_way_to_the_vote() -> None:
    events = [BEGUN, ended(0, "7"), ended(1, "8"), ended(2, "7")]
    why = "the summary {}, the traces vote"
    assert decisions(SummaryOfN(n=3), *events, ended(3, None)) == [Stop("7", why.format("states no answer"), 0)]
    assert decisions(SummaryOfN(n=3), *events, lost(3)) == [Stop("7", why.format("is lost"), 0)]


def test_a_single_trace_answers_itself() -> None:
    why = "1 of {} traces ended, nothing to summarise"
    assert decisions(SummaryOfN(n=1), BEGUN, ended(0, "7")) == [Stop("7", why.format(1), 0)]
    assert decisions(SummaryOfN(n=2), BEGUN, lost(0), ended(1, "7")) == [Stop("7", why.format(2), 1)]
    assert SummaryOfN(n=1).most == 1
    assert not SummaryOfN(n=1).needs.purposes


def test_nothing_is_known_when_all_are_lost() -> None:
    why = "0 of 2 traces ended, nothing to summarise; no trace gave an answer that can be read"
    assert decisions(SummaryOfN(n=2), BEGUN, lost(0), lost(1)) == [Stop(None, why)]


def test_the_standing_is_the_vote_until_the_summary_speaks() -> None:
    decider = SummaryOfN(n=2).decider()
    for event in (BEGUN, ended(0, "7"), ended(1, "8")):
        list(decider.on(event))
    assert (decider.standing().answer, decider.standing().posterior) == ("7", 0.5)
    list(decider.on(ended(2, "8")))
    assert (decider.standing().answer, decider.standing().trace, decider.standing().posterior) == ("8", 2, None)


@settings(deadline=None)
@given(st.data(), st.booleans())
def test_a_summary_ends_however_its_traces_do(data: st.DataObject, silent: bool) -> None:
    n = data.draw(st.integers(1, 5))
    play(SummaryOfN(n=n, m=data.draw(st.none() | st.integers(1, n))), data, silent=silent)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="`n` must be at least 1, got 0"):
        SummaryOfN(n=0)
    with pytest.raises(ValueError, match="`m` must lie in 1 … 3, got 4"):
        SummaryOfN(n=3, m=4)
