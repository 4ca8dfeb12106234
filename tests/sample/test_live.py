"""Live runs: the same policy objects as in replay, on tasks that take time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError, EngineError, PolicyError
from orchestra.sample.again import decide_again
from orchestra.sample.bench import Bench
from orchestra.sample.decisions import Judge, Launch, Stop
from orchestra.sample.events import Begun, Event, Failed, Finished, Judged, Progress
from orchestra.sample.judges.base import Opinion, Question
from orchestra.sample.judges.similar import similarity
from orchestra.sample.live import run_live
from orchestra.sample.named import read_policy
from orchestra.sample.outcome import Outcome
from orchestra.sample.policies.adaptive import Adaptive, Stage, asc_events, self_consistency, short_m
from orchestra.sample.policies.budgeted import Budgeted
from orchestra.sample.policies.probing import ProbeRank
from orchestra.sample.policy import Needs, Policy, Standing
from orchestra.sample.pool import Pool, PooledProblem, Recorded
from orchestra.sample.pool_source import PoolSource
from orchestra.sample.replay import Rules, replay
from orchestra.sample.source import Ending, LiveTrace, Usage


def pool_of(*traces: tuple[str | None, int]) -> Pool:
    recorded = [Recorded(tokens=tokens, answer=answer, correct=answer == "7") for answer, tokens in traces]
    return Pool("made", [PooledProblem(id="p", text="What is 3 + 4?", gold="7", traces=recorded)])


def live(policy: Policy, pool: Pool, order: Sequence[int] | None = None, **options: object):  # type: ignore[no-untyped-def]
    problem = pool.problems[0]
    source = PoolSource(pool, problem, order or range(len(problem.traces)))
    return run_virtual(run_live(policy, source, log=True, **options))  # type: ignore[arg-type]


class Lossy:
    """A source whose traces fail, end or never end."""

    def __init__(self, *fates: str) -> None:
        self.fates = fates
        self.running = 0

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def run(self, trace: LiveTrace) -> Ending:
        fate = self.fates[trace.id]
        self.running += 1
        try:
            await asyncio.sleep(trace.id + 1)
            trace.usage = Usage(sampled=10, span=10)
            if fate == "fails":
                raise EngineError("the server has gone")
            if fate == "hangs":
                await asyncio.Event().wait()
            return Ending(answer=None if fate == "mute" else fate)
        finally:
            self.running -= 1

    async def probe(self, trace: LiveTrace) -> tuple[str | None, Usage]:
        raise EngineError("no probes here")

    def words(self, trace: LiveTrace, tokens: int | None) -> str:
        return f"trace {trace.id}"


def test_a_safe_leader_ends_the_run_and_aborts_the_rest() -> None:
    outcome = live(asc_events(6, threshold=0.93), pool_of(("7", 10), ("7", 20), ("7", 30), ("8", 40), ("9", 50), ("9", 60)))
    assert outcome.answer == "7"
    account = outcome.account
    assert (account.kept, account.aborted, account.span, account.seconds) == (60, 90, 30, 30.0)
    assert (account.launched, account.finished, account.failed) == (6, 3, 0)


def test_the_account_of_a_budget_counts_what_runs_when_the_tokens_are_spent() -> None:
    policy = Budgeted(policy=self_consistency(2), tokens=60, tokens_every=10)
    outcome = live(policy, pool_of(("7", 25), ("8", 100)))
    assert outcome.answer == "7"
    assert outcome.why == "budget: 65 of 60 tokens are spent"
    assert (outcome.account.kept, outcome.account.aborted) == (25, 40)


def test_seconds_run_out_also_when_no_trace_ends() -> None:
    outcome = live(Budgeted(policy=self_consistency(2), seconds=5), pool_of(("7", 25), ("8", 100)))
    assert (outcome.answer, outcome.account.seconds, outcome.account.aborted) == (None, 5.0, 10)


@settings(deadline=None)
@given(st.floats(0, 1000), st.floats(0.001, 90))
def test_seconds_run_out_whenever_the_run_begins(begins: float, seconds: float) -> None:
    pool = pool_of(("7", 100))

    async def main() -> Outcome:
        await asyncio.sleep(begins)
        return await run_live(Budgeted(policy=self_consistency(1), seconds=seconds), PoolSource(pool, pool.problems[0], [0]))

    outcome = run_virtual(main())
    assert outcome.answer is None and "s are over" in outcome.why


@pytest.mark.parametrize("slots", [0, -1])
def test_no_slot_is_an_error(slots: int) -> None:
    for make in (Bench, Rules):
        with pytest.raises(ConfigError, match="`slots` must be at least 1"):
            make(slots=slots)


def test_traces_that_wait_for_a_slot_are_not_probed() -> None:
    traces = [Recorded(tokens=30, answer="7", correct=True, probes=["7", "8", "7"]) for _ in range(3)]
    pool = Pool("made", [PooledProblem(id="p", text="", gold="7", traces=traces)], probe_every=10)
    policy = ProbeRank(n=3, running=2, at=10)
    played = live(policy, pool, bench=Bench(slots=1))
    replayed = replay(policy, pool, pool.problems[0], range(3), rules=Rules(slots=1), log=True)
    assert played.turns == replayed.turns
    assert played.account.probe == replayed.account.probe == 20


def test_slots_make_launches_wait_in_their_order() -> None:
    outcome = live(self_consistency(3), pool_of(("7", 10), ("7", 10), ("8", 10)), bench=Bench(slots=1))
    assert outcome.account.seconds == 30.0
    assert outcome.account.span == 10  # nothing depends on anything: only slots were short


def test_a_lost_trace_is_no_vote() -> None:
    source = Lossy("fails", "7", "mute")
    outcome = run_virtual(run_live(self_consistency(3), source))
    assert (outcome.answer, outcome.error, outcome.account.failed, outcome.account.finished) == ("7", None, 1, 2)


def test_when_every_trace_is_lost_the_outcome_is_an_error_and_no_answer() -> None:
    outcome = run_virtual(run_live(self_consistency(2), Lossy("fails", "fails")))
    assert outcome.answer is None
    assert outcome.error == "every trace was lost: the server has gone"


def test_answers_that_nobody_can_read_leave_no_answer_and_no_error() -> None:
    outcome = run_virtual(run_live(self_consistency(2), Lossy("mute", "mute")))
    assert (outcome.answer, outcome.error) == (None, None)


def test_leaving_by_cancellation_leaves_nothing_running() -> None:
    source = Lossy("hangs", "hangs")

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await run_live(self_consistency(2), source)

    run_virtual(main())
    assert source.running == 0


class AskOnce:
    """Launches two, asks a judge about them when both have ended, and answers by its score."""

    needs = Needs(judges=frozenset({"same_answer"}))
    most = 2

    def decider(self) -> AskOnce:
        return self

    def on(self, event: Event) -> list[object]:
        match event:
            case Begun():
                return [Launch(2)]
            case Finished(trace=1):
                return [Judge("same_answer", ((0, 1),), 5)]
            case Judged():
                return [Stop(str(event.scores[(0, 1)]), "asked")]
        return []

    def standing(self) -> Standing:
        return Standing(answer=None)


@pytest.mark.parametrize("behaviour", ["answers", "fails", "hangs"])
def test_a_judge_that_fails_or_hangs_has_no_opinion(behaviour: str) -> None:
    async def judge(question: Question) -> Opinion:
        assert question.texts == ("trace 0", "trace 1")
        assert question.answers == ("7", "8")
        if behaviour == "fails":
            raise EngineError("judge is down")
        if behaviour == "hangs":
            await asyncio.Event().wait()
        return Opinion(score=0.25, sampled=3, prefill=40)

    bench = Bench(judges={"same_answer": judge}, judge_timeout_s=9)
    outcome = run_virtual(run_live(AskOnce(), Lossy("7", "8"), bench=bench))
    assert outcome.answer == ("0.25" if behaviour == "answers" else "None")
    assert outcome.account.judge == (3 if behaviour == "answers" else 0)
    assert outcome.account.span == (13 if behaviour == "answers" else 10)
    assert outcome.account.seconds == (2 if behaviour != "hangs" else 11)


def test_a_missing_judge_or_arm_is_said_before_anything_is_launched() -> None:
    source = Lossy("7", "8")
    with pytest.raises(ConfigError, match="asks the judge same_answer: give it in `Bench.judges`"):
        run_virtual(run_live(AskOnce(), source))


class Stuck(AskOnce):
    needs = Needs()

    def on(self, event: Event) -> list[object]:
        return [Launch(2)] if isinstance(event, Begun) else []


class Greedy(AskOnce):
    needs = Needs()

    def on(self, event: Event) -> list[object]:
        return [Launch(3)]


@pytest.mark.parametrize(("policy", "words"), [(Stuck(), "neither launches nor stops"), (Greedy(), "says it needs 2 at most")])
def test_a_policy_that_breaks_the_rules_is_named(policy: Policy, words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        run_virtual(run_live(policy, Lossy("7", "8")))


answers = st.sampled_from([None, "7", "8", "9"])
pools = st.lists(st.tuples(answers, st.integers(1, 300)), min_size=1, max_size=12, unique_by=lambda trace: trace[1]).map(
    lambda traces: pool_of(*traces)
)


@settings(deadline=None)  # the machine may be busy
@given(pools, st.data())
def test_a_live_run_decides_what_the_replay_of_the_same_traces_decides(pool: Pool, data: st.DataObject) -> None:
    n = len(pool.problems[0].traces)
    m = data.draw(st.none() | st.integers(1, n))
    first = data.draw(st.integers(1, n))
    stages = (Stage(first, min(m, first) if m else None), *([Stage(n - first, m)] if n > first else []))
    policy = Adaptive(stages=stages, threshold=data.draw(st.none() | st.sampled_from([0.8, 0.9, 0.95])))
    slots = data.draw(st.none() | st.integers(1, 4))
    order = data.draw(st.permutations(range(n)))
    replayed = replay(policy, pool, pool.problems[0], order, rules=Rules(slots=slots), log=True)
    times = [turn.event.at for turn in replayed.turns]
    assume(len(set(times)) == len(times))  # at one moment, ends come in either order
    played = live(policy, pool, order, bench=Bench(slots=slots))
    assert decide_again(policy, played.turns) is None
    assert played.turns == replayed.turns
    mine, theirs = played.account, replayed.account
    assert (played.answer, mine.work, mine.span, mine.seconds) == (replayed.answer, theirs.work, theirs.span, theirs.seconds)


@given(pools, st.integers(1, 12))
def test_kept_and_aborted_tokens_never_exceed_what_the_traces_hold(pool: Pool, m: int) -> None:
    n = len(pool.problems[0].traces)
    outcome = replay(short_m(n, min(m, n)), pool, pool.problems[0], range(n), log=True)
    account = outcome.account
    assert account.work <= sum(trace.tokens for trace in pool.problems[0].traces)
    assert account.finished + account.failed <= account.launched == n
    assert not any(isinstance(turn.event, Failed) for turn in outcome.turns)


@pytest.mark.parametrize("spec", ["slim_sc:n=4,every=10,threshold=0.4", "deep_prune:n=4,judge_tokens=15,clusters=2,sample=1"])
def test_traces_in_lockstep_are_judged_together_live_and_in_a_replay(spec: str) -> None:
    texts = ("red and green and blue", "red and green and grey", "one, two, three", "red and green and blue")
    traces = [
        Recorded(tokens=tokens, answer=str(number % 2), correct=False, text=text)
        for number, (tokens, text) in enumerate(zip((31, 44, 57, 63), texts, strict=True))
    ]
    pool = Pool("made", [PooledProblem(id="p", text="", gold="0", traces=traces)])

    async def live_judge(question: Question) -> Opinion:
        return Opinion(score=similarity(*question.texts), sampled=1, prefill=2)

    def pool_judge(problem: PooledProblem, asked: Sequence[Recorded], tokens: int | None) -> Opinion:
        cut = [(trace.text or "")[: None if tokens is None else len(trace.text or "") * tokens // trace.tokens] for trace in asked]
        return Opinion(score=similarity(*cut), sampled=1, prefill=2)

    policy = read_policy(spec)
    (question,) = policy.needs.judges
    lived = live(policy, pool, bench=Bench(judges={question: live_judge}))
    replayed = replay(policy, pool, pool.problems[0], range(4), rules=Rules(judges={question: pool_judge}), log=True)
    assert [(turn.event, turn.decisions) for turn in lived.turns] == [(turn.event, turn.decisions) for turn in replayed.turns]
    assert any(isinstance(turn.event, Progress) and len(turn.event.tokens) > 1 for turn in lived.turns)
