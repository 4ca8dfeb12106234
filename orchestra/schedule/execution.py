"""The execution of a plan: event driven, without barriers and without polling.

A node is a counter of what it still waits for. Its end lowers the counters of those that wait for it, and whichever reaches zero (or its
quorum) starts at once, or stands in line for a resource by its remaining critical path. Nodes may be added while others run, which is how
a plan is executed while it is still being written, and a running plan can be patched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from ..plan.changes import Changes, diff
from ..plan.node import Node, SubPlan
from ..plan.plan import Plan, in_order
from .entry import Entry
from .events import NodeAdded, PlanPatched, RunFinished
from .flow import Flow
from .graph import Graph, expected_seconds
from .outcome import NOTHING, Outcome, Result, SubPlanFailed, Usage
from .report import result_of, total
from .runtime import Runtime
from .steps import Steps


class Execution:
    """One plan in progress. Enter it, `add` nodes, `close` it when no more will come, and await `result()`; leaving it early cancels the rest.

    A node's failure is data: it is in the outcome of the node, and those that need it are skipped. What is raised here is misuse (`PlanError`)
    or a bug. `scope` and `arguments` are those of a sub-plan.
    """

    def __init__(
        self, runtime: Runtime, *, scope: str = "", arguments: Mapping[str, Any] | None = None, outer: Flow | None = None
    ) -> None:
        self._runtime = runtime
        self._scope = scope
        self._outer = outer
        self._steps = Steps(runtime.tools, runtime.models, self._nested)
        self._graph = Graph(arguments)
        self._others: dict[str, Outcome] = {}
        """Outcomes of nodes in sub-plans, and of nodes that were removed."""
        self._added = 0
        self._discarded = NOTHING
        """Spent on nodes that a patch replaced or removed."""
        self._undo: list[Callable[[], None]] = []
        self._plan = Plan(nodes=())
        self._closed = False

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._flow = Flow(self._runtime, self._graph, self._steps, self._scope, self._outer)
        self._started = self._loop.time()
        if (budget := self._runtime.budget) is not None:
            self._undo.append(budget.watch(self._flow.room_again))
            if budget.seconds is not None and not self._scope:
                self._undo.append(self._loop.call_later(budget.seconds, self.stop, f"{budget.seconds:g} seconds").cancel)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for undo in self._undo:
            undo()
        await self._flow.leave()

    @property
    def plan(self) -> Plan:
        """As it is now."""
        return self._plan.model_copy(update={"nodes": tuple(entry.node for entry in self._graph.entries.values())})

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """Of all nodes that have ended so far, those of sub-plans as "outer/inner"."""
        found = {id: entry.outcome for id, entry in self._graph.entries.items() if entry.outcome is not None}
        return found | self._others if self._others else found

    @property
    def usage(self) -> Usage:
        """What has been spent so far."""
        return total(self._graph, self._discarded)

    @property
    def begun(self) -> set[str]:
        """Nodes whose calls have been made, or are being made."""
        return {id for id, entry in self._graph.entries.items() if entry.began is not None}

    @property
    def unfinished(self) -> list[str]:
        return [id for id, entry in self._graph.entries.items() if entry.state != "ended"]

    def add(self, nodes: Iterable[Node]) -> None:
        """More of the plan; each node after those that it waits for. What can start does so before this returns.

        Raises `PlanError` for a taken id, a reference to a node that is not there, an unknown tool or a model call without models.
        """
        self._flow.consider(self._insert(nodes))

    def patch(self, changes: Changes, *, reason: str = "") -> None:
        """Change the plan while it runs. `changes` come from `plan.patch.apply`, which has checked them. What is replaced runs again."""
        self._flow.flush()
        graph = self._graph
        retired = [graph.entries[id] for id in changes.removed]
        for entry in retired + [graph.entries[node.id] for node in changes.replaced]:
            self._flow.halt(entry)
            if entry.outcome is not None:
                self._discarded += entry.outcome.usage
        revived = self._insert(in_order(changes.added))
        for node in changes.replaced:
            revived += graph.replace(node.id, node, self._steps.facts(node))
            self._claim(graph.entries[node.id])
        for node in reversed(in_order(entry.node for entry in retired)):  # nobody waits for the last
            graph.remove(node.id)
            outcome = Outcome("cancelled", error="removed by a patch", finished=self._loop.time(), source="none")
            self._others[node.id] = outcome
        self._plan = self._plan.model_copy(update={"output": changes.output, "version": self._plan.version + 1})
        if self._runtime.observer is not None:
            added, replaced = (tuple(node.id for node in nodes) for nodes in (changes.added, changes.replaced))
            self._runtime.observer(
                PlanPatched(self.plan, added, replaced, tuple(sorted(changes.removed)), reason, self._loop.time())
            )
        self._flow.consider(revived)

    def revise(self, plan: Plan, *, reason: str = "") -> None:
        """Go on as `plan`, which is another one than was begun. Outcomes of nodes that are the same, with the same inputs, stay; the others run
        again. For calls without lasting effect."""
        changes = diff(self.plan, plan)
        fresh = {node.id for node in (*changes.added, *changes.replaced)}
        stale: list[Node] = []
        for node in in_order(plan.nodes):
            if node.id not in fresh and any(needed in fresh for needed in node.waits_for):
                fresh.add(node.id)
                stale.append(node)
        if fresh or changes.removed:
            self.patch(replace(changes, replaced=(*changes.replaced, *stale)), reason=reason)

    def _insert(self, nodes: Iterable[Node]) -> list[Entry]:
        entries = []
        observer, now = self._runtime.observer, self._loop.time()
        for node in nodes:
            facts = self._steps.facts(node)
            entry = Entry(node, facts, self._added, self._flow.granted, expected_seconds(node, facts))
            self._claim(entry)
            self._graph.add(entry)
            self._added += 1
            entries.append(entry)
            if observer is not None:
                observer(NodeAdded(node, now, self._scope))
        return entries

    def close(self, output: Any = None, *, goal: str = "") -> None:
        """No more nodes will come; `output` as in `Plan.output`."""
        self._plan = self._plan.model_copy(update={"output": output, "goal": goal})
        self._closed = True

    def cancel(self, ids: Iterable[str], why: str) -> None:
        """Cancel nodes that have not ended; those that need them are skipped."""
        for id in ids:
            self._flow.cancel(self._graph.entries[id], why)

    def stop(self, why: str) -> None:
        """End early: cancel what runs and skip what waits. `result()` then has whatever is finished."""
        self._flow.stop(why)

    async def idle(self) -> None:
        """Returns when every node that has been added has ended. Raises what an observer raised."""
        await self._flow.idle()

    @property
    def completed(self) -> int:
        """Nodes that have ended after having been started."""
        return self._flow.completed

    async def completions(self, count: int) -> None:
        """Returns when `completed` has reached `count`, or when every node has ended."""
        await self._flow.completions(count)

    async def result(self) -> Result:
        """Waits for the end. The execution must have been closed."""
        assert self._closed, "close() the execution first: more nodes could come"
        await self._flow.idle()
        finished = self._loop.time()
        result = result_of(
            self._graph,
            self.plan,
            self.outcomes,
            self._discarded,
            self._flow.stopped,
            self._flow.left_behind,
            self._started,
            finished,
        )
        if self._runtime.observer is not None and not self._scope:
            self._runtime.observer(RunFinished(result, finished))
        return result

    def _claim(self, entry: Entry) -> None:
        facts = entry.facts
        if not facts.waits:
            tokens = facts.wanted.tokens
            entry.claims = self._runtime.resources.claims(facts.resource, tokens=tokens, reads=facts.reads, writes=facts.writes)

    async def _nested(self, node: SubPlan, arguments: dict[str, Any]) -> tuple[Any, Usage]:
        scope = f"{self._scope}{node.id}/"
        inner = Execution(self._runtime, scope=scope, arguments=arguments, outer=self._flow)
        try:
            async with inner:
                inner.add(in_order(node.nodes))
                inner.close(node.output)
                result = await inner.result()
        except BaseException:  # cancelled: what its nodes had spent is counted all the same
            self._discarded += inner.usage
            raise
        finally:
            self._others |= {f"{node.id}/{id}": outcome for id, outcome in inner.outcomes.items()}
        if result.status != "succeeded":
            raise SubPlanFailed(str(result.error), result.usage)
        return result.output, result.usage


async def execute(plan: Plan, runtime: Runtime) -> Result:
    """Run a whole plan, which has been verified. Raises `PlanError` for one that cannot be run; cancelling the caller cancels every node."""
    async with Execution(runtime) as execution:
        execution.add(in_order(plan.nodes))
        execution.close(plan.output, goal=plan.goal)
        return await execution.result()
