"""From the state of an execution to its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..plan.node import INPUT
from ..plan.plan import Plan
from ..plan.ref import Missing, Ref, follow, resolve
from .graph import Graph
from .outcome import Outcome, Result, Usage
from .runtime import Runtime


def result_of(
    graph: Graph,
    plan: Plan,
    outcomes: Mapping[str, Outcome],
    discarded: Usage,
    stopped: str | None,
    runtime: Runtime,
    started: float,
    finished: float,
) -> Result:
    """What came out. There is an output when every node that it names succeeded; without a named one, when every sink did."""
    own = {id: entry.outcome for id, entry in graph.entries.items() if entry.outcome is not None}
    output, error = _output(graph, plan, own)
    some = any(outcome.ok for outcome in own.values())
    return Result(
        status="succeeded" if error is None else "partial" if some else "failed",
        output=output,
        error=error,
        plan=plan,
        outcomes=outcomes,
        usage=sum((outcome.usage for outcome in own.values()), discarded),
        started=started,
        finished=finished,
        stopped=stopped,
        left_behind=tuple(runtime.left_behind),
    )


def _output(graph: Graph, plan: Plan, own: Mapping[str, Outcome]) -> tuple[Any, str | None]:
    wanted = sorted(plan.returned - {INPUT}, key=lambda id: (id not in own, id))
    lacking = [id for id in wanted if id not in own or not own[id].ok]
    if lacking:
        reasons = "; ".join(f"{id}: {own[id].error}" if id in own else f"there is no node {id}" for id in lacking)
        return None, f"the output needs what failed ({reasons})"
    if plan.output is None:
        return {id: own[id].value for id in plan.sinks}, None

    def value(ref: Ref) -> Any:
        return follow(ref, graph.arguments if ref.node == INPUT else own[ref.node].value)

    try:
        return resolve(plan.output, value), None
    except Missing as error:
        return None, str(error)
