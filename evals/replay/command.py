"""`orchestra replay`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from orchestra.errors import ConfigError
from orchestra.sample.named import read_policy
from orchestra.sample.policy import Policy
from orchestra.sample.pool import Pool
from orchestra.sample.replay import Rules, lacking
from orchestra.trace.files import write_text

from .compare import report_of
from .page import frontier_page
from .plot import frontier_svg
from .pools import open_pools
from .resample import Resampling, run, steps
from .results import Report, Skipped
from .table import view

_BASELINE_TRACES = 64


def replay(args: argparse.Namespace) -> int:
    """Compare policies on pools: a table, or JSON, and with `--out` the files of a report. Raises `ConfigError` when no policy can run."""
    pool = open_pools(args.pools)
    rules = Rules(slots=args.slots)
    choice = choose(pool, rules, args.policy, baseline=args.baseline)
    resampling = Resampling(pool=pool, policies=choice.policies, rules=rules, resamples=args.resamples, seed=args.seed)
    console = Console(stderr=True, highlight=False)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        console=console, disable=not console.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task(f"replay · {pool.name}", total=steps(resampling))
        results = run(resampling, processes=args.processes or os.cpu_count() or 1, advance=lambda: bar.advance(task))
    report = report_of(resampling, choice.specs, results, skipped=choice.skipped, notes=choice.notes)
    if args.out is not None:
        write(report, args.out)
    if args.json:
        sys.stdout.write(report.model_dump_json(indent=1) + "\n")
    else:
        Console(highlight=False).print(view(report))
        if args.out is not None:
            Console(highlight=False).print(f"wrote {args.out / 'frontier.html'}, frontier.svg and results.json", soft_wrap=True)
    return 0


def write(report: Report, folder: Path) -> None:
    write_text(folder / "results.json", report.model_dump_json(indent=1) + "\n")
    write_text(folder / "frontier.svg", frontier_svg(report))
    write_text(folder / "frontier.html", frontier_page(report))


@dataclass(frozen=True, slots=True)
class Choice:
    """What can be replayed; the baseline is the first."""

    specs: list[str]
    policies: list[Policy]
    skipped: list[Skipped]
    notes: list[str]


def choose(pool: Pool, rules: Rules, specs: Sequence[str], *, baseline: str | None = None) -> Choice:
    """Those of `specs` that the pool can express, and why the others are skipped.

    Without a `baseline` it is plain self-consistency with 64 traces, or with all that there are. Raises `ConfigError` for a policy that
    nobody knows, for a baseline that cannot run, and when nothing beside it can.
    """
    notes = []
    if baseline is None:
        traces = min(_BASELINE_TRACES, pool.depth)
        baseline = f"self_consistency:n={traces}"
        if traces < _BASELINE_TRACES:
            notes.append(f"The baseline has {traces} traces, since some problem of the pool has no more.")
    first = read_policy(baseline)
    if why := obstacle(first, pool, rules):
        raise ConfigError(f"the baseline {baseline} cannot run on {pool.name}: {why}; choose another `--baseline`")
    choice = Choice([baseline], [first], [], notes)
    for spec in dict.fromkeys(specs):
        policy = read_policy(spec)
        if why := obstacle(policy, pool, rules):
            choice.skipped.append(Skipped(policy=spec, reason=why))
        elif spec != baseline:
            choice.specs.append(spec)
            choice.policies.append(policy)
    if choice.skipped and len(choice.specs) == 1 and baseline not in specs:
        reasons = "\n  ".join(f"{skipped.policy}: {skipped.reason}" for skipped in choice.skipped)
        raise ConfigError(
            f"the pool {pool.name} can express none of the policies; run them live, or record what they need\n  {reasons}"
        )
    return choice


def obstacle(policy: Policy, pool: Pool, rules: Rules) -> str | None:
    """Why the pool cannot express `policy`; None when it can."""
    if missing := lacking(policy.needs, pool, rules):
        return f"the pool has no {', no '.join(missing)}"
    if policy.most > pool.depth:
        return f"it may launch {policy.most} traces, and some problem of the pool has only {pool.depth}"
    return None
