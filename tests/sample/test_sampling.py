"""`sample`: from a problem to an answer and its account."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from orchestra.answers import Equivalence
from orchestra.chat import ChatRequest, ScriptedChat
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError
from orchestra.sample import RECOMMENDED, Bench, Sampled, sample
from orchestra.sample.outcome import Turn
from orchestra.sample.policy import Decider
from orchestra.sample.pool import Pool, PooledProblem, Recorded
from orchestra.sample.pool_source import PoolSource
from orchestra.sample.tree import sample_tree

POOL = Pool(
    "made",
    [
        PooledProblem(
            id="p",
            text="What is 3 + 4?",
            gold="7",
            traces=[Recorded(tokens=10 * n, answer="7" if n % 3 else "8", correct=bool(n % 3)) for n in range(1, 21)],
        )
    ],
)


def pooled(**options: object) -> Sampled:
    source = PoolSource(POOL, POOL.problems[0], range(20))
    return run_virtual(sample("What is 3 + 4?", source, **options))  # type: ignore[arg-type]


def scripted(*texts: str) -> ScriptedChat:
    said: Iterator[str] = iter(texts)

    def answer(request: ChatRequest) -> str:
        return next(said)

    return ScriptedChat(answer)


def test_the_recommended_policy_needs_no_more_than_a_problem_and_a_source() -> None:
    sampled = pooled()
    assert sampled.answer == "7"
    assert sampled.outcome.account.launched == 16
    assert len(sampled.traces) == 16
    assert RECOMMENDED.startswith("adaptive:n=16,m=10")


def test_the_answer_is_in_the_words_of_the_trace_that_speaks_for_it() -> None:
    chat = scripted(r"So \boxed{\frac{1}{2}}", r"So \boxed{0.5}", r"So \boxed{2}")

    async def main() -> Sampled:
        async with Equivalence() as answers, chat:
            return await sample("Half of one?", chat, policy="self_consistency:n=3", answers=answers)

    sampled = run_virtual(main())
    assert sampled.answer in (r"\frac{1}{2}", "0.5")  # whose answer was read first: one class, two votes
    assert sampled.text == rf"So \boxed{{{sampled.answer}}}"
    assert sampled.outcome.account.finished == 3


def test_a_problem_that_nobody_answers_has_no_answer_and_no_words() -> None:
    chat = scripted("I give up", "no idea")

    async def main() -> Sampled:
        async with chat:
            return await sample("Half of one?", chat, policy="self_consistency:n=2")

    sampled = run_virtual(main())
    assert (sampled.answer, sampled.text, sampled.outcome.error) == (None, "", None)


def test_a_log_holds_every_event_and_an_observer_hears_each() -> None:
    heard: list[Turn] = []

    def observe(turn: Turn, decider: Decider) -> None:
        heard.append(turn)

    sampled = pooled(policy="short_m:n=6,m=3", log=True, observer=observe)
    assert list(sampled.outcome.turns) == heard
    assert len(heard) == 1 + sampled.outcome.account.finished


def test_slots_hold_launches_back() -> None:
    at_once = pooled(policy="self_consistency:n=4").outcome.account.seconds
    in_turn = pooled(policy="self_consistency:n=4", bench=Bench(slots=1)).outcome.account.seconds
    assert (at_once, in_turn) == (40.0, 100.0)


@pytest.mark.parametrize(
    ("policy", "advice"),
    [
        ("shortm:n=4,m=2", "did you mean short_m"),
        ("short_m:n=4", "lacks `m=…`"),
        ("short_m:n=4,m=9", "stage 1 waits for 9 votes, but only 4 traces"),
        ("self_consistency:n=4 | budget:tokens=0", "tokens"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_before_anything_runs(policy: str, advice: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(advice)):
        pooled(policy=policy)


def test_recorded_traces_have_no_timeline() -> None:
    sampled = pooled(policy="self_consistency:n=2")
    assert sample_tree(sampled.outcome, sampled.traces) is None
