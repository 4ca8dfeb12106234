"""The invariants, on random plans: no barrier, caps that hold, every node with an outcome, nothing left running."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.engine.virtual import run_virtual
from orchestra.plan.node import ToolCall
from orchestra.plan.plan import Plan
from orchestra.schedule.budget import Budget
from orchestra.schedule.events import NodeFinished, NodeStarted, RunEvent
from orchestra.schedule.execution import Execution, execute
from orchestra.schedule.outcome import Result, Usage
from orchestra.schedule.resources import Resources
from orchestra.schedule.runtime import Runtime
from orchestra.tools.tool import ToolSet

from .helpers import tool


@dataclass
class Drawn:
    """A random plan: for each node its parents, its seconds, and whether it fails."""

    parents: list[list[int]]
    seconds: list[int]
    fails: list[bool] = field(default_factory=list)

    @property
    def nodes(self) -> tuple[ToolCall, ...]:
        return tuple(
            ToolCall(
                id=str(i),
                tool="work",
                arguments={"seconds": self.seconds[i], "fails": self.fails[i]},
                depends_on=tuple(map(str, parents)),
            )
            for i, parents in enumerate(self.parents)
        )


@st.composite
def plans(draw: st.DrawFn, failures: bool = False) -> Drawn:
    size = draw(st.integers(1, 14))
    parents = [draw(st.lists(st.integers(0, i - 1), unique=True, max_size=3)) if i else [] for i in range(size)]
    seconds = draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))
    fails = draw(st.lists(st.booleans(), min_size=size, max_size=size)) if failures else [False] * size
    return Drawn(parents, seconds, fails)


@dataclass
class Watch:
    """A tool that counts how many of its calls run at once."""

    running: int = 0
    most: int = 0
    calls: int = 0

    async def work(self, arguments: Mapping[str, Any]) -> None:
        self.running, self.calls = self.running + 1, self.calls + 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(arguments["seconds"])
        finally:
            self.running -= 1
        if arguments["fails"]:
            raise ValueError("drawn to fail")


def carry_out(drawn: Drawn, **options: Any) -> tuple[Result, Watch, list[RunEvent]]:
    watch, events = Watch(), list[RunEvent]()
    runtime = Runtime(tools=ToolSet([tool("work", watch.work)]), observer=events.append, **options)

    async def main() -> Result:
        result = await execute(Plan(nodes=drawn.nodes), runtime)
        assert len(asyncio.all_tasks()) == 1
        return result

    result = run_virtual(main())
    assert watch.running == 0
    return result, watch, events


@given(plans())
@settings(deadline=None, max_examples=150)
def test_a_node_starts_the_moment_its_last_input_is_there(drawn: Drawn) -> None:
    result, _, _ = carry_out(drawn)
    for i, parents in enumerate(drawn.parents):
        ready = max((result.outcomes[str(p)].finished or 0.0 for p in parents), default=0.0)
        assert result.outcomes[str(i)].started == ready
        assert result.outcomes[str(i)].finished == ready + drawn.seconds[i]


@given(plans(), st.integers(1, 4))
@settings(deadline=None, max_examples=150)
def test_no_slot_is_idle_while_a_node_is_ready(drawn: Drawn, slots: int) -> None:
    result, watch, _ = carry_out(drawn, resources=Resources(slots=slots))
    assert watch.most <= slots
    critical = 0.0
    ends: list[float] = []
    for i, parents in enumerate(drawn.parents):
        ends.append(max((ends[p] for p in parents), default=0.0) + drawn.seconds[i])
        critical = max(critical, ends[-1])
    # Graham's bound holds for every schedule that never idles with work at hand.
    assert result.seconds <= sum(drawn.seconds) / slots + critical * (1 - 1 / slots) + 1e-9


@given(plans(failures=True), st.sampled_from([None, 1, 2]))
@settings(deadline=None, max_examples=150)
def test_every_node_has_an_outcome_and_only_heirs_of_failures_are_skipped(drawn: Drawn, slots: int | None) -> None:
    result, _, events = carry_out(drawn, resources=Resources(slots=slots))
    assert set(result.outcomes) == {str(i) for i in range(len(drawn.parents))}
    doomed: set[int] = set()
    for i, parents in enumerate(drawn.parents):
        status = result.outcomes[str(i)].status
        if doomed & set(parents):
            assert status == "skipped"
            doomed.add(i)
        else:
            assert status == ("failed" if drawn.fails[i] else "succeeded")
            if drawn.fails[i]:
                doomed.add(i)
    finished = [event.id for event in events if isinstance(event, NodeFinished)]
    assert sorted(finished) == sorted(result.outcomes)
    started = [event.id for event in events if isinstance(event, NodeStarted)]
    assert len(started) == len(set(started))


@given(plans(failures=True), st.integers(1, 8), st.sampled_from(["partial", "stop"]))
@settings(deadline=None, max_examples=150)
def test_a_cap_on_calls_holds_and_is_settled_in_the_end(drawn: Drawn, cap: int, at_limit: Any) -> None:
    budget = Budget(calls=cap, at_limit=at_limit)
    result, watch, _ = carry_out(drawn, budget=budget)
    assert watch.calls <= cap and result.usage.calls <= cap
    assert budget.held == Usage()
    assert len(result.outcomes) == len(drawn.parents)


@given(plans(failures=True), st.integers(0, 12), st.sampled_from([None, 1, 3]))
@settings(deadline=None, max_examples=150)
def test_leaving_at_any_moment_leaves_nothing_running_or_held(drawn: Drawn, moment: int, slots: int | None) -> None:
    watch, budget, resources = Watch(), Budget(calls=100), Resources(slots=slots)
    runtime = Runtime(tools=ToolSet([tool("work", watch.work)]), budget=budget, resources=resources)

    async def main() -> None:
        async with Execution(runtime) as execution:
            execution.add(drawn.nodes)
            await asyncio.sleep(moment + 0.5)
        assert len(asyncio.all_tasks()) == 1 and watch.running == 0
        assert budget.held == Usage()
        again = await execute(Plan(nodes=drawn.nodes), Runtime(tools=runtime.tools, resources=resources))
        assert len(again.outcomes) == len(drawn.parents)  # no slot was lost

    run_virtual(main())


@given(plans(), st.data())
@settings(deadline=None, max_examples=100)
def test_the_pace_at_which_nodes_are_added_changes_nothing_but_time(drawn: Drawn, data: st.DataObject) -> None:
    pauses = [data.draw(st.integers(0, 3)) for _ in drawn.parents]
    watch = Watch()

    async def main() -> Result:
        async with Execution(Runtime(tools=ToolSet([tool("work", watch.work)]))) as execution:
            for node, pause in zip(drawn.nodes, pauses, strict=True):
                await asyncio.sleep(pause)
                execution.add([node])
            execution.close()
            return await execution.result()

    result = run_virtual(main())
    at = 0.0
    for i, parents in enumerate(drawn.parents):
        at += pauses[i]
        assert result.outcomes[str(i)].started == max([at, *(result.outcomes[str(p)].finished or 0.0 for p in parents)])
