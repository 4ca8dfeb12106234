"""PDR and recursive self-aggregation, event by event."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.sample.decisions import Launch, Revise, Stop
from orchestra.sample.policies.distilled import Distilled, pdr, rsa

from .endings import BEGUN, decisions, ended, follow, lost, play


def revise(*traces: int, purpose: str = "refine", count: int = 1) -> Launch:
    return Launch(count, start=Revise(traces, purpose))


def test_a_round_is_distilled_and_the_last_trace_answers_from_the_notes() -> None:
    policy = pdr(3)
    assert policy.most == 5
    follow(
        policy,
        (BEGUN, [Launch(3)]),
        (ended(2, "8"), []),
        (ended(0, "7"), []),
        (ended(1, "7"), [revise(0, 1, 2, purpose="distill")]),
        (ended(3, None), [revise(3, purpose="from_notes")]),
        (ended(4, "9"), [Stop("9", "round 2 is the last", 4)]),
    )


def test_notes_are_written_after_every_round_but_the_last() -> None:
    policy = pdr(2, rounds=3)
    assert policy.most == 2 + 1 + 2 + 1 + 1
    follow(
        policy,
        (BEGUN, [Launch(2)]),
        (ended(0, "7"), []),
        (ended(1, "8"), [revise(0, 1, purpose="distill")]),
        (ended(2, None), [revise(2, purpose="from_notes", count=2)]),
        (ended(3, "7"), []),
        (ended(4, "9"), [revise(3, 4, purpose="distill")]),
        (ended(5, None), [revise(5, purpose="from_notes")]),
        (ended(6, "9"), [Stop("9", "round 3 is the last", 6)]),
    )


def test_the_top_are_those_whose_answers_have_most_votes_and_shorter_ones_first() -> None:
    round_one = [ended(0, "8", 5), ended(1, "7", 40), ended(2, "7", 20), ended(3, "7", 30), ended(4, None, 1)]
    assert decisions(pdr(5, distil="top", keep=2), BEGUN, *round_one) == [revise(2, 3)]
    assert decisions(pdr(5, distil="top", keep=4), BEGUN, *round_one) == [revise(0, 1, 2, 3)]


def test_lost_notes_are_replaced_by_the_top_of_the_round() -> None:
    events = [BEGUN, ended(0, "8", 5), ended(1, "7", 40), ended(2, "7", 20), lost(3)]
    assert decisions(pdr(3, keep=2), *events) == [revise(1, 2)]


def test_a_lost_round_is_tried_again_from_what_the_last_one_began_with() -> None:
    follow(
        Distilled(widths=(2, 1, 1)),
        (BEGUN, [Launch(2)]),
        (ended(0, "7"), []),
        (ended(1, "8"), [revise(0, 1, purpose="distill")]),
        (ended(2, None), [revise(2, purpose="from_notes")]),
        (lost(3), [revise(2, purpose="from_notes")]),
        (lost(4), [Stop("7", "round 3 is the last and states no answer, an earlier one votes", 0)]),
    )


def test_a_single_survivor_is_shown_as_it_is() -> None:
    assert decisions(pdr(2), BEGUN, lost(0), ended(1, None)) == [revise(1)]


def test_each_member_of_a_population_sees_its_own_random_few_of_the_round_before() -> None:
    policy = rsa(6, keep=2, loops=1, seed=3)
    assert policy.most == 12
    first = [ended(trace, "7") for trace in range(6)]
    launches = decisions(policy, BEGUN, *first)
    shown = [launch.start.traces for launch in launches if isinstance(launch, Launch) and isinstance(launch.start, Revise)]
    assert len(shown) == 6
    assert all(len(set(traces)) == 2 and set(traces) <= set(range(6)) for traces in shown)
    assert len(set(shown)) > 1
    # The draw depends on the seed, and not on who ended first.
    assert decisions(policy, BEGUN, *reversed(first)) == launches
    assert decisions(rsa(6, keep=2, loops=1, seed=4), BEGUN, *first) != launches


def test_the_last_population_votes() -> None:
    first = [ended(0, "7"), ended(1, "7"), ended(2, "7")]
    last = [ended(3, "9"), ended(4, "8"), ended(5, "9")]
    assert decisions(rsa(3, loops=1), BEGUN, *first, *last) == [Stop("9", "round 2 is the last", 3)]


def test_needs_name_only_the_prompts_that_can_occur() -> None:
    assert pdr(2).needs.purposes == {"distill", "from_notes", "refine"}
    assert rsa(2).needs.purposes == {"refine"}
    assert not Distilled(widths=(4,)).needs.purposes


@settings(deadline=None)
@given(st.data(), st.booleans())
def test_distilled_rounds_end_however_their_traces_do(data: st.DataObject, silent: bool) -> None:
    widths = tuple(data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=4)))
    distil = data.draw(st.sampled_from(["summary", "top", "random"]))
    play(Distilled(widths=widths, distil=distil, keep=data.draw(st.integers(1, 3))), data, silent=silent)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at least one trace, got `widths` \(2, 0\)"):
        Distilled(widths=(2, 0))
    with pytest.raises(ValueError, match="`keep` must be at least 1, got 0"):
        Distilled(widths=(2,), keep=0)
    with pytest.raises(ValueError, match="at least 2 rounds, got 1"):
        pdr(4, rounds=1)
    with pytest.raises(ValueError, match="`loops` must be at least 1, got 0"):
        rsa(loops=0)
