"""`orchestra demo`: a small model forks threads before your eyes, then the same few problems serially and forked."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table

from orchestra.countdown.attempt import Attempt, Setup, attempt
from orchestra.countdown.command import verdict, watch
from orchestra.countdown.model import SHIPPED
from orchestra.countdown.picture import outcome, write_timelines
from orchestra.countdown.problem import Problem
from orchestra.countdown.setup import Host, host_from

from .methods.countdown import attempted_of
from .problem import Grade
from .problems import from_split
from .report import Summary, summary_of, table
from .row import Row
from .runner import row_of
from .suite.countdown import problem

WATCHED = Setup(method="fork", join="first")
SETUPS = (Setup(method="serial"), Setup(method="fork", join="all"), WATCHED, replace(WATCHED, scouts=8))
RECORDED = Path(__file__).parent / "recorded" / SHIPPED / "summary.json"


def demo(args: argparse.Namespace) -> int:
    console = Console(highlight=False)
    host = host_from(args, max_requests=64, gpu_memory=args.gpu_memory)
    problems = from_split("test", seed=0, limit=args.limit)
    attempts = asyncio.run(_run(host, problems, console))
    console.print()
    console.print(comparison(attempts, recorded=_recorded() if host.model and host.model.name == SHIPPED else {}))
    page = args.out / "timeline.html"
    first = [attempted for attempted in reversed(attempts) if attempted.problem == problems[0]]
    write_timelines(first, page, title=f"Countdown: {' '.join(map(str, problems[0].numbers))} → {problems[0].target}")
    console.print(f"\nThread timeline of the first problem in every mode: [bold]{page}[/] (open it in a browser)", soft_wrap=True)
    console.print(f"Your own numbers: {Path(sys.argv[0])} solve --numbers 3 5 7 11 --target 24", soft_wrap=True)
    return 1 if any(attempted.error for attempted in attempts) else 0


async def _run(host: Host, problems: Sequence[Problem], console: Console) -> list[Attempt]:
    console.print(
        "Countdown: use every number once with + - * / to reach the target. In fork mode\n"
        "the model itself decides which first moves to explore, hands each to a child\n"
        "thread with a fresh context, and writes the answer from what they return.\n"
        "Scouts are serial searches beside it: the first right answer ends all.\n"
    )
    model = host.model.name if host.model else "a flawless symbolic player"
    console.print(f"Starting {host.kind} with {model} …")
    async with host.engine as engine:
        first = problems[0]
        console.print(
            f"\n[bold]{' '.join(map(str, first.numbers))} → {first.target}[/], forked, siblings cancelled at the first success:\n"
        )
        console.print(verdict(await watch(host, first, WATCHED, console), WATCHED), soft_wrap=True)
        console.print(f"\nNow {len(problems)} held-out problems in each mode, one at a time …")
        attempts: list[Attempt] = []
        for setup in SETUPS:
            for problem in problems:
                done = await attempt(engine, problem, setup)
                attempts.append(done)
                console.print(f"  {done.label:<23}{' '.join(map(str, problem.numbers)):>12} → {problem.target:<4}{outcome(done)}")
        return attempts


def comparison(attempts: Sequence[Attempt], *, recorded: dict[str, Summary]) -> Table:
    """The table of the demo: counts on these problems, and beside them what was recorded on a thousand."""
    methods = list(dict.fromkeys(attempted.label for attempted in attempts))
    summaries = [summary_of([to_row(a) for a in attempts if a.label == method], run="demo", method=method) for method in methods]
    view = table(summaries, recorded=recorded)
    if recorded:
        problems = next(iter(recorded.values())).problems
        view.caption = f"{view.caption}\nrecorded: this model on {problems:,} held-out problems, see evals/recorded/{SHIPPED}"
    return view


def to_row(done: Attempt) -> Row:
    """The player's own verdict, as an eval would grade it."""
    grade = Grade(correct=done.correct, answer=done.answer, flaw=done.flaw)
    return row_of(problem("countdown", done.problem), 0, attempted_of(done), grade, at_once=1)


def _recorded() -> dict[str, Summary]:
    """The shipped model's recorded summaries at the demo's settings, by method; empty where they were not installed."""
    if not RECORDED.is_file():
        return {}
    names = {"serial": "serial", "fork-all": "fork (all)", "fork-first": "fork (first)", "race": SETUPS[-1].label}
    summaries = TypeAdapter(list[Summary]).validate_json(RECORDED.read_text())
    return {names[summary.method]: summary for summary in summaries if summary.method in names}
