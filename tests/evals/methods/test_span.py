"""A budget of span: chains of traces end where it is spent, single waves do not before."""

from __future__ import annotations

from orchestra.evals.methods.span import SpanBudget

from orchestra.sample.decisions import Launch, Stop
from orchestra.sample.events import Begun, Finished, Progress
from orchestra.sample.named import read_policy


def test_traces_of_one_wave_do_not_add_up() -> None:
    decider = SpanBudget(policy=read_policy("self_consistency:n=2"), span=100).decider()
    assert list(decider.on(Begun(0.0))) == [Launch(2)]
    assert list(decider.on(Finished(1.0, 0, "7", 90))) == []
    (stop,) = decider.on(Finished(1.1, 1, "7", 95))
    assert isinstance(stop, Stop) and stop.answer == "7" and "budget" not in stop.why


def test_a_chain_of_waves_ends_where_its_span_is_spent() -> None:
    decider = SpanBudget(policy=read_policy("staged:1,1@2,1@3"), span=100).decider()
    list(decider.on(Begun(0.0)))
    (launch,) = decider.on(Finished(1.0, 0, "7", 60))
    assert isinstance(launch, Launch)
    (stop,) = decider.on(Finished(2.0, 1, "8", 50))
    assert isinstance(stop, Stop) and stop.why == "budget: the span has reached 110 of 100 tokens"


def test_running_traces_are_watched_and_the_policy_inside_hears_what_it_asked_for() -> None:
    policy = SpanBudget(policy=read_policy("self_consistency:n=2"), span=100, every=32)
    assert policy.needs.tokens_every == 32
    decider = policy.decider()
    list(decider.on(Begun(0.0)))
    assert list(decider.on(Progress(1.0, {0: 32, 1: 64}))) == []
    (stop,) = decider.on(Progress(2.0, {0: 128}))
    assert isinstance(stop, Stop) and stop.answer is None
