"""What sampling policies cost beside the engine, and how soon an abort has reached it, with many live traces.

    python -m orchestra.evals.benchmarks.sampling_overhead --traces 256 --rounds 3 --out evals/recorded/sampling-overhead.json

Own seconds are those of policies and of the live runner (`own_time`), as a share of all seconds in which the engine is at work. The shipped
model's traces are a hundredth as long as those of a reasoning model, so that launches, ends and votes come as much more often. Runs without a
policy say what streaming and candidates cost, which an engine is asked for only where a policy needs them: what was asked is counted, too.

An abort cancels a trace as a live run does. Then the engine is asked how many it still holds; vLLM answers between two of its steps and in the
order of what it was told, so that this answer comes when the abort has been carried out. Nothing is polled.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestra.countdown.attempt import Setup
from orchestra.countdown.problem import Problem
from orchestra.countdown.setup import host_from
from orchestra.countdown.source import CountdownSource
from orchestra.engine import Engine
from orchestra.errors import OrchestraError
from orchestra.sample.named import RECOMMENDED, read_policy
from orchestra.sample.policies.deepconf import DeepConf
from orchestra.sample.policy import Policy
from orchestra.sample.source import LiveTrace
from orchestra.trace.files import write_text

from ..problems import from_split
from .asked import AskedEngine, expected
from .machine import facts
from .own_time import OwnTime, factory, run_timed

STRIDE = 16
"""Tokens of a confidence; DeepConf's own default of 128 is longer than the shipped model's traces."""


def policies(traces: int) -> dict[str, Policy]:
    return {
        RECOMMENDED: read_policy(RECOMMENDED),
        f"adaptive, n = {traces}": read_policy(f"adaptive:n={traces},m={max(1, traces * 9 // 14)},weight=length"),
        "DeepConf, n = 16": DeepConf(n=16, first=4, eta=50, window=2 * STRIDE, stride=STRIDE, tau=1.0),
        f"DeepConf, n = {traces}": DeepConf(n=traces, first=16, eta=50, window=2 * STRIDE, stride=STRIDE, tau=1.0),
    }


BARE = {"no policy": (False, 0), "no policy, streamed": (True, 0), "no policy, streamed, 20 candidates": (True, 20)}


async def with_policy(
    engine: AskedEngine, policy: Policy, problems: Sequence[Problem], setup: Setup, *, traces: int, rounds: int
) -> dict[str, Any]:
    """Keep as many runs under way as hold `traces` traces at their start; each of them runs `rounds` problems one after the other."""
    own = OwnTime()
    engine.forget()
    at_once = -(-traces // policy.most)
    turn = itertools.cycle(problems)
    loop = asyncio.get_running_loop()
    launched: list[LiveTrace] = []

    async def one(number: int) -> None:
        for repeat in range(rounds):
            source = CountdownSource(engine, next(turn), setup)
            mine: list[LiveTrace] = []
            await run_timed(policy, source, own, session=f"{number}/{repeat}", traces=mine)
            launched.extend(mine)

    loop.set_task_factory(factory(own))
    began = time.perf_counter()
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(at_once):
                group.create_task(one(number))
    finally:
        loop.set_task_factory(None)
    seconds = time.perf_counter() - began
    tokens = sum(trace.usage.sampled for trace in launched)
    return {
        **_pace(tokens, seconds, len(launched)),
        "runs": at_once * rounds,
        "events": own.events,
        "policy_seconds": round(own.policy, 5),
        "own_seconds": round(own.total, 5),
        "own_share": round(own.total / seconds, 5),
        "own_microseconds_per_token": round(1e6 * own.total / tokens, 3),
        "requests": engine.requests,
        "asked_otherwise": engine.requests - engine.asked.count(expected(policy.needs)),
    }


async def bare(
    engine: AskedEngine, problems: Sequence[Problem], setup: Setup, *, watched: bool, top: int, traces: int, rounds: int
) -> dict[str, Any]:
    """As many traces at once, one after the other, with nobody deciding anything."""
    turn = itertools.cycle(problems)
    ended: list[LiveTrace] = []

    async def one() -> None:
        for _ in range(rounds):
            source = CountdownSource(engine, next(turn), setup)
            trace = LiveTrace(id=0, session="", watched=watched, top_logprobs=top)
            await source.run(trace)
            ended.append(trace)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(traces):
            group.create_task(one())
    return _pace(sum(trace.usage.sampled for trace in ended), time.perf_counter() - began, len(ended))


def _pace(tokens: int, seconds: float, traces: int) -> dict[str, Any]:
    return {
        "traces": traces,
        "tokens": tokens,
        "engine_seconds": round(seconds, 3),
        "tokens_per_second": round(tokens / seconds),
    }


class Crowd:
    """Traces of one problem that decode together."""

    def __init__(self, engine: Engine, problem: Problem, setup: Setup, size: int, group: asyncio.TaskGroup) -> None:
        self.decoding = asyncio.Event()
        """Each has its first token, and the first one a few more; or one has come to its end."""
        self._started: set[int] = set()
        self._size = size
        self._arrivals: list[float] = []
        source = CountdownSource(engine, problem, setup)
        self.tasks = [group.create_task(source.run(self._trace(number))) for number in range(size)]
        for task in self.tasks:
            task.add_done_callback(lambda ended: self.decoding.set())

    def _trace(self, number: int) -> LiveTrace:
        return LiveTrace(id=number, session="crowd", watched=True, on_tokens=lambda count, scores: self._told(number))

    def _told(self, number: int) -> None:
        self._started.add(number)
        if number == 0:
            self._arrivals.append(time.perf_counter())
        if len(self._started) == self._size and len(self._arrivals) > 8:
            self.decoding.set()

    @property
    def steps(self) -> list[float]:
        """Seconds from each token of the first trace to its next."""
        return [after - before for before, after in itertools.pairwise(self._arrivals)]


async def abort_latency(
    engine: Engine, problem: Problem, setup: Setup, *, traces: int, victims: int, rounds: int
) -> dict[str, Any]:
    """Start `traces`, abort `victims` of them once all decode, and wait until the engine says that they are gone."""
    gone: list[float] = []
    steps: list[float] = []
    for _ in range(rounds):
        async with asyncio.TaskGroup() as group:
            crowd = Crowd(engine, problem, setup, traces, group)
            await crowd.decoding.wait()
            steps += crowd.steps
            chosen = crowd.tasks[-victims:]
            began = time.perf_counter()
            for task in chosen:
                task.cancel()
            await asyncio.wait(chosen)
            held = await engine.running()
            gone.append(time.perf_counter() - began)
            assert held <= traces - victims, f"the engine still holds {held} of {traces} after {victims} aborts"
            for task in crowd.tasks:
                task.cancel()
    gone.sort()
    return {
        "aborted": victims,
        "of": traces,
        "rounds": rounds,
        "median_ms": round(1000 * statistics.median(gone), 2),
        "worst_ms": round(1000 * gone[-1], 2),
        "engine_step_ms": round(1000 * statistics.median(steps), 2) if steps else None,
        "all_ms": [round(1000 * seconds, 2) for seconds in gone],
    }


async def measure(args: argparse.Namespace, log: Console) -> dict[str, Any]:
    setup = Setup(method="serial", temperature=args.temperature, window=args.window)
    problems = from_split("test", seed=0, limit=64)
    host = host_from(args, max_requests=max(256, args.traces))
    host.check(problems)
    pace: dict[str, Any] = {}
    policy_rows: dict[str, Any] = {}
    aborts: list[dict[str, Any]] = []
    async with AskedEngine(host.engine) as engine:
        await bare(engine, problems, setup, watched=False, top=0, traces=args.traces, rounds=1)  # warm-up
        for name, (watched, top) in BARE.items():
            pace[name] = await bare(engine, problems, setup, watched=watched, top=top, traces=args.traces, rounds=args.rounds)
            log.print(f"{name}: {pace[name]['tokens_per_second']:,} tok/s")
        for name, policy in policies(args.traces).items():
            row = await with_policy(engine, policy, problems, setup, traces=args.traces, rounds=args.rounds)
            policy_rows[name] = row
            log.print(f"{name}: {100 * row['own_share']:.2f} %")
        # The longest traces: a problem without a solution is searched to the end of the window, and greedy traces end together.
        endless, greedy = Problem((1, 1, 1, 1), 99), Setup(method="serial", window=args.window)
        for victims in sorted({1, max(1, args.traces // 16), max(1, args.traces // 2), args.traces}):
            latency = await abort_latency(engine, endless, greedy, traces=args.traces, victims=victims, rounds=args.abort_rounds)
            aborts.append(latency)
            log.print(f"abort {victims} of {args.traces}: median {latency['median_ms']} ms, worst {latency['worst_ms']} ms")
        engine_name = engine.name
    return {
        "live_traces": args.traces,
        "rounds": args.rounds,
        "window": args.window,
        "temperature": args.temperature,
        "pace": pace,
        "policies": policy_rows,
        "aborts": aborts,
        "engine": engine_name,
        "model": host.model_name,
        **facts("vllm", "torch"),
    }


def tables(result: dict[str, Any]) -> list[Table]:
    pace = Table(f"{result['live_traces']} traces at once", "tok/s", "traces", "own share", "own µs/token", "asked otherwise")
    for name, row in result["pace"].items():
        pace.add_row(name, f"{row['tokens_per_second']:,}", str(row["traces"]))
    for name, row in result["policies"].items():
        pace.add_row(
            name,
            f"{row['tokens_per_second']:,}",
            str(row["traces"]),
            f"{100 * row['own_share']:.2f} %",
            f"{row['own_microseconds_per_token']:.2f}",
            f"{row['asked_otherwise']} of {row['requests']}",
        )
    aborts = Table("aborted", "gone after, median", "worst", "an engine step")
    for row in result["aborts"]:
        aborts.add_row(
            f"{row['aborted']} of {row['of']}",
            *(f"{row[key]:.1f} ms" if row[key] is not None else "–" for key in ("median_ms", "worst_ms", "engine_step_ms")),
        )
    return [pace, aborts]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=256, help="live at once")
    parser.add_argument("--rounds", type=int, default=3, help="traces one after the other, for each of those")
    parser.add_argument("--abort-rounds", type=int, default=10)
    parser.add_argument("--temperature", type=float, default=2.0)
    parser.add_argument("--window", type=int, default=160)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(arguments)
    if args.traces < 1 or args.rounds < 1 or args.abort_rounds < 1:
        parser.error("--traces, --rounds and --abort-rounds are at least 1")
    try:
        result = asyncio.run(measure(args, Console(stderr=True, highlight=False)))
    except OrchestraError as error:
        sys.stderr.write(f"sampling_overhead: {error}\n")
        return 1
    write_text(args.out, json.dumps(result, indent=1) + "\n")
    console = Console(width=160)
    for table in tables(result):
        console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
