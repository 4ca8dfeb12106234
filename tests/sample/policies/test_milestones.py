"""A policy inside another one hears of its own multiples of tokens, however often the one around it is told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestra.sample.events import Begun, Event, Progress
from orchestra.sample.policies.milestones import Milestones, more_often
from orchestra.sample.policy import Needs

DISTANCES = st.integers(1, 2_000)


@given(own=DISTANCES, every=DISTANCES)
def test_progress_comes_no_more_rarely_than_either_of_the_two_asks(own: int, every: int) -> None:
    assert more_often(Needs(tokens_every=own, probes=True), every).tokens_every <= min(own, every)


@given(parts=st.integers(1, 20), every=DISTANCES)
def test_multiples_that_divide_are_told_as_without_the_other(parts: int, every: int) -> None:
    assert more_often(Needs(tokens_every=parts * every), every).tokens_every == every


def test_a_policy_without_progress_of_its_own_hears_of_none() -> None:
    needs = Needs(probes=True)
    assert more_often(needs, 64) == Needs(tokens_every=64, probes=True)
    milestones = Milestones(needs.tokens_every)
    assert milestones.heard(Progress(1.0, {0: 64})) is None


def test_each_multiple_is_heard_once_and_other_events_always() -> None:
    milestones = Milestones(100)
    events: list[Event] = [Begun(0.0), Progress(1.0, {0: 64, 1: 128}), Progress(2.0, {0: 128, 1: 192}), Progress(3.0, {1: 256})]
    assert [milestones.heard(event) for event in events] == [
        Begun(0.0),
        Progress(1.0, {1: 100}),
        Progress(2.0, {0: 100}),
        Progress(3.0, {1: 200}),
    ]
