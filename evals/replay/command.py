"""`orchestra replay`: reads the pools, replays, and shows or writes the report."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from orchestra.sample.replay import Rules
from orchestra.trace.files import write_text

from ..output import console
from .choice import choose
from .compare import report_of
from .page import frontier_page
from .plot import frontier_svg
from .pools import open_pools
from .resample import Resampling, run, steps
from .results import Report
from .table import view


def replay(args: argparse.Namespace) -> int:
    """Compare policies on pools: a table, or JSON, and with `--out` the files of a report. Raises `ConfigError` when no policy can run."""
    pool = open_pools(args.pools)
    rules = Rules(slots=args.slots)
    choice = choose(pool, rules, args.policy, baseline=args.baseline)
    resampling = Resampling(pool=pool, policies=choice.policies, rules=rules, resamples=args.resamples, seed=args.seed)
    log = Console(stderr=True, highlight=False)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        console=log, disable=not log.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task(f"replay · {pool.name}", total=steps(resampling))
        results = run(resampling, processes=args.processes or os.cpu_count() or 1, advance=lambda: bar.advance(task))
    report = report_of(resampling, choice.specs, results, skipped=choice.skipped, notes=choice.notes)
    if args.json:
        sys.stdout.write(report.model_dump_json(indent=1) + "\n")
    else:
        console().print(view(report))
    if args.out is not None:  # last: a folder that cannot be written costs nobody the table
        write(report, args.out)
        if not args.json:
            console().print(f"wrote {args.out / 'frontier.html'}, frontier.svg and results.json", soft_wrap=True)
    return 0


def write(report: Report, folder: Path) -> None:
    write_text(folder / "results.json", report.model_dump_json(indent=1) + "\n")
    write_text(folder / "frontier.svg", frontier_svg(report))
    write_text(folder / "frontier.html", frontier_page(report))
