"""Several ways to run one problem at once; the first that succeeds ends the others.

"First Finish" (Agarwal et al. 2025, arXiv 2505.18149) does so with copies of one prompt. Here the runners may differ in everything: serial
searches beside one that forks take the shortest way where it is short, and the fork where it is long.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..engine import Engine, Sampling
from ..errors import first_cause
from .budget import Limits, TokenBudget
from .loop import Event, Observer, Run, run_children, to_its_end
from .protocols import ThreadProtocol
from .tree import Fork, Join, RunTree, Status, Thread

RACE = "race"
"""`RunTree.protocol` of a race."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """One way to run the problem, as `run_tree` takes it. Of `limits`, tokens and seconds of the whole tree are the race's, and not read."""

    engine: Engine
    protocol: ThreadProtocol
    prompt: Sequence[int]
    sampling: Sampling
    limits: Limits
    join: Join = "all"


async def race(
    runners: Sequence[Runner],
    *,
    succeeded: Callable[[Thread], bool],
    tree_tokens: int | None = None,
    seconds: float | None = None,
    session: str = "",
    observer: Observer | None = None,
    on_start: Callable[[RunTree], None] | None = None,
) -> RunTree:
    """Run all of `runners` until one of them has succeeded or all have ended.

    The tree's root says nothing: it forks into the runners, in their order, and joins the first to succeed (`RunTree.winner`). So the account
    holds for the whole race: work is everybody's, span the winner's, and what cancelled runners had sampled is wasted. Sampling that is seeded is
    seeded for each thread. Ends otherwise as `run_tree` does.

    Args:
        succeeded: whether a runner's thread that has ended gives what was wanted, such as an answer that holds when checked. It is called on
            the event loop, between tokens of the others.
        tree_tokens: that all runners together may sample. Each request reserves as many as it may sample, in the order of the runners; those
            for which none are left wait for what others have not used.
        seconds: wall clock of the whole race.

    Raises:
        ValueError: there is no runner, or a limit is not positive.
        TypeError: `succeeded` is a coroutine function, whose result would always count as success.
    """
    if not runners:
        raise ValueError("a race needs at least one runner")
    if inspect.iscoroutinefunction(succeeded):
        raise TypeError("`succeeded` must be a plain function: what an async one returns is true before it has run")
    for name, value in (("tree_tokens", tree_tokens), ("seconds", seconds)):
        if value is not None and value <= 0:
            raise ValueError(f"`{name}` must be positive, got {value}")
    engine = runners[0].engine
    started = engine.now()
    root = Thread("0", started=started)
    root.inject(())
    fork = Fork(children=[], join="first", started=started)
    root.items.append(fork)
    tree = RunTree(session=session, protocol=RACE, join="first", root=root, started=started)
    budget, runs = TokenBudget(tree_tokens), dict[str, Run]()
    if on_start:
        on_start(tree)

    def enter(number: int, runner: Runner) -> None:
        child = Thread(f"{root.id}.{number}", root.depth + 1, traceparent=root.traceparent)
        child.inject(runner.prompt)
        fork.children.append(child)
        runs[child.id] = Run(
            runner.engine,
            runner.protocol,
            sampling=runner.sampling,
            limits=runner.limits,
            join=runner.join,
            session=session,
            depth=child.depth,
            budget=budget,
            observer=observer,
        )

    def tell(kind: Literal["started", "joined", "ended"], thread: Thread) -> None:
        if observer:
            observer(Event(kind, thread))

    def end(thread: Thread, status: Status, error: str | None = None) -> None:
        thread.end(status, at=engine.now(), error=error)
        tell("ended", thread)

    async def run() -> None:
        try:
            tell("started", root)
            for number, runner in enumerate(runners):
                enter(number, runner)
            await run_children(
                fork,
                lambda child: runs[child.id].thread(child),
                succeeded=succeeded,
                cancelled=lambda child: end(child, "cancelled"),
            )
            fork.finished = engine.now()
            tell("joined", root)
        except asyncio.CancelledError:
            end(root, "cancelled")
            raise
        except Exception as error:  # the root's boundary, as every thread has one (`Run.thread`)
            end(root, "failed", repr(first_cause(error) if isinstance(error, ExceptionGroup) else error))
            raise
        end(root, "finished")

    await to_its_end(tree, run(), engine=engine, seconds=seconds)
    return tree
