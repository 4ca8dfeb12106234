"""Whatever the policy, with or without a budget around it: a run ends, and its account adds up."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.engine.virtual import run_virtual
from orchestra.sample.again import decide_again
from orchestra.sample.decisions import Abort, Decision, Launch, Stop
from orchestra.sample.events import Begun, Event, Finished
from orchestra.sample.live import run_live
from orchestra.sample.named import names, read_policy
from orchestra.sample.outcome import Outcome
from orchestra.sample.policy import Decider, Needs, Policy, Standing
from tests.sample.policies.helpers import aborts, launches, run, seen
from tests.sample.policies.made_source import ANSWERS, MadeSource

SMALL = {
    "adaptive": "adaptive:n=8,m=5,weight=length",
    "adaptive_consistency": "adaptive_consistency:n=8,slots=2",
    "asc_events": "asc_events:n=8",
    "atts": "atts:n=4,calibration=0.1/0.3/0.5/0.7,prefix=10",
    "best_of": "best_of:n=8",
    "code_monkeys": "code_monkeys:n=3,steps=3",
    "deep_conf": "deep_conf:n=8,first=2,window=8,stride=4",
    "deep_conf_offline": "deep_conf_offline:n=8,eta=50",
    "deep_prune": "deep_prune:n=8,judge_tokens=10,largest=2",
    "distilled": "distilled:widths=4/3/1",
    "dynasor": "dynasor:n=4,tokens_every=8",
    "esc": "esc:n=8,window=3",
    "first_finish": "first_finish:n=8",
    "parallel_muse": "parallel_muse:budget=8,initial=2",
    "parallel_probe": "parallel_probe:n=6,tokens_every=6,warmup=0,patience=2,stable=3",
    "pdr": "pdr:n=4,rounds=3,distil=top",
    "probe_rank": "probe_rank:n=8,running=3,at=9",
    "rsa": "rsa:n=4,keep=2,loops=2",
    "scale": "scale:fast=2,levels=0.2:1/0.5:4",
    "scale_steps": "scale_steps:steps=3,outlines=3",
    "seat": "seat:n=3,rounds=4",
    "seer": "seer:n=8,quick=3,arm=fast",
    "self_consistency": "self_consistency:n=8,weight=borda^0.5",
    "semantic_entropy": "semantic_entropy:n=8",
    "sequential_refinement": "sequential_refinement:steps=4",
    "short_m": "short_m:n=8,m=3",
    "slim_sc": "slim_sc:n=8,every=7,threshold=0.9",
    "staged": "staged:3@2,5@4",
    "summary_of_n": "summary_of_n:n=6,m=3",
}
ONE = {
    "adaptive": "adaptive:n=1",
    "adaptive_consistency": "adaptive_consistency:n=1",
    "asc_events": "asc_events:n=1",
    "atts": "atts:n=1,calibration=1",
    "best_of": "best_of:n=1",
    "code_monkeys": "code_monkeys:n=1,steps=1",
    "deep_conf": "deep_conf:n=1",
    "deep_conf_offline": "deep_conf_offline:n=1",
    "deep_prune": "deep_prune:n=1",
    "distilled": "distilled:widths=1",
    "dynasor": "dynasor:n=1",
    "esc": "esc:n=1,window=1",
    "first_finish": "first_finish:n=1",
    "parallel_muse": "parallel_muse:budget=1",
    "parallel_probe": "parallel_probe:n=1",
    "pdr": "pdr:n=1",
    "probe_rank": "probe_rank:n=1",
    "rsa": "rsa:n=1,keep=1,loops=1",
    "scale": "scale:fast=1",
    "scale_steps": "scale_steps:steps=1,outlines=1",
    "seat": "seat:n=1,rounds=1",
    "seer": "seer:n=1,quick=1",
    "self_consistency": "self_consistency:n=1",
    "semantic_entropy": "semantic_entropy:n=1",
    "sequential_refinement": "sequential_refinement:steps=1",
    "short_m": "short_m:n=1,m=1",
    "slim_sc": "slim_sc:n=1",
    "staged": "staged:1",
    "summary_of_n": "summary_of_n:n=1",
}


def played(policy: Policy, source: MadeSource) -> Outcome:
    """A live run in virtual time, of which all that must always hold has been checked."""
    outcome = run_virtual(run_live(policy, source, problem="p", bench=source.bench(policy.needs), log=True))
    account = outcome.account
    assert source.running == 0
    assert account.work == account.kept + account.aborted + account.probe + account.judge + account.summary == source.sampled
    assert account.launched <= policy.most
    assert account.launched - account.finished - account.failed >= source.aborted  # some are aborted before they begin
    assert account.finished <= len(source.ended)
    decided = [decision for turn in outcome.turns for decision in turn.decisions]
    assert [isinstance(decision, Stop) for decision in decided].count(True) == 1
    assert isinstance(decided[-1], Stop) and outcome.why
    named = [trace for decision in decided if isinstance(decision, Abort) for trace in decision.traces]
    assert len(named) == len(set(named)), "a decider aborts a trace once"
    assert outcome.answer in {None, *ANSWERS}
    if outcome.error or account.failed == account.launched:
        assert outcome.error and outcome.answer is None and account.failed and not account.finished
    assert decide_again(policy, outcome.turns) is None
    return outcome


def test_every_name_is_played_here() -> None:
    assert sorted(SMALL) == sorted(ONE) == names()


worlds = st.builds(
    MadeSource,
    random=st.randoms(use_true_random=False),
    mute=st.sampled_from([False, False, True]),
    failing=st.sampled_from([0.0, 0.0, 0.3, 1.0]),
    silent_judge=st.sampled_from([False, False, True]),
)
budgets = st.sampled_from(
    [
        "",
        "| budget:tokens=60,tokens_every=4",
        "| budget:tokens=60,tokens_every=7",
        "| budget:seconds=25",
        "| budget:traces=1",
        "| budget:traces=3",
        "| budget:traces=5,seconds=40,tokens=150,tokens_every=5",
        "| budget:seconds=40 | budget:traces=2 | budget:tokens=90",
    ]
)


@settings(max_examples=200, deadline=None)
@given(world=worlds, name=st.sampled_from(sorted(SMALL)), budget=budgets)
def test_a_budget_around_any_policy_ends_it(world: MadeSource, name: str, budget: str) -> None:
    policy = read_policy(f"{SMALL[name]} {budget}")
    outcome = played(policy, world)
    if "tokens=60" in budget:  # the source tells of up to 5 tokens at a time
        assert outcome.account.kept + outcome.account.aborted <= 60 + (policy.needs.tokens_every + 4) * policy.most
    if "seconds=25" in budget:
        assert outcome.account.seconds <= 25
    if "traces=1" in budget:
        assert outcome.account.launched == 1


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize(
    "fate", [{}, {"mute": True}, {"failing": 1.0}, {"silent_judge": True}, {"mute": True, "silent_judge": True}], ids=str
)
def test_every_policy_ends_whatever_becomes_of_its_traces(name: str, fate: dict) -> None:  # type: ignore[type-arg]
    for seed in range(3):
        outcome = played(read_policy(SMALL[name]), MadeSource(Random(seed), **fate))
        if "mute" in fate:
            assert (outcome.answer, outcome.error) == (None, None)
        if "failing" in fate:
            assert outcome.answer is None and outcome.error == "every trace was lost: the server has gone"


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("fate", [{}, {"mute": True}, {"failing": 1.0}, {"silent_judge": True}], ids=str)
def test_one_trace_is_enough_for_every_policy(name: str, fate: dict) -> None:  # type: ignore[type-arg]
    for seed in range(3):
        played(read_policy(ONE[name]), MadeSource(Random(seed), **fate))


@pytest.mark.parametrize("name", names())
def test_a_budget_that_is_never_reached_changes_no_decision(name: str) -> None:
    for seed in range(3):
        bare = played(read_policy(SMALL[name]), MadeSource(Random(seed)))
        policy = read_policy(f"{SMALL[name]} | budget:traces=99,tokens=99999,tokens_every=1000")
        if policy.needs == read_policy(SMALL[name]).needs:
            around = played(policy, MadeSource(Random(seed)))
            assert (around.answer, around.why, around.account, around.turns) == (bare.answer, bare.why, bare.account, bare.turns)


def test_short_m_in_stages_in_a_budget() -> None:
    # Two first, of which one vote is waited for; then three more until three votes are in. 0 ends at 10 with 8, which leads to the second
    # stage, and 1 at 20 with 7. Of the three, launched at 10, 4 ends at 10 + 15 with 7: three votes. 2 has 15 tokens by then, and 3, too.
    traces = [("8", 10), ("7", 20), ("9", 40), ("9", 50), ("7", 15)]
    staged = "staged:2@1,3@3,threshold=0.99"
    outcome = run(read_policy(f"{staged} | budget:tokens=1000"), *traces)
    assert launches(outcome) == [2, 3]
    assert seen(outcome) == ("7", 10 + 20 + 15, 15 + 15, 25)
    # At 20 steps, just before 1 ends, 10 + 20 tokens are known, and 10 of each of the three, which is 60.
    short = run(read_policy(f"{staged} | budget:tokens=60,tokens_every=5"), *traces)
    assert short.why == "budget: 60 of 60 tokens are spent"
    assert seen(short) == ("8", 10, 20 + 30, 20)
    # One of the three is launched, and 2 is it: the run waits for it in vain, with three votes in.
    few = run(read_policy(f"{staged} | budget:traces=3"), *traces)
    assert launches(few) == [2, 1]
    assert (seen(few), aborts(few), few.why) == (("8", 70, 0, 50), [], "3 votes are in")


def test_what_a_budget_refuses_is_lost_to_the_policy_at_once() -> None:
    # The summary of three is refused: the majority of the three answers.
    outcome = run_virtual(_summary())
    assert outcome.account.launched == 3
    assert outcome.why == "budget: no more than 3 traces may be launched: the summary is lost, the traces vote"


async def _summary() -> Outcome:
    policy = read_policy("summary_of_n:n=3 | budget:traces=3")
    return await run_live(policy, MadeSource(Random(0)), problem="p", log=True)


def test_the_policy_inside_hears_of_its_own_multiples_of_tokens() -> None:
    # Every 30 tokens divides into 15: told at 15, 30, 45 …, of which the judge hears at 30.
    policy = read_policy("slim_sc:n=2,every=30 | budget:tokens=9999,tokens_every=20")
    assert policy.needs.tokens_every == 15
    bare, around = (MadeSource(Random(3), longest=200) for _ in range(2))
    asked = [
        [turn.event for turn in played(p, source).turns if turn.decisions and "Judge(" in str(turn.decisions)]
        for p, source in ((read_policy("slim_sc:n=2,every=30"), bare), (policy, around))
    ]
    assert [(e.at) for e in asked[0]] == [(e.at) for e in asked[1]] and asked[0]


def test_an_abort_counts_once_and_not_at_all_for_what_has_ended() -> None:
    # Whenever something ends, 0 and 1 are aborted, each twice: 0 has ended at 10, 1 runs until then, 2 ends at 30.
    outcome = run(Insistent(), ("7", 10), ("8", 20), ("9", 30))
    account = outcome.account
    assert (account.kept, account.aborted, account.work) == (10 + 30, 10, 50)
    assert (account.launched, account.finished, account.failed) == (3, 2, 0)


class Insistent:
    """A policy and its decider that abort again and again."""

    needs = Needs()
    most = 3

    def decider(self) -> Decider:
        return self

    def on(self, event: Event) -> list[Decision]:
        if isinstance(event, Begun):
            return [Launch(3)]
        again: list[Decision] = [Abort((0, 1, 0)), Abort((1,))]
        return [*again, Stop("9", "done")] if isinstance(event, Finished) and event.trace == 2 else again

    def standing(self) -> Standing:
        return Standing(answer=None)
