"""`orchestra eval`: run what a benchmark owes with a method, and print the summary."""

from __future__ import annotations

import argparse
import asyncio
import os
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.text import Text

from orchestra.answers import Equivalence
from orchestra.errors import ConfigError

from .benchmark import Benchmark
from .estimate import estimate
from .methods.ways import Way, check_method, way_of
from .origin import config_of
from .output import console
from .problem import Grade, Problem
from .problems import COUNTDOWN, Wanted, find
from .progress import Progress
from .report import summarise, table
from .row import Row
from .rows import RowFolder
from .run import TRACES, read_kept
from .runner import Schedule, run_owed
from .suite import benchmark as benchmark_called

_MOST_WORKERS = 4
"""Processes that compare answers; only those that are no plain numbers come to them."""
_REFUSED = "they were nested deeper than --depth allows, or came after the last of the tokens of --budget"


def evaluate(args: argparse.Namespace) -> int:
    """Run what is owed and print the summary. Exit status 1 when rows with engine errors are left."""
    if args.benchmark == "list":
        return _list()
    benchmark = _benchmark(args)
    check_method(args, benchmark)  # before problems are fetched
    found = find(
        benchmark,
        Wanted(data=args.data, split=args.split, seed=args.problem_seed, limit=args.limit, shard=args.shard),
    )
    way = way_of(args, benchmark)
    way.check(found.problems)
    log = Console(stderr=True, highlight=False)
    for note in found.notes:
        log.print(Text(f"{args.data}: {note}" if args.data else note, "yellow"), soft_wrap=True)
    config = config_of(benchmark.name, way.label, {**found.source, **way.settings})
    if args.dry_run:
        console().print(estimate(args.out, config, found.problems, way, epochs=args.epochs), soft_wrap=True)
        return 0
    if args.out is None:
        raise ConfigError(f"say where the rows go: --out runs/{benchmark.name}")
    schedule = Schedule(epochs=args.epochs, concurrency=args.concurrency, traces=_traces(args))
    with RowFolder(args.out, config) as folder:
        done = sum((problem.id, epoch) in folder.done for problem in found.problems for epoch in range(args.epochs))
        if done < len(found.problems) * args.epochs:
            errors = asyncio.run(_run(benchmark, found.problems, way, folder, schedule, done, log))
        else:
            errors = 0
    if args.timelines:
        write_timelines(args.out, args.timelines, title=f"{benchmark.title}, {way.label}")
    console().print(table([summarise(args.out)]))
    return 1 if errors else 0


async def _run(
    benchmark: Benchmark,
    problems: tuple[Problem, ...],
    way: Way,
    folder: RowFolder,
    schedule: Schedule,
    done: int,
    log: Console,
) -> int:
    """How many rows ended with an engine error; the last of them is told."""
    errors, last, refused, tries, cut_roots, cut = 0, "", 0, 0, 0, 0
    workers = min(_MOST_WORKERS, os.cpu_count() or 1)
    async with Equivalence(required=way.needs_mathematics, workers=workers) as same, way.run(same) as running:
        if str(way.settings["engine"]).startswith(("http://", "https://")):
            folder.check_server(running.engine)
        folder.note("engine", running.facts)
        label = f"{benchmark.name} · {way.label} · {running.engine}"
        total = len(problems) * schedule.epochs
        with Progress(
            log, label=label, total=total, done=done, correct=folder.correct if done == len(folder.done) else 0
        ) as progress:

            def on_row(row: Row) -> None:
                nonlocal errors, last, refused, tries, cut_roots, cut
                errors, last = errors + (row.error is not None), row.error or last
                refused += row.refused
                tries += 1
                cut_roots += row.status == "cut" and not row.timed_out
                cut += row.cut or 0
                progress.advance(row)

            async def grading(problem: Problem, text: str) -> Grade:
                return await benchmark.grade(problem, text, same)

            await run_owed(running.method, problems, folder, grading, schedule=schedule, on_row=on_row)
    if refused:
        log.print(Text(f"{refused:,} threads were refused: {_REFUSED}", "yellow"), soft_wrap=True)
    more = way.when_cut(problems) if way.when_cut else ""
    # Traces of a policy may be cut on purpose, and replies in words are not threads of ours.
    if cut_roots and more and way.settings["policy"] is None:
        # A serial search is measured in narrow windows, too: there it is a fact, no warning.
        where, style = ("", "") if way.settings["search"] == "serial" else (" in their first thread", "yellow")
        log.print(Text(f"{cut_roots:,} of {tries:,} tries ran out of tokens{where} {more}", style), soft_wrap=True)
    if cut:
        log.print(Text(f"{cut:,} child threads ran out of tokens {more}".rstrip(), "yellow"), soft_wrap=True)
    if errors:
        log.print(Text(f"engine errors took {errors} of the tries, at last with: {last}", "bold red"), soft_wrap=True)
    return errors


def _benchmark(args: argparse.Namespace) -> Benchmark:
    if args.benchmark is None:
        raise ConfigError("say which benchmark: `orchestra eval list` describes all")
    if args.size is None:
        return benchmark_called(args.benchmark)
    if args.benchmark not in ("countdown", COUNTDOWN[args.size]):
        raise ConfigError(f"--size is for countdown: leave it out for {args.benchmark}")
    return benchmark_called(COUNTDOWN[args.size])


def _traces(args: argparse.Namespace) -> int | None:
    return None if args.traces is None else max(args.traces, args.timelines or 0)


def _list() -> int:
    from .listing import listing

    console().print(listing())
    return 0


def write_timelines(folder: Path, most: int, *, title: str) -> None:
    """One page with the threads of the first tries that were kept."""
    from orchestra.trace.page import write_page

    kept = (kept.tree for _, _, kept in read_kept(folder / TRACES) if kept.tree is not None)
    if records := list(islice(kept, most)):
        write_page(records, folder / "timeline.html", title=title)
