"""Every policy that Countdown can express, with scripted judges, live and on pools: what `sampling_live` and its tests run.

Pairs are compared by their words (`Similar`), a reward is 1 for what the verifier accepts, and what it does not accept is strange to ATTS.
Policies that show traces to others, or force answers, are left out: the model was trained for neither. "fast" and "target" are the same model
with smaller and larger beams; pools hold no such arms and no branches, so policies with them run live only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestra.countdown.attempt import Setup
from orchestra.countdown.canonical import solves
from orchestra.countdown.problem import Problem
from orchestra.countdown.source import CountdownSource, spelled
from orchestra.engine import Engine
from orchestra.sample.account import Price
from orchestra.sample.bench import Bench
from orchestra.sample.judges.base import Opinion, Question
from orchestra.sample.judges.similar import Similar, similarity
from orchestra.sample.policies.adaptive import Adaptive, Stage, asc_events, first_finish, self_consistency, short_m, staged
from orchestra.sample.policies.atts import Atts
from orchestra.sample.policies.best_of import BestOf
from orchestra.sample.policies.budgeted import Budgeted
from orchestra.sample.policies.deep_prune import DeepPrune
from orchestra.sample.policies.deepconf import DeepConf, DeepConfOffline
from orchestra.sample.policies.entropy import Seer, SemanticEntropy
from orchestra.sample.policies.muse import Muse
from orchestra.sample.policies.sequential import AdaptiveConsistency, EarlyStopping
from orchestra.sample.policies.slim_sc import SlimSC
from orchestra.sample.policy import Policy
from orchestra.sample.pool import PooledProblem, Recorded
from orchestra.sample.replay import Rules
from orchestra.sample.weights import Weight

STRIDE = 16
"""Tokens of a confidence: a trace has about ninety."""


def policies(n: int) -> dict[str, Policy]:
    """By what tables call them; none launches more than `n` traces."""
    half = max(1, n // 2)
    weights = [
        Weight("length"),
        *(Weight(kind) for kind in ("entropy", "confidence", "tail", "lowest", "bottom", "certainty", "borda")),
    ]
    return {
        "self-consistency": self_consistency(n),
        **{f"vote by {weight.kind}": self_consistency(n, weight=weight) for weight in weights},
        "first finish": first_finish(n),
        "short-m": short_m(n, half),
        "ASC events": asc_events(n, threshold=0.9),
        "ASC events, short-m": short_m(n, half, threshold=0.9),
        "staged": staged((half, None), (n - half, None), threshold=0.9),
        "overtake": Adaptive(stages=(Stage(n),), overtake=True),
        "priced": Adaptive(stages=(Stage(n),), price=Price(kilotoken=0.05)),
        "budget of 400 tokens": Budgeted(policy=self_consistency(n), tokens=400, tokens_every=STRIDE),
        "Adaptive-Consistency": AdaptiveConsistency(n=n, threshold=0.9),
        "ESC": EarlyStopping(n=n, window=half),
        "semantic entropy": SemanticEntropy(n=n),
        "DeepConf offline": DeepConfOffline(n=n, eta=50),
        "DeepConf": DeepConf(n=n, first=half, eta=50, window=2 * STRIDE, stride=STRIDE),
        "DeepPrune": DeepPrune(n=n, judge_tokens=2 * STRIDE, tau=0.8),
        "DeepPrune, two stages": DeepPrune(n=n, judge_tokens=2 * STRIDE, tau=0.8, largest=half),
        "Slim-SC": SlimSC(n=n, every=2 * STRIDE, threshold=0.9),
        "Slim-SC, diversity": SlimSC(n=n, every=2 * STRIDE, threshold=0.9, prune="diversity"),
        "best of n": BestOf(n=n),
        "weighted best of n": BestOf(n=n, choose="weighted"),
        "ParallelMuse, votes": Muse(budget=n, initial=max(1, n // 4), aggregate="vote"),
        "SeerSC": Seer(n=n, quick=half),
        "SeerSC, fast mode": Seer(n=half, quick=half, arm="fast"),
        "ATTS": Atts(n=half, calibration=(0.0,) * 9),
    }


async def verified(question: Question) -> Opinion:
    """A reward model that is never wrong."""
    return Opinion(score=float(all(solves(answer) for answer in question.answers)))


async def strange(question: Question) -> Opinion:
    """What is wrong is strange, and nothing else."""
    return Opinion(score=1.0 - (await verified(question)).score)


def bench_of(engine: Engine, problem: Problem, setup: Setup) -> Bench:
    return Bench(
        arms={
            "fast": CountdownSource(engine, problem, replace(setup, beam=3)),
            "target": CountdownSource(engine, problem, replace(setup, beam=8)),
        },
        judges={"same_answer": Similar(), "similar": Similar(), "reward": verified, "accept": strange},
    )


def pool_similarity(problem: PooledProblem, traces: Sequence[Recorded], tokens: int | None) -> Opinion:
    one, other = (spelled((trace.token_ids or ())[:tokens]) for trace in traces)
    return Opinion(score=similarity(one, other))


def pool_reward(problem: PooledProblem, traces: Sequence[Recorded], tokens: int | None) -> Opinion:
    return Opinion(score=float(all(trace.correct for trace in traces)))


RULES = Rules(judges={"same_answer": pool_similarity, "similar": pool_similarity, "reward": pool_reward})
