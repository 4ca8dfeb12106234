"""Entropy of answers decides."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.sample.decisions import Launch, Stop
from orchestra.sample.events import Begun
from orchestra.sample.policies.entropy import Seer, SemanticEntropy
from orchestra.sample.policy import Needs, Standing
from orchestra.sample.tally import ahead
from tests.sample.policies.helpers import decide, end, launches, lose, run, seen, survives


def test_it_answers_when_the_answers_agree_enough() -> None:
    # 3 to 1: -(¾ log2 ¾ + ¼ log2 ¼) = 0.811 bits.
    outcome = run(SemanticEntropy(n=4, max_bits=0.82), ("7", 10), ("8", 20), ("7", 30), ("7", 40))
    assert seen(outcome) == ("7", 100, 0, 40)
    assert outcome.why == "0.81 bits in 4 traces"


def test_it_abstains_when_they_scatter_and_says_why() -> None:
    outcome = run(SemanticEntropy(n=4, max_bits=0.8), ("7", 10), ("8", 20), ("7", 30), ("7", 40))
    assert outcome.answer is None and outcome.trace is None
    assert outcome.why == "abstains: the answers scatter over 0.81 bits, more than 0.8"


def test_silent_traces_do_not_count_as_scatter() -> None:
    assert run(SemanticEntropy(n=3, max_bits=0), ("7", 10), (None, 20), ("7", 30)).answer == "7"


def test_it_stands_by_an_answer_only_while_they_agree() -> None:
    decider = SemanticEntropy(n=3, max_bits=0.5).decider()
    decider.on(Begun(0))
    decider.on(end(0, "7"))
    assert decider.standing() == Standing(answer="7", trace=0, posterior=0.75)
    decider.on(end(1, "8"))
    assert decider.standing() == Standing(answer=None, posterior=ahead(1, 1))


def test_nothing_readable_is_no_abstention() -> None:
    outcome = run(SemanticEntropy(n=2), (None, 10), (None, 10))
    assert outcome.answer is None and "no trace gave an answer" in outcome.why


def test_entropy_of_quick_answers_decides_how_many_follow() -> None:
    seer = Seer(n=8, quick=4)
    assert [seer.budget(bits) for bits in (0.0, 0.6, 0.61, 2.0, 2.01)] == [1, 1, 4, 4, 8]


def test_quick_traces_of_the_main_arm_count_among_n() -> None:
    # 1.58 bits among three: 8 // 2 = 4 in all, so that one more follows.
    outcome = run(Seer(n=8, quick=3), ("7", 10), ("8", 10), ("9", 10), ("8", 20), *[("7", 10)] * 4)
    assert launches(outcome) == [3, 1]
    assert seen(outcome) == ("8", 50, 0, 30)
    assert outcome.why == "1.58 bits in 3 quick traces: 4 of 8"


def test_agreeing_quick_traces_need_nobody_else() -> None:
    assert seen(run(Seer(n=4, quick=2), *[("7", 10)] * 4)) == ("7", 20, 0, 10)


def test_quick_traces_of_another_arm_only_set_the_budget() -> None:
    seer = Seer(n=4, quick=2, arm="fast")
    assert (seer.most, seer.needs) == (6, Needs(arms=frozenset({"fast"})))
    decisions = decide(seer, Begun(0), end(0, "7"), end(1, "7"), end(2, "8"))
    assert decisions == [[Launch(2, "fast")], [], [Launch(1)], [Stop("8", "0.00 bits in 2 quick traces: 1 of 4", 2)]]


def test_without_quick_answers_all_follow() -> None:
    decisions = decide(Seer(n=4, quick=2, arm="fast"), Begun(0), lose(0), end(1, None))
    assert decisions[2] == [Launch(4)]


def test_without_slow_answers_the_quick_ones_vote() -> None:
    *_, last = decide(Seer(n=4, quick=2, arm="fast"), Begun(0), end(0, "7"), end(1, "7"), lose(2))
    assert last == [Stop("7", "0.00 bits in 2 quick traces: 1 of 4; no slow trace gave an answer, so the quick ones vote", 0)]


def test_all_lost_is_no_answer() -> None:
    (*_, last) = decide(Seer(n=2, quick=1), Begun(0), lose(0), lose(1))
    assert isinstance(last[0], Stop) and last[0].answer is None


def test_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match="`max_bits` must be at least 0, got nan"):
        SemanticEntropy(max_bits=float("nan"))
    with pytest.raises(ValueError, match="count among the 2, got quick=3"):
        Seer(n=2, quick=3)
    with pytest.raises(ValueError, match="`low` <= `high`"):
        Seer(low=2, high=1)


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 6), st.integers(1, 6))
def test_it_survives_anything(random: Random, n: int, quick: int) -> None:
    survives(SemanticEntropy(n=n), random)
    survives(Seer(n=n, quick=min(n, quick)), random)
    survives(Seer(n=n, quick=quick, arm="fast"), random)
