"""A sample as one run tree: its traces are the children of one fork, so that timelines, records and ledgers of forks serve it, too."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ..thread import Fork, RunTree, Segment, Thread
from .outcome import Outcome
from .source import LiveTrace


def sample_tree(outcome: Outcome, traces: Sequence[LiveTrace]) -> RunTree | None:
    """The traces of `outcome` side by side, the one that speaks for the answer as the winner; None when no trace has a tree of its own.

    The trees of `traces` stay as they are.
    """
    grown = [(trace, trace.tree) for trace in traces if trace.tree is not None]
    if not grown:
        return None
    first = grown[0][1]
    started = min(tree.started for _, tree in grown)
    finished = max(tree.finished or tree.started for _, tree in grown)
    children = {trace.id: _renamed(tree.root, f"0.{trace.id}", depth=1) for trace, tree in grown}
    root = Thread("0", started=started)
    root.inject(first.root.prompt)
    root.items.append(
        Fork(
            children=list(children.values()),
            join="first" if any(child.status == "cancelled" for child in children.values()) else "all",
            started=started,
            finished=finished,
            winner=children.get(outcome.trace) if outcome.trace is not None else None,
        )
    )
    root.end("failed" if outcome.error else "finished", at=finished, error=outcome.error)
    return RunTree(session=first.session, protocol="sample", join="all", root=root, started=started, finished=finished)


def _renamed(thread: Thread, id: str, *, depth: int) -> Thread:
    """A copy of a thread and all below it under another id. Segments are shared."""
    copy = dataclasses.replace(thread, id=id, depth=depth, items=[])
    for item in thread.items:
        if isinstance(item, Segment):
            copy.items.append(item)
            continue
        children = [_renamed(child, id + child.id.removeprefix(thread.id), depth=depth + 1) for child in item.children]
        winner = next((new for new, old in zip(children, item.children, strict=True) if old is item.winner), None)
        copy.items.append(dataclasses.replace(item, children=children, winner=winner))
    return copy
