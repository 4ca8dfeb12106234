"""Samples a pool: many Countdown traces a problem, for `orchestra replay` and for training judges.

    python -m orchestra.evals.pools --out pool.jsonl.gz --problems 500 --traces 64 --temperature 2
    python -m orchestra.evals.pools --out fork.jsonl.gz --problems 500 --traces 64 --temperature 2 --method fork --join first
    python -m orchestra.evals.pools --out shard-0.jsonl.gz --problems 500 --traces 64 --shard 0/4 --gpu-memory 0.2     # one of four processes
    python -m orchestra.evals.pools --out pool.jsonl.gz --merge shard-0.jsonl.gz shard-1.jsonl.gz …

A problem is written to OUT.part the moment all its traces have ended, so the same command goes on after a crash; OUT is written, and the
part removed, when all problems are there. An engine failure ends the run and leaves no trace in a pool. The shipped model is sure of
itself: below a temperature of about 2 (vLLM's highest) the traces of a problem are nearly all alike.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from rich.console import Console

from orchestra.countdown.attempt import METHODS, Setup
from orchestra.countdown.canonical import solves
from orchestra.countdown.problem import SPLITS, Problem
from orchestra.countdown.setup import Host, host_from
from orchestra.countdown.source import CountdownSource, CountdownState, problem_text
from orchestra.engine import Engine
from orchestra.errors import ConfigError, OrchestraError, first_cause
from orchestra.sample.pool import Pool, PooledProblem, Recorded
from orchestra.sample.pool_file import name_of, read_pool, write_pool
from orchestra.sample.scores import TraceScores
from orchestra.sample.source import LiveTrace
from orchestra.thread import Join

from .pool_part import Part
from .problems import from_split

_SECONDS_BETWEEN_LINES = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What is kept of a trace beside its length and answer."""

    top_logprobs: int = 0
    """Candidates a token for scores and confidences; 0 for neither."""
    stride: int = 16
    """Tokens of a confidence."""
    steps: bool = False
    """Uncertain steps, of serial traces with scores."""
    texts: bool = False
    token_ids: bool = False


async def record(source: CountdownSource, *, traces: int, recording: Recording) -> PooledProblem:
    """Sample one problem. Raises `EngineError` when a trace is lost: a pool without it would be a biased one."""
    problem = source.problem
    live = [LiveTrace(id=number, session=problem.key, top_logprobs=recording.top_logprobs) for number in range(traces)]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_one(source, trace, recording)) for trace in live]
    except ExceptionGroup as errors:
        raise first_cause(errors) from errors
    recorded = [task.result() for task in tasks]
    return PooledProblem(id=problem.key, text=problem_text(problem), gold=None, group="countdown", traces=recorded)


async def _one(source: CountdownSource, trace: LiveTrace, recording: Recording) -> Recorded:
    ending = await source.run(trace)
    state, scores = trace.state, trace.scores
    assert isinstance(state, CountdownState)
    return Recorded(
        tokens=trace.usage.sampled,
        span=trace.usage.span if source.setup.method != "serial" else None,
        answer=ending.answer,
        correct=solves(ending.answer),
        cut=ending.cut,
        confidence=pieces(scores.confidence, recording.stride) if scores is not None else None,
        scores=TraceScores.of(scores) if scores is not None else None,
        steps=ending.steps if recording.steps and scores is not None else None,
        text=trace.text if recording.texts else None,
        token_ids=state.token_ids if recording.token_ids else None,
    )


def pieces(values: Sequence[float], stride: int) -> list[float]:
    """Means of `stride` neighbours each; the last may be of fewer."""
    return [statistics.fmean(values[start : start + stride]) for start in range(0, len(values), stride)]


async def sample(
    engine: Engine,
    problems: Sequence[Problem],
    setup: Setup,
    part: Part,
    *,
    traces: int,
    recording: Recording,
    at_once: int,
    log: Console,
) -> None:
    """Sample what `part` lacks, `at_once` problems at a time. The first engine failure ends it; finished problems are kept."""
    owed = iter([problem for problem in problems if problem.key not in part.done])
    progress = _Progress(log, total=len(problems), before=len(part.done))

    async def worker() -> None:
        for problem in owed:
            pooled = await record(CountdownSource(engine, problem, setup), traces=traces, recording=recording)
            part.add(pooled)
            progress.advance(pooled)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(worker())
    except ExceptionGroup as errors:
        raise first_cause(errors) from errors


class _Progress:
    def __init__(self, log: Console, *, total: int, before: int) -> None:
        self._log = log
        self._total, self._done, self._tokens = total, before, 0
        self._began = self._said = time.monotonic()

    def advance(self, problem: PooledProblem) -> None:
        self._done += 1
        self._tokens += sum(trace.tokens for trace in problem.traces)
        now = time.monotonic()
        if now - self._said > _SECONDS_BETWEEN_LINES or self._done == self._total:
            self._said = now
            speed = self._tokens / max(now - self._began, 1e-9)
            self._log.print(f"{self._done}/{self._total} problems, {self._tokens:,} tokens, {speed:,.0f} tok/s")


def describe(pool: Pool) -> str:
    """What there is to sample for: how much the traces of a problem differ."""
    problems = [problem.traces for problem in pool.problems]
    traces = [trace for those in problems for trace in those]
    answers = statistics.fmean(len({trace.answer for trace in those if trace.answer is not None}) for those in problems)
    mixed = sum(0 < sum(trace.correct for trace in those) < len(those) for those in problems)
    return (
        f"{len(problems)} problems, {len(traces)} traces, {sum(trace.tokens for trace in traces):,} tokens:"
        f" {100 * statistics.fmean(trace.correct for trace in traces):.1f} % correct,"
        f" {100 * statistics.fmean(trace.answer is None for trace in traces):.1f} % without an answer,"
        f" {100 * statistics.fmean(any(trace.correct for trace in those) for those in problems):.1f} % of problems solved by any,"
        f" {answers:.2f} answers a problem, {mixed} problems with right and wrong traces"
    )


