"""`orchestra solve`: one problem, its threads before your eyes, and a verified answer or an honest no."""

from __future__ import annotations

import argparse
import asyncio

from rich.console import Console
from rich.markup import escape

from ..trace.live import LiveThreads
from . import notation
from .attempt import Attempt, Setup, attempt
from .hints import free_widths, limited
from .picture import write_timelines
from .problem import Problem
from .setup import Host, host_from, setup_from


def solve(args: argparse.Namespace) -> int:
    """Exit status 0 when a verified solution was found, 1 when not."""
    problem = Problem(tuple(args.numbers), args.target)
    setup = setup_from(args)
    host = host_from(args, max_requests=max(64, setup.threads), gpu_memory=args.gpu_memory, window=setup.effective_window)
    host.check_setup(setup)
    host.check([problem])
    console = Console(highlight=False)
    if not problem.solvable:
        console.print(
            f"{problem.target} cannot be reached with {' '.join(map(str, args.numbers))}; the model does not know and searches anyway",
            soft_wrap=True,
        )
    attempted = asyncio.run(_run(host, problem, setup, console))
    console.print(verdict(attempted, setup), soft_wrap=True)
    if args.page:
        write_timelines([attempted], args.page, title=f"{' '.join(map(str, problem.numbers))} → {problem.target}")
        console.print(f"thread timeline: {args.page}", soft_wrap=True)
    return 0 if attempted.correct else 1


async def _run(host: Host, problem: Problem, setup: Setup, console: Console) -> Attempt:
    console.print(f"[dim]starting {host.kind} …[/]")
    async with host.engine:
        return await watch(host, problem, setup, console)


async def watch(host: Host, problem: Problem, setup: Setup, console: Console) -> Attempt:
    """Run one problem with a live view of its threads. The engine must be running."""
    with LiveThreads(decode=notation.text, console=console) as live:
        return await attempt(host.engine, problem, setup, observer=live.observe)


def verdict(attempted: Attempt, setup: Setup) -> str:
    """The expression, or why there is none and what to change, and what it took."""
    account = attempted.ledger
    cost = f"{attempted.tree.num_threads} threads, {account.work:,} tokens sampled, {account.span:,} on the critical path, {account.wall_seconds:.2f} s"
    if attempted.error:
        return f"[bold red]the engine failed[/], so nothing is known: {escape(attempted.error)}\n{cost}"
    if attempted.answer:
        return f"[bold green]{attempted.problem.target} = {attempted.answer}[/]  (verified)\n{cost}"
    if attempted.tree.timed_out:
        reason = "it ran out of time"
    elif attempted.flaw:
        reason = f"the solution that the model claimed is none: {escape(attempted.flaw)}"
    elif attempted.tree.speaker.status == "cut":
        numbers = len(attempted.problem.numbers)
        reason = f"it ran out of tokens: a larger --window or --tree-tokens gives it more{free_widths(setup, numbers=numbers)}"
    else:
        reason = "the search ended without one"
    return "\n".join([f"[bold yellow]no solution found[/]: {reason}", *map(escape, limited(attempted, setup)), cost])
