"""Replays: virtual time, batches, slots, probes, and what a pool cannot express."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from orchestra.errors import ConfigError
from orchestra.sample.decisions import Abort, Branch, Decision, Judge, Launch, Probe, Stop, Wake
from orchestra.sample.events import Begun, Event, Finished, Measured, Probed, Progress, Woken
from orchestra.sample.judges.base import Opinion
from orchestra.sample.policies.adaptive import self_consistency, short_m
from orchestra.sample.policy import Needs, Standing
from orchestra.sample.pool import Pool, PooledProblem, Recorded
from orchestra.sample.replay import Rules, check, replay


def pool_of(*traces: Recorded, probe_every: int = 0, stride: int = 0) -> Pool:
    return Pool("made", [PooledProblem(id="p", text="", gold="7", traces=traces)], probe_every=probe_every, stride=stride)


def trace(tokens: int, **fields: object) -> Recorded:
    return Recorded(tokens=tokens, answer="7", correct=True, **fields)  # type: ignore[arg-type]


@dataclass
class Listener:
    """Launches and writes down what it is told; `script` says what else it decides, by the number of the event."""

    needs: Needs
    script: dict[int, Sequence[Decision]]
    most: int = 9
    heard: list[Event] = field(default_factory=list)

    def decider(self) -> Listener:
        self.heard = []
        return self

    def on(self, event: Event) -> Sequence[Decision]:
        self.heard.append(event)
        return self.script.get(len(self.heard) - 1, ())

    def standing(self) -> Standing:
        return Standing(answer=None)


def test_traces_launched_together_make_progress_in_one_event_before_one_of_them_ends() -> None:
    policy = Listener(Needs(tokens_every=10), {0: [Launch(2)], 4: [Stop("7", "")]})
    replay(policy, pool_of(trace(20), trace(35)), pool_of(trace(20), trace(35)).problems[0], range(2))
    assert policy.heard == [
        Begun(0.0),
        Progress(10.0, {0: 10, 1: 10}),
        Progress(20.0, {0: 20, 1: 20}),
        Finished(20.0, 0, "7", 20),
        Progress(30.0, {1: 30}),
    ]


def test_confidences_come_in_pieces_as_they_were_recorded() -> None:
    pool = pool_of(trace(20, confidence=[1.0, 2.0]), trace(30, confidence=[3.0, 4.0, 5.0]), stride=10)
    policy = Listener(Needs(stride=10), {0: [Launch(2)], 2: [Abort((0,))], 3: [Stop(None, "")]})
    outcome = replay(policy, pool, pool.problems[0], range(2))
    assert [event.confidence for event in policy.heard if isinstance(event, Measured)] == [
        {0: [1.0], 1: [3.0]},
        {0: [2.0], 1: [4.0]},
        {1: [5.0]},
    ]
    assert (outcome.account.aborted, outcome.account.kept) == (50, 0)


def test_a_probe_gives_the_answer_recorded_last_and_is_charged() -> None:
    pool = pool_of(trace(30, probes=["1", "2"]), trace(40, probes=["3", None, "7"]), probe_every=10)
    policy = Listener(Needs(tokens_every=10, probes=True), {0: [Launch(2)], 2: [Probe((0, 1))], 3: [Stop(None, "")]})
    outcome = replay(policy, pool, pool.problems[0], range(2), rules=Rules(probe_tokens=5))
    assert policy.heard[3] == Probed(20.0, {0: "2", 1: None})
    assert outcome.account.probe == 10


def test_a_wake_comes_at_its_time_also_when_steps_are_slow() -> None:
    policy = Listener(Needs(), {0: [Launch(2), Wake(25.0)], 1: [Stop(None, "")]})
    pool = pool_of(trace(20), trace(20))
    outcome = replay(policy, pool, pool.problems[0], range(2), rules=Rules(clock=lambda running: 5.0 * running))
    assert policy.heard[1] == Woken(25.0)
    assert outcome.account.aborted == 4  # 2.5 steps of 10 s each: two whole tokens of either


def test_a_step_takes_as_long_as_the_clock_says_for_what_runs() -> None:
    pool = pool_of(trace(10), trace(30))
    outcome = replay(self_consistency(2), pool, pool.problems[0], range(2), rules=Rules(clock=lambda running: float(running)))
    assert outcome.account.seconds == 10 * 2 + 20 * 1
    assert outcome.account.span == 30


def test_slots_delay_and_do_not_lengthen_the_critical_path() -> None:
    pool = pool_of(trace(10), trace(10), trace(10))
    outcome = replay(self_consistency(3), pool, pool.problems[0], range(3), rules=Rules(slots=1))
    assert (outcome.account.seconds, outcome.account.span) == (30.0, 10)


def test_a_trace_that_waits_for_a_slot_is_aborted_for_nothing() -> None:
    pool = pool_of(trace(10), trace(10), trace(10))
    outcome = replay(short_m(3, 1), pool, pool.problems[0], range(3), rules=Rules(slots=1))
    assert (outcome.account.kept, outcome.account.aborted) == (10, 0)


def test_forked_traces_take_their_span_and_cost_their_work() -> None:
    pool = pool_of(trace(100, span=10), trace(60, span=40))
    outcome = replay(short_m(2, 1), pool, pool.problems[0], range(2))
    assert (outcome.account.kept, outcome.account.aborted, outcome.account.span) == (100, 15, 10)


def test_a_judge_is_asked_about_the_recorded_traces_and_charged() -> None:
    pool = pool_of(trace(10, text="abc"), trace(20, text="abd"))

    def judge(problem: PooledProblem, traces: Sequence[Recorded], tokens: int | None) -> Opinion | None:
        assert [recorded.text for recorded in traces] == ["abc", "abd"] and tokens == 4
        return Opinion(score=0.5, sampled=2, prefill=30)

    policy = Listener(Needs(judges=frozenset({"same"})), {0: [Launch(2)], 1: [Judge("same", ((0, 1),), 4)], 2: [Stop(None, "")]})
    outcome = replay(policy, pool, pool.problems[0], range(2), rules=Rules(judges={"same": judge}))
    assert (outcome.account.judge, outcome.account.judge_read) == (2, 30)


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        (Needs(probes=True), "no answers forced early"),
        (Needs(stride=16), "no confidences of 16-token pieces"),
        (Needs(scores=True), "no confidence scores"),
        (Needs(branches=True), "no texts that other traces could be shown or continue"),
        (Needs(judges=frozenset({"tests"})), "no judge for tests"),
        (Needs(judges=frozenset({"reward"})), "no reward scores"),
        (Needs(arms=frozenset({"target"})), "no traces of the arm target"),
    ],
)
def test_what_a_pool_cannot_express_is_said_before_a_replay(needs: Needs, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check(Listener(needs, {}, most=1), pool_of(trace(1)), Rules())


def test_a_pool_that_is_too_shallow_is_said_before_a_replay() -> None:
    with pytest.raises(ConfigError, match="may launch 9 traces, but made has problems with only 1"):
        check(Listener(Needs(), {}), pool_of(trace(1)), Rules())


def test_a_branch_needs_a_live_engine() -> None:
    pool = pool_of(trace(10), trace(10))
    policy = Listener(Needs(), {0: [Launch(1)], 1: [Launch(1, start=Branch(0, 5))]})
    with pytest.raises(ConfigError, match="needs a live engine"):
        replay(policy, pool, pool.problems[0], range(2))