def merged(paths: Sequence[Path], out: Path) -> Pool:
    """The problems of several shards in one pool. Raises `ConfigError` for shards that were not sampled alike or share a problem."""
    pools = [read_pool(path) for path in paths]
    first, problems = pools[0], [problem for pool in pools for problem in pool.problems]
    for path, pool in zip(paths, pools, strict=True):
        if (pool.notes[:1], pool.stride) != (first.notes[:1], first.stride):
            raise ConfigError(f"{path} was not sampled like {paths[0]}: {pool.notes[:1]} and {first.notes[:1]}")
    if len({problem.id for problem in problems}) < len(problems):
        raise ConfigError("the same problem is in two of these pools: give shards of one sampling")
    pool = Pool(name_of(out), problems, stride=first.stride, notes=first.notes[:1])  # the others are about one shard
    write_pool(pool, out)
    return pool


def host_of(args: argparse.Namespace, *, max_requests: int) -> Host:
    """As `host_from`, with the share of the GPU's memory that `args` give."""
    return host_from(args, max_requests=max_requests, gpu_memory=args.gpu_memory)


def shard_of(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit() and int(index) < int(count)):
        raise argparse.ArgumentTypeError(f"a shard is INDEX/COUNT such as 0/4, got {text!r}")
    return int(index), int(count)


def run(args: argparse.Namespace, log: Console) -> Pool:
    setup = Setup(
        method=args.method,
        join=args.join,
        beam=args.beam,
        window=args.window,
        temperature=args.temperature,
        seed=args.sampling_seed,
    )
    recording = Recording(
        top_logprobs=args.top_logprobs, stride=args.stride, steps=args.steps, texts=args.texts, token_ids=args.token_ids
    )
    index, count = args.shard
    problems = from_split(args.split, seed=args.problem_seed, limit=args.problems, size=args.size)[index::count]
    host = host_of(args, max_requests=args.requests)
    host.check_setup(setup)
    host.check(problems)
    with Part(args.out, note=note_of(args, setup, recording, host), stride=args.stride if args.top_logprobs else 0) as part:
        if any(problem.key not in part.done for problem in problems):
            asyncio.run(_sample(args, host, problems, setup, part, recording, log))
        return part.finish([problem.key for problem in problems])


async def _sample(
    args: argparse.Namespace,
    host: Host,
    problems: Sequence[Problem],
    setup: Setup,
    part: Part,
    recording: Recording,
    log: Console,
) -> None:
    async with host.engine as engine:
        await sample(engine, problems, setup, part, traces=args.traces, recording=recording, at_once=args.at_once, log=log)


def note_of(args: argparse.Namespace, setup: Setup, recording: Recording, host: Host) -> str:
    """How a pool was sampled: pools with one note are one experiment."""
    join = f" (join {setup.join})" if setup.method != "serial" else ""
    what = [name for name in ("steps", "texts", "token_ids") if getattr(recording, name)]
    return (
        f"{host.model_name or host.kind} {host.fingerprint or ''} on {host.kind}, {args.traces} traces of {args.split} problems of"
        f" {args.size} numbers (seed {args.problem_seed}), {setup.method}{join}, beam {setup.effective_beam}, window {setup.effective_window},"
        f" temperature {setup.temperature:g}, seed {setup.seed}, top {recording.top_logprobs}, with {', '.join(what) or 'no words'}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--merge", type=Path, nargs="+", metavar="POOL", help="put these shards together; samples nothing")
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--traces", type=int, default=64)
    parser.add_argument("--method", choices=METHODS, default="serial")
    parser.add_argument("--join", choices=get_args(Join), default="all")
    parser.add_argument("--beam", type=int)
    parser.add_argument("--window", type=int, help="default: 160; 3,072 to weave")
    parser.add_argument("--temperature", type=float, default=2.0)
    parser.add_argument("--sampling-seed", type=int, help="a seed for each trace; by default the engine's own draws")
    parser.add_argument("--top-logprobs", type=int, default=0, help="candidates for scores and confidences; 0 for neither")
    parser.add_argument("--stride", type=int, default=16, help="tokens of a confidence")
    parser.add_argument("--steps", action="store_true", help="record the uncertainty of each step (serial, with --top-logprobs)")
    parser.add_argument("--texts", action="store_true", help="record the words of every trace")
    parser.add_argument("--token-ids", action="store_true", help="record the token ids of every trace")
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--problem-seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=4, help="numbers of a problem")
    parser.add_argument("--shard", type=shard_of, default=(0, 1), metavar="INDEX/COUNT")
    parser.add_argument("--at-once", type=int, default=8, help="problems, each with all its traces")
    parser.add_argument("--requests", type=int, default=512, help="decoded together; more wait in the engine")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--gpu-memory", type=float, help="share of the GPU's memory, for several processes on one GPU")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    log = Console(stderr=True, highlight=False)
    try:
        pool = merged(args.merge, args.out) if args.merge else run(args, log)
    except OrchestraError as error:
        log.print(f"pools: {error}", markup=False)
        return 1
    except KeyboardInterrupt:
        log.print(
            f"interrupted; finished problems are kept in {args.out}.part, and the same command goes on from there", markup=False
        )
        return 130
    log.print(f"{args.out}: {describe(pool)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
