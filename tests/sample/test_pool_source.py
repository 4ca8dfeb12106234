"""Recorded traces played to the live runner, at their pace."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError
from orchestra.sample.live import run_live
from orchestra.sample.policies.adaptive import asc_events, self_consistency
from orchestra.sample.policies.budgeted import Budgeted
from orchestra.sample.policies.probing import ParallelProbe
from orchestra.sample.policy import Policy
from orchestra.sample.pool import Pool, PooledProblem, Recorded
from orchestra.sample.pool_source import PoolSource
from orchestra.sample.replay import replay
from orchestra.sample.source import Ending, LiveTrace


def recorded(tokens: int, answer: str, **fields: object) -> Recorded:
    return Recorded(tokens=tokens, answer=answer, correct=answer == "7", **fields)  # type: ignore[arg-type]


PROBED = [recorded(30 + 7 * n, "7" if n % 3 else "1", probes=["1", "7", "7", "7", "7"]) for n in range(6)]
POOL = Pool("made", [PooledProblem(id="p", text="", gold="7", traces=PROBED)], probe_every=10)


@pytest.mark.parametrize("policy", [asc_events(6), ParallelProbe(n=6, tokens_every=10, warmup=0, patience=2, stable=3)])
@pytest.mark.parametrize("pace", [1.0, 0.01])
def test_a_live_run_on_it_decides_what_a_replay_decides(policy: Policy, pace: float) -> None:
    source = PoolSource(POOL, POOL.problems[0], range(6), seconds_per_token=pace)
    lived = run_virtual(run_live(policy, source))
    replayed = replay(policy, POOL, POOL.problems[0], range(6))
    assert (lived.answer, lived.why) == (replayed.answer, replayed.why)
    assert lived.account.span == replayed.account.span


def test_a_forked_trace_takes_its_span_and_costs_its_work() -> None:
    pool = Pool("forked", [PooledProblem(id="p", text="", gold="7", traces=[recorded(90, "7", span=30)])])
    outcome = run_virtual(run_live(self_consistency(1), PoolSource(pool, pool.problems[0], [0])))
    assert (outcome.account.kept, outcome.account.span) == (90, 30)
    assert outcome.account.seconds == pytest.approx(30)


@pytest.mark.parametrize("chunk", [1, 4])
def test_a_forked_trace_makes_as_much_progress_as_it_samples(chunk: int) -> None:
    pool = Pool("forked", [PooledProblem(id="p", text="", gold="7", traces=[recorded(900, "7", span=300)] * 2)])
    policy = Budgeted(policy=self_consistency(2), tokens=600, tokens_every=60)
    lived = run_virtual(run_live(policy, PoolSource(pool, pool.problems[0], range(2), chunk=chunk)))
    replayed = replay(policy, pool, pool.problems[0], range(2))
    for account in (lived.account, replayed.account):
        assert (account.aborted, account.span) == (600, 100)


def test_words_are_as_large_a_share_of_the_text_as_of_the_tokens() -> None:
    pool = Pool("text", [PooledProblem(id="p", text="", gold="7", traces=[recorded(10, "7", text="abcdefghijklmnopqrst")])])
    source = PoolSource(pool, pool.problems[0], [0])
    shown: list[str] = []

    class Peeking(PoolSource):
        async def run(self, trace: LiveTrace) -> Ending:
            ending = await source.run(trace)
            shown.extend([source.words(trace, None), source.words(trace, 5), source.words(trace, 99)])
            return ending

    run_virtual(run_live(self_consistency(1), Peeking(pool, pool.problems[0], [0])))
    assert shown == ["abcdefghijklmnopqrst", "abcdefghij", "abcdefghijklmnopqrst"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PoolSource(POOL, POOL.problems[0], [0], seconds_per_token=0), "a pace takes time"),
        (lambda: PoolSource(POOL, POOL.problems[0], [0], chunk=0), "chunks hold tokens"),
    ],
)
def test_a_pace_that_cannot_be_kept_is_an_error(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_when_all_traces_are_played_it_says_so() -> None:
    with pytest.raises(ConfigError, match="no more traces for p: lower the policy's `n`"):
        run_virtual(run_live(self_consistency(2), PoolSource(POOL, POOL.problems[0], [0])))
