"""Every policy that Countdown can express, live on an engine and replayed on a pool of the same model: do they agree?

    python -m orchestra.evals.benchmarks.sampling_live --problems 100 --repeats 4 --out evals/recorded/sampling-live.json

Live runs and replays see different traces of the same problems, so their means agree within sampling error only: differences are paired by
problem, with a 95 % interval. What must agree exactly is counted: a fresh decider, told the events of a live run, decides the same
(`decide_again`); an account is the sum of its traces; the engine is asked for a stream or for candidates only by policies that need them; and
nothing runs when a run is over. The pool is sampled first, by the same engine, unless `--pool` gives one (with confidences by 16 tokens, scores
and token ids). Which policies these are, and their judges: `sampling_policies`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
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
from orchestra.countdown.source import CountdownSource, problem_text
from orchestra.engine import Engine
from orchestra.errors import ConfigError, OrchestraError
from orchestra.sample.again import decide_again
from orchestra.sample.live import run_live
from orchestra.sample.policy import Policy
from orchestra.sample.pool import Pool
from orchestra.sample.pool_file import read_pool
from orchestra.sample.replay import lacking, replay
from orchestra.sample.source import LiveTrace
from orchestra.trace.files import write_text

from ..pools import Recording, host_of, record
from ..problems import from_split
from ..statistics import mean
from .asked import AskedEngine, expected
from .machine import facts
from .sampling_policies import RULES, STRIDE, bench_of, policies


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
    asked_otherwise: int = 0
    """Requests with a stream or candidates that the policy has no need of, or without them where it has."""
    left_running: int = 0

    @property
    def broken(self) -> int:
        return self.decided_otherwise + self.accounts_off + self.failed + self.asked_otherwise + self.left_running


async def live(
    engine: AskedEngine, policy: Policy, problems: Sequence[Problem], setup: Setup, *, repeats: int, at_once: int, checks: Checks
) -> list[Figures]:
    """`repeats` runs on each problem, `at_once` problems at a time."""
    slots = asyncio.Semaphore(at_once)
    engine.forget()

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
    checks.asked_otherwise += engine.requests - engine.asked.count(expected(policy.needs))
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
    host = host_of(args, max_requests=256)
    host.check(problems)
    checks = Checks()
    rows: dict[str, Any] = {}
    async with AskedEngine(host.engine) as engine:
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
        **facts("vllm", "torch"),
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
    parser.add_argument("--gpu-memory", type=float, help="share of the GPU's memory, for several processes on one GPU")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(arguments)
    try:
        result = asyncio.run(measure(args, Console(stderr=True, highlight=False)))
    except OrchestraError as error:
        sys.stderr.write(f"sampling_live: {error}\n")
        return 1
    write_text(args.out, json.dumps(result, indent=1) + "\n")
    console = Console(width=200)
    console.print(table(result["policies"]))
    console.print(result["checks"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
