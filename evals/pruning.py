"""`DeepPrune` with several judges on the same draws, against plain majorities: all of its traces', and those of as many tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from orchestra.sample.policies.deep_prune import DeepPrune
from orchestra.sample.pool import Pool
from orchestra.sample.replay import Rules

from .pair_scores import PairScores
from .replay.compare import match
from .replay.resample import Majority, Played, Resampling, run
from .statistics import mean, paired_difference

ORACLE_TAU = 0.5
Difference = tuple[float, float, float]
"""Mean over problems, with its 95 % interval over problems and draws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """One policy with one judge; counts are means a problem."""

    judge: str
    tokens: int
    largest: int
    tau: float
    accuracy: float
    accuracy_error: float | None
    sampled: float
    judge_read: float
    span: float
    pruned: float
    """Traces that were aborted."""
    saved: float
    """Share of the tokens of all its traces that were not sampled."""
    to_all: Difference
    """To the majority of all its traces: what the paper reports."""
    majority: float
    """Accuracy of the majority at as many sampled tokens."""
    at_equal_tokens: Difference
    """To it."""
    with_read: Difference
    """To the majority at as many tokens when those that the judge reads count, too, at their price."""
    with_read_out_of_reach: int
    """Problems whose traces all together cost less than that; there the majority is of all."""
    to_shuffled: Difference | None
    """To the trained judge's opinions about other traces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Of a comparison."""

    n: int
    """Traces that are launched."""
    resamples: int
    read_price: float
    """Of a token that a judge reads, in sampled tokens."""
    seed: int = 0
    processes: int = 1


def prunings(
    pool: Pool, judges: Mapping[str, PairScores], lengths: Sequence[int], taus: Sequence[float], larges: Sequence[int], terms: Terms
) -> list[Pruning]:
    """Every judge with every setting. `taus` are thresholds of the judge "trained"; the others, but for "oracle", get those above which as many
    pairs lie."""
    asked = list(product(lengths, taus, larges))
    trained = judges["trained"]
    played: dict[str, list[tuple[DeepPrune, list[Played]]]] = {}
    majority: list[Majority] = []
    for name, judge in judges.items():
        policies = [
            DeepPrune(
                n=terms.n,
                judge_tokens=tokens,
                tau=_tau(name, judge, tau, tokens, trained),
                clusters=terms.n,
                largest=largest,
            )
            for tokens, tau, largest in asked
            if name != "oracle" or tau == taus[0]
        ]
        rules = Rules(judges={"same_answer": judge})
        resampling = Resampling(pool=pool, policies=policies, rules=rules, resamples=terms.resamples, seed=terms.seed)
        results = run(resampling, processes=terms.processes)
        played[name], majority = list(zip(policies, results.played, strict=True)), results.majority
    shuffled = [one for _, one in played.get("shuffled", [])]
    return [
        _pruning(name, policy, one, majority, shuffled[at] if shuffled and name in ("trained", "similar") else None, terms)
        for name, every in played.items()
        for at, (policy, one) in enumerate(every)
    ]


def _tau(name: str, judge: PairScores, tau: float, tokens: int, trained: PairScores) -> float:
    if name == "oracle":
        return ORACLE_TAU
    return tau if judge is trained or name == "shuffled" else judge.threshold(trained.above(tau, tokens), tokens)


def _pruning(
    judge: str,
    policy: DeepPrune,
    played: Sequence[Played],
    majority: Sequence[Majority],
    others: Sequence[Played] | None,
    terms: Terms,
) -> Pruning:
    accuracy = mean([_mean(one.right) for one in played])
    assert accuracy is not None, "a pool has problems"
    sampled = [_mean(one.work) for one in played]
    read = [one.means["judge_read"] for one in played]
    dear = [a + terms.read_price * b for a, b in zip(sampled, read, strict=True)]
    right = [list(one.right) for one in played]
    at_equal = _at(sampled, majority)
    return Pruning(
        judge=judge,
        tokens=policy.judge_tokens,
        largest=policy.largest,
        tau=policy.tau,
        accuracy=accuracy.value,
        accuracy_error=accuracy.error,
        sampled=_mean(sampled),
        judge_read=_mean(read),
        span=_mean([_mean(one.span) for one in played]),
        pruned=_mean([one.means["launched"] - one.means["finished"] for one in played]),
        saved=1 - _mean(sampled) / _mean([votes.work[policy.n - 1] for votes in majority]),
        to_all=_difference(right, [list(votes.right[policy.n - 1]) for votes in majority], terms.seed),
        majority=_mean([_mean(share) for share in at_equal]),
        at_equal_tokens=_difference(right, at_equal, terms.seed),
        with_read=_difference(right, _at(dear, majority), terms.seed),
        with_read_out_of_reach=sum(cost > votes.work[-1] for cost, votes in zip(dear, majority, strict=True)),
        to_shuffled=_difference(right, [list(one.right) for one in others], terms.seed) if others is not None else None,
    )


def _at(costs: Sequence[float], majority: Sequence[Majority]) -> list[list[float]]:
    """Shares of right answers of majorities that cost as much, problem by problem."""
    return [match(cost, votes.work).of(votes) for cost, votes in zip(costs, majority, strict=True)]


def _difference(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]], seed: int) -> Difference:
    differences = [[a - b for a, b in zip(own, other, strict=True)] for own, other in zip(ours, theirs, strict=True)]
    interval = paired_difference({"": differences}, seed=seed)
    assert interval is not None, "a pool has problems"
    return interval.value, interval.low, interval.high


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
