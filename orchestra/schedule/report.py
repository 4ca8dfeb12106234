"""From the state of an execution to its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..plan.node import INPUT
from ..plan.plan import Plan
from ..plan.ref import Missing, Ref, follow, refs, resolve
from .entry import Entry
from .graph import Graph
from .outcome import ONE_CALL, Outcome, Result, Usage


def result_of(
    graph: Graph,
    plan: Plan,
    outcomes: Mapping[str, Outcome],
    discarded: Usage,
    stopped: str | None,
    left_behind: Sequence[str],
    started: float,
    finished: float,
) -> Result:
    """What came out. There is an output when every node that it names succeeded; without a named one, when every sink did."""
    output, error = _output(graph, plan)
    some = any(outcome.ok for outcome in outcomes.values())
    return Result(
        status="succeeded" if error is None else "partial" if some else "failed",
        output=output,
        error=error,
        plan=plan,
        outcomes=outcomes,
        usage=total(graph, discarded),
        started=started,
        finished=finished,
        stopped=stopped,
        left_behind=tuple(left_behind),
    )


def total(graph: Graph, discarded: Usage) -> Usage:
    """What the nodes that have ended have spent, and what was discarded."""
    calls = 0
    spent = discarded
    for entry in graph.entries.values():
        if entry.outcome is not None:
            if entry.outcome.usage is ONE_CALL:  # nearly all, and adding objects up is slow
                calls += 1
            else:
                spent += entry.outcome.usage
    return spent + Usage(calls=calls)


def _output(graph: Graph, plan: Plan) -> tuple[Any, str | None]:
    entries = graph.entries
    sinks = [id for id, entry in entries.items() if not entry.dependents] if plan.output is None else []
    wanted = sinks or [ref.node for ref in refs(plan.output) if ref.node != INPUT]
    reasons: list[str] = []
    for id in dict.fromkeys(wanted):
        outcome = entries[id].outcome if id in entries else None
        if outcome is None or not outcome.ok:
            reasons.append(f"{id}: {outcome.error}" if outcome is not None else f"there is no node {id}")
    if reasons:
        return None, f"the output needs what failed ({'; '.join(reasons[:20])})"
    if plan.output is None:
        return {id: _value(entries[id]) for id in sinks}, None

    def value(ref: Ref) -> Any:
        return follow(ref, graph.arguments if ref.node == INPUT else _value(entries[ref.node]))

    try:
        return resolve(plan.output, value), None
    except Missing as error:
        return None, str(error)


def _value(entry: Entry) -> Any:
    assert entry.outcome is not None
    return entry.outcome.value
