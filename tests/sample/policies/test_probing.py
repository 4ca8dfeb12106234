"""Forced answers. Recorded ones are given every 10 tokens; a probe is charged with 20."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.sample.decisions import Abort, Launch, Probe, Stop
from orchestra.sample.events import Begun, Event, Probed, Progress
from orchestra.sample.outcome import Outcome
from orchestra.sample.policies.probing import Dynasor, ParallelProbe, ProbeRank
from orchestra.sample.policy import Policy
from orchestra.sample.pool import Recorded
from tests.sample.policies.helpers import aborts, decide, end, lose, run, seen, survives


def probed(policy: Policy, *traces: tuple[str | None, int, str]) -> Outcome:
    """Final answer, tokens, and one letter a forced answer, "-" for none."""
    made = [
        Recorded(answer=answer, tokens=tokens, correct=False, probes=[None if c == "-" else c for c in probes])
        for answer, tokens, probes in traces
    ]
    return run(policy, *made, probe_every=10)


def dynasor(n: int = 1, equal: int = 3) -> Dynasor:
    return Dynasor(n=n, equal=equal, tokens_every=10)


def test_a_trace_that_repeats_itself_is_certain() -> None:
    outcome = probed(dynasor(), ("9", 100, "8777777777"))
    assert seen(outcome) == ("7", 0, 40, 40)
    assert outcome.account.probe == 4 * 20
    assert outcome.why == "1 of 1 traces were certain, 0 finished"


def test_an_unreadable_probe_breaks_the_row() -> None:
    assert seen(probed(dynasor(), ("9", 65, "77-777"))) == ("7", 0, 60, 60)
    assert seen(probed(dynasor(), ("9", 55, "77-77"))) == ("9", 55, 0, 55)


def test_certain_and_finished_traces_vote_alike() -> None:
    # 0 is certain of 7 at 30, 1 finishes with 8 at 15, and 2 with 8 at 45.
    outcome = probed(dynasor(3), ("9", 100, "7777777777"), ("8", 15, "7"), ("8", 45, "1234"))
    assert seen(outcome) == ("8", 60, 30, 45)


def test_probes_that_come_after_the_end_are_passed_over() -> None:
    decisions = decide(
        dynasor(2, equal=1), Begun(0), Progress(10, {0: 10, 1: 10}), end(0, "8"), Probed(11, {0: "7", 1: "7"}), lose(1)
    )
    assert decisions[1] == [Probe((0, 1))]
    assert decisions[3] == [Abort((1,)), Stop("8", "1 of 2 traces were certain, 1 finished", 0)]


def parallel(n: int, *, warmup: int = 0, patience: int = 2, stable: int = 3) -> ParallelProbe:
    return ParallelProbe(n=n, tokens_every=10, warmup=warmup, patience=patience, stable=stable)


def test_a_majority_that_stands_still_is_the_answer() -> None:
    # 7 leads from round 2 on, and is confirmed in rounds 3, 4 and 5.
    outcome = probed(parallel(3, patience=9), ("1", 100, "8777777777"), ("2", 100, "8777777777"), ("3", 100, "9999999999"))
    assert seen(outcome) == ("7", 0, 150, 50)
    assert outcome.why == "the majority stood still for 3 rounds"


def test_a_trace_off_the_majority_is_pruned_after_patience() -> None:
    # Round 1 only sets the scene; 2 is off in rounds 2 and 3.
    outcome = probed(parallel(3, stable=9), ("7", 60, "777777"), ("7", 60, "777777"), ("3", 60, "999999"))
    assert aborts(outcome) == [(30.0, (2,))]
    assert seen(outcome) == ("7", 120, 30, 60)


def test_agreeing_once_starts_the_count_again() -> None:
    outcome = probed(parallel(3, stable=9), ("7", 60, "777777"), ("7", 60, "777777"), ("3", 60, "997999"))
    assert aborts(outcome) == [(50.0, (2,))]


def test_nothing_is_pruned_during_the_warm_up() -> None:
    outcome = probed(parallel(3, warmup=2, stable=9), ("7", 60, "777777"), ("7", 60, "777777"), ("3", 60, "999999"))
    assert aborts(outcome) == [(50.0, (2,))]


def test_finished_traces_keep_their_vote_and_pruned_ones_lose_it() -> None:
    # 0 ends at 15 with 9, and from round 2 on the majority is 9 (0 and 2); 1 is pruned in round 3.
    outcome = probed(parallel(3, stable=9), ("9", 15, "7"), ("7", 60, "777777"), ("9", 60, "999999"))
    assert aborts(outcome) == [(30.0, (1,))]
    assert seen(outcome) == ("9", 75, 30, 60)


def test_silent_traces_never_vote_but_disagree() -> None:
    outcome = probed(parallel(3, stable=9), ("7", 40, "7777"), (None, 60, "------"), (None, 60, "------"))
    assert aborts(outcome) == [(30.0, (1, 2))]
    assert outcome.answer == "7"


def test_without_any_majority_nothing_is_pruned_or_confirmed() -> None:
    outcome = probed(parallel(2, stable=1), (None, 40, "----"), (None, 40, "----"))
    assert (outcome.answer, aborts(outcome), outcome.account.kept) == (None, [], 80)


def test_a_round_waits_for_the_slowest() -> None:
    policy = parallel(2, patience=9, stable=1)
    events = [Begun(0), Progress(1, {0: 10}), Probed(1, {0: "7"}), Progress(2, {0: 20}), Probed(2, {0: "7"})]
    assert decide(policy, *events)[2::2] == [[], []]
    both = [Progress(3, {1: 20}), Probed(3, {1: "8"}), Progress(4, {0: 30, 1: 30}), Probed(4, {0: "7", 1: "8"})]
    assert decide(policy, *events, *both)[-1] == [Stop("7", "the majority stood still for 1 rounds", 0)]


def test_answers_that_come_late_count_in_the_round_that_asked_for_them() -> None:
    # Round 1 only meets the majority; 2 and 3 confirm it.
    asked: list[Event] = [Progress(float(k), {0: 10 * k, 1: 10 * k}) for k in (1, 2, 3)]
    answered: list[Event] = [Probed(4.0, {0: "7", 1: "7"})] * 3
    decisions = decide(parallel(2, stable=2), Begun(0.0), *asked, *answered)
    assert decisions[4:6] == [[], []]
    assert decisions[6] == [Stop("7", "the majority stood still for 2 rounds", 0)]


def test_lost_traces_have_no_say() -> None:
    decisions = decide(parallel(2), Begun(0), Progress(1, {0: 10, 1: 10}), Probed(1, {0: "7", 1: "8"}), lose(0), end(1, "8"))
    assert decisions[3:] == [[], [Stop("8", "no trace is left after 1 rounds", 1)]]


def test_the_least_supported_are_given_up_for_a_budget_of_running_traces() -> None:
    # At 20 tokens: 0 has ended with 7; 1 says 8, 2 says 9, 3 says 9, 4 says nothing, 5 says 7.
    outcome = probed(
        ProbeRank(n=6, running=3, at=20, threshold=1),
        ("7", 15, "7"),
        ("8", 50, "78888"),
        ("9", 50, "99999"),
        ("9", 50, "99999"),
        ("9", 50, "-----"),
        ("7", 50, "77777"),
    )
    assert aborts(outcome) == [(20.0, (1, 4))]
    assert outcome.account.probe == 5 * 20


def test_forced_answers_never_vote() -> None:
    # All forced answers say 9, and none of the final ones does.
    outcome = probed(ProbeRank(n=3, running=2, at=10), *[("7", 25, "99")] * 3)
    assert (outcome.answer, aborts(outcome)) == ("7", [(10.0, (2,))])


def test_nobody_is_probed_when_few_enough_run() -> None:
    outcome = probed(ProbeRank(n=3, running=2, at=20), ("7", 15, "7"), ("7", 50, "77777"), ("8", 60, "888888"))
    assert (outcome.account.probe, aborts(outcome), outcome.answer) == (0, [], "7")


def test_a_safe_leader_ends_the_ranking() -> None:
    outcome = probed(ProbeRank(n=6, running=6, at=500), *[("7", 10, "7")] * 4, *[("8", 90, "8")] * 2)
    assert (outcome.answer, outcome.account.aborted, outcome.account.span) == ("7", 20, 10)


def test_failed_probes_rank_by_launch() -> None:
    decisions = decide(ProbeRank(n=3, running=1, at=10), Begun(0), Progress(1, {1: 10}), Probed(1, {0: None, 1: None, 2: None}))
    assert decisions == [[Launch(3)], [Probe((0, 1, 2))], [Abort((1, 2))]]


@pytest.mark.parametrize("policy", [dynasor(2), parallel(2), ProbeRank(n=2, at=10)])
def test_all_lost_is_no_answer(policy: Policy) -> None:
    *_, last = decide(policy, Begun(0), lose(0), lose(1))
    assert isinstance(last[0], Stop) and last[0].answer is None and "no trace gave an answer" in last[0].why


def test_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match="`equal` must be at least 1, got 0"):
        Dynasor(equal=0)
    with pytest.raises(ValueError, match="`warmup` must be at least 0, got -1"):
        ParallelProbe(warmup=-1)
    with pytest.raises(ValueError, match="`threshold`"):
        ProbeRank(threshold=0.5)


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 6), st.integers(1, 3), st.integers(0, 2))
def test_it_survives_anything(random: Random, n: int, times: int, warmup: int) -> None:
    survives(dynasor(n, times), random)
    survives(parallel(n, warmup=warmup, patience=times, stable=times + 2), random)
    survives(ProbeRank(n=n, running=times, at=20), random)
