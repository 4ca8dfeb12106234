"""Every policy that Countdown can express, live on an engine and replayed on a pool of the same model: do they agree?

    python -m orchestra.evals.benchmarks.sampling_live --problems 100 --repeats 4 --out evals/recorded/sampling-live.json

Live runs and replays see different traces of the same problems, so their means agree within sampling error only: differences are paired by
problem, with a 95 % interval. What must agree exactly is counted: a fresh decider, told the events of a live run, decides the same
(`decide_again`); an account is the sum of its traces; and nothing runs when a run is over. The pool is sampled first, by the same engine, unless
`--pool` gives one (with confidences by 16 tokens, scores and token ids).

Judges are scripted: pairs are compared by their words (`Similar`), a reward is 1 for what the verifier accepts. Policies that show
traces to others, or force answers, are left out: the model was trained for neither. "fast" and "target" are the same model with smaller and larger beams; pools
hold no such arms and no branches, so policies with them run live only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import random
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestra.countdown.attempt import Setup
from orchestra.countdown.canonical import solves
from orchestra.countdown.problem import Problem
from orchestra.countdown.setup import host_from
from orchestra.countdown.source import CountdownSource, problem_text, spelled
from orchestra.engine import Engine
from orchestra.errors import ConfigError, OrchestraError
from orchestra.sample.account import Price
from orchestra.sample.again import decide_again
from orchestra.sample.judges.base import Opinion, Question
from orchestra.sample.judges.similar import Similar, similarity
from orchestra.sample.live import Bench, run_live
from orchestra.sample.policies.adaptive import Adaptive, Stage, asc_events, first_finish, self_consistency, short_m, staged
from orchestra.sample.policies.atts import Atts
from orchestra.sample.policies.best_of import BestOf
from orchestra.sample.policies.budgeted import Budgeted
from orchestra.sample.policies.deep_prune import DeepPrune
from orchestra.sample.policies.deepconf import DeepConf, DeepConfOffline
from orchestra.sample.policies.entropy import SemanticEntropy
from orchestra.sample.policies.muse import Muse
from orchestra.sample.policies.scale import seer
from orchestra.sample.policies.sequential import AdaptiveConsistency, EarlyStopping
from orchestra.sample.policies.slim_sc import SlimSC
from orchestra.sample.policy import Policy
from orchestra.sample.pool import Pool, PooledProblem, Recorded
from orchestra.sample.pool_file import read_pool
from orchestra.sample.replay import Rules, lacking, replay
from orchestra.sample.source import LiveTrace
from orchestra.sample.weights import Weight

from ..pools import Recording, record
from ..problems import from_split
from ..statistics import mean

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
        "SEER": seer(half, fast=half),
        "ATTS": Atts(n=half, calibration=(0.0,) * 5 + (1.0,) * 5),
    }


async def verified(question: Question) -> Opinion:
    """A reward model that is never wrong, for "reward" and "accept"."""
    return Opinion(score=float(all(solves(answer) for answer in question.answers)))


def bench_of(engine: Engine, problem: Problem, setup: Setup) -> Bench:
    return Bench(
        arms={
            "fast": CountdownSource(engine, problem, replace(setup, beam=3)),
            "target": CountdownSource(engine, problem, replace(setup, beam=8)),
        },
        judges={"same_answer": Similar(), "similar": Similar(), "reward": verified, "accept": verified},
    )


def pool_similarity(problem: PooledProblem, traces: Sequence[Recorded], tokens: int | None) -> Opinion:
    one, other = (spelled((trace.token_ids or ())[:tokens]) for trace in traces)
    return Opinion(score=similarity(one, other))


def pool_reward(problem: PooledProblem, traces: Sequence[Recorded], tokens: int | None) -> Opinion:
    return Opinion(score=float(all(trace.correct for trace in traces)))


RULES = Rules(judges={"same_answer": pool_similarity, "similar": pool_similarity, "reward": pool_reward})


@dataclass(frozen=True, slots=True)
class Figures:
    """Means of one problem."""

    accuracy: float
    tokens: float
    span: float


@dataclass(slots=True)
class Checks:
    """What must be 0 of `runs`."""

    runs: int = 0
    decided_otherwise: int = 0
    accounts_off: int = 0
    failed: int = 0
    left_running: int = 0

    @property
    def broken(self) -> int:
        return self.decided_otherwise + self.accounts_off + self.failed + self.left_running


async def live(
    engine: Engine, policy: Policy, problems: Sequence[Problem], setup: Setup, *, repeats: int, at_once: int, checks: Checks
) -> list[Figures]:
    """`repeats` runs on each problem, `at_once` problems at a time."""
    slots = asyncio.Semaphore(at_once)

    async def one(problem: Problem) -> Figures:
        runs = []
        async with slots:
            for repeat in range(repeats):
                traces: list[LiveTrace] = []
                outcome = await run_live(
                    policy,
                    CountdownSource(engine, problem, setup),
                    problem=problem_text(problem),
                    session=f"{problem.key}#{repeat}",
                    bench=bench_of(engine, problem, setup),
                    log=True,
                    traces=traces,
                )
                account = outcome.account
                checks.runs += 1
                checks.decided_otherwise += decide_again(policy, outcome.turns) is not None
                checks.accounts_off += account.work != sum(trace.usage.sampled for trace in traces)
                checks.failed += outcome.error is not None or account.failed > 0
                runs.append(Figures(solves(outcome.answer), account.work, account.span))
        return average(runs)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(problem)) for problem in problems]
    checks.left_running += await engine.running()
    return [task.result() for task in tasks]


def replayed(policy: Policy, pool: Pool, *, resamples: int) -> list[Figures] | None:
    """`resamples` runs on each problem, on its traces in random order; None when the pool cannot express the policy."""
    if lacking(policy.needs, pool, RULES) or policy.most > pool.depth:
        return None
    rows = []
    for problem in pool.problems:
        draw = random.Random(problem.id)
        runs = []
        for _ in range(resamples):
            outcome = replay(policy, pool, problem, draw.sample(range(len(problem.traces)), len(problem.traces)), rules=RULES)
            runs.append(Figures(solves(outcome.answer), outcome.account.work, outcome.account.span))
        rows.append(average(runs))
    return rows


def average(runs: Sequence[Figures]) -> Figures:
    return Figures(*(statistics.fmean(getattr(run, name) for run in runs) for name in Figures.__dataclass_fields__))


def compared(mine: Sequence[Figures], theirs: Sequence[Figures] | None) -> dict[str, Any]:
    """Live means, and where there is a replay its means and the difference with its 95 % interval, paired by problem."""
    row: dict[str, Any] = {}
    for name in Figures.__dataclass_fields__:
        values = [getattr(figures, name) for figures in mine]
        row[name] = {"live": round(statistics.fmean(values), 4)}
        if theirs is not None:
            difference = mean([value - getattr(other, name) for value, other in zip(values, theirs, strict=True)])
            assert difference is not None
            half = 1.96 * (difference.error or 0.0)
            row[name] |= {
                "replay": round(statistics.fmean(getattr(figures, name) for figures in theirs), 4),
                "difference": round(difference.value, 4),
                "interval": [round(difference.value - half, 4), round(difference.value + half, 4)],
            }
    return row


async def measure(args: argparse.Namespace, log: Console) -> dict[str, Any]:
    setup = Setup(method="serial", temperature=args.temperature, window=args.window)
    problems = from_split("test", seed=0, limit=args.problems)
    host = host_from(args, max_requests=256)
    host.check(problems)
    checks = Checks()
    rows: dict[str, Any] = {}
    async with host.engine as engine:
        pool = await pool_of(args, engine, problems, setup, log)
        for name, policy in policies(args.n).items():
            if args.only and name not in args.only:
                continue
            before, started = checks.broken, time.monotonic()
            mine = await live(engine, policy, problems, setup, repeats=args.repeats, at_once=args.at_once, checks=checks)
            seconds = time.monotonic() - started
            theirs = replayed(policy, pool, resamples=args.resamples)
            rows[name] = {**compared(mine, theirs), "broken": checks.broken - before, "seconds": round(seconds, 2)}
            log.print(f"{name}: {seconds:.1f} s")
        engine_name = engine.name
    return {
        "problems": len(problems),
        "repeats": args.repeats,
        "resamples": args.resamples,
        "n": args.n,
        "pool_traces": pool.depth,
        "temperature": args.temperature,
        "window": args.window,
        "checks": {name: getattr(checks, name) for name in Checks.__dataclass_fields__},
        "policies": rows,
        "engine": engine_name,
        "model": host.model_name,
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


async def pool_of(args: argparse.Namespace, engine: Engine, problems: Sequence[Problem], setup: Setup, log: Console) -> Pool:
    """The pool of `--pool`, cut to `problems`, or a fresh one."""
    if args.pool is not None:
        pool = read_pool(args.pool)
        by_id = {problem.id: problem for problem in pool.problems}
        if missing := [problem.key for problem in problems if problem.key not in by_id]:
            raise ConfigError(f"{args.pool} lacks {len(missing)} of the problems, such as {missing[0]}: lower --problems")
        return replace(pool, problems=[by_id[problem.key] for problem in problems])
    recording = Recording(top_logprobs=20, stride=STRIDE, steps=True, token_ids=True)
    started = time.monotonic()
    pooled = [
        await record(CountdownSource(engine, problem, setup), traces=args.traces, recording=recording) for problem in problems
    ]
    log.print(f"pool of {len(pooled)} × {args.traces} traces: {time.monotonic() - started:.1f} s")
    return Pool("live", pooled, stride=STRIDE)


def table(rows: Mapping[str, Any]) -> Table:
    view = Table(
        "policy",
        "accuracy, live",
        "replay",
        "difference",
        "tokens, live",
        "replay",
        "difference",
        "span, live",
        "replay",
        "difference",
    )
    for name, row in rows.items():
        cells = [name]
        for figure, scale, digits in (("accuracy", 100, 1), ("tokens", 1, 0), ("span", 1, 0)):
            values = row[figure]
            cells.append(f"{scale * values['live']:.{digits}f}")
            if "replay" in values:
                low, high = (scale * end for end in values["interval"])
                cells += [
                    f"{scale * values['replay']:.{digits}f}",
                    f"{scale * values['difference']:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]",
                ]
            else:
                cells += ["–", "–"]
        view.add_row(*cells)
    return view


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--resamples", type=int, default=50)
    parser.add_argument("--n", type=int, default=8, help="most traces of a policy")
    parser.add_argument("--traces", type=int, default=16, help="of each problem in the pool")
    parser.add_argument("--temperature", type=float, default=2.0)
    parser.add_argument("--window", type=int, default=160)
    parser.add_argument("--at-once", type=int, default=16, help="problems")
    parser.add_argument("--only", nargs="+", choices=policies(8), metavar="POLICY")
    parser.add_argument("--pool", type=Path, help="a pool of the same problems and settings; by default one is sampled")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(arguments)
    try:
        result = asyncio.run(measure(args, Console(stderr=True, highlight=False)))
    except OrchestraError as error:
        sys.stderr.write(f"sampling_live: {error}\n")
        return 1
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    console = Console(width=200)
    console.print(table(result["policies"]))
    console.print(result["checks"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
