"""However a run ends – left, stopped, out of time, with an observer that raises, patched in the middle – nothing is leaked, lost or done twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from orchestra.chat.base import ChatRequest
from orchestra.chat.ladder import Ladder, Tier
from orchestra.chat.scripted import ScriptedChat
from orchestra.engine.virtual import run_virtual
from orchestra.plan.changes import Changes, diff
from orchestra.plan.node import Edge, ModelCall, SubPlan, ToolCall
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref
from orchestra.schedule.budget import Budget
from orchestra.schedule.events import LimitReached, NodeAdded, NodeFinished, NodeRetried, NodeStarted, RunEvent
from orchestra.schedule.execution import Execution, execute
from orchestra.schedule.outcome import Result, Retry, Usage
from orchestra.schedule.resources import Limit, Resources
from orchestra.schedule.runtime import Hedge, Runtime
from orchestra.tools.tool import ToolSet

from .helpers import FAIL, TOOLS, WAIT, failing, node, run, tool


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_leaving_in_the_turn_of_adding_leaks_no_slot_and_no_reservation(turns: int) -> None:
    resources, budget = Resources(slots=2), Budget(calls=100)
    runtime = Runtime(tools=TOOLS, resources=resources, budget=budget)

    async def main() -> Result:
        async with Execution(runtime) as execution:
            execution.add([node(str(i), seconds=5) for i in range(5)])
            for _ in range(turns):
                await asyncio.sleep(0)
        assert budget.held == Usage()
        return await execute(Plan(nodes=(node("1"), node("2"), node("3"))), Runtime(tools=TOOLS, resources=resources))

    assert run_virtual(main()).status == "succeeded"


def test_stopping_ends_what_has_not_taken_its_first_step() -> None:
    result = run(
        *(node(str(i), seconds=5) for i in range(6)), runtime=Runtime(tools=TOOLS, budget=Budget(calls=3, at_limit="stop"))
    )
    assert result.seconds == 0 and result.left_behind == () and result.stopped == "3 calls"


def test_a_stop_inside_a_sub_plan_stops_the_whole_run() -> None:
    inner = SubPlan(id="sub", nodes=tuple(node(str(i)) for i in range(5)), output=None)
    runtime = Runtime(tools=TOOLS, budget=Budget(calls=3, at_limit="stop"))
    result = run(node("long", seconds=100), inner, runtime=runtime)
    assert result.seconds == 0 and result.outcomes["long"].status == "cancelled" and result.stopped == "3 calls"


@pytest.mark.parametrize("at_limit", ["partial", "stop"])
def test_a_chain_that_goes_on_after_failures_ends_without_nesting(at_limit: Any) -> None:
    chain = [node("0")]
    chain += [node(str(i), value=Ref(str(i - 1)), edges={str(i - 1): Edge(on_failure="continue")}) for i in range(1, 3000)]
    result = run(*chain, runtime=Runtime(tools=TOOLS, budget=Budget(calls=2, at_limit=at_limit)))
    assert len(result.outcomes) == 3000 and result.usage.calls == 2


def test_after_the_seconds_nothing_starts_any_more() -> None:
    async def main() -> Result:
        async with Execution(Runtime(tools=TOOLS, budget=Budget(seconds=1))) as execution:
            execution.add([node("early", seconds=5)])
            await asyncio.sleep(2)
            execution.add([node("late", seconds=50)])
            execution.close()
            return await execution.result()

    result = run_virtual(main())
    assert result.seconds == 2 and result.outcomes["late"].status == "skipped" and "1 seconds" in str(result.outcomes["late"].error)


@pytest.mark.parametrize("kind", [NodeAdded, NodeStarted, NodeRetried, NodeFinished, LimitReached])
@pytest.mark.parametrize("nested", [False, True])
def test_whatever_event_an_observer_raises_at_the_run_ends_with_its_error_and_lets_go(kind: type, nested: bool) -> None:
    def observer(event: RunEvent) -> None:
        if isinstance(event, kind):
            raise OSError("the display is broken")

    async def shaky(_: Mapping[str, Any]) -> None:
        raise ConnectionError("reset")

    resources = Resources(slots=2)
    tools = ToolSet([WAIT, FAIL, tool("shaky", shaky)])
    budget = Budget(calls=5 if kind is LimitReached else 100)
    runtime = Runtime(tools=tools, resources=resources, budget=budget, observer=observer)
    nodes = (ToolCall(id="shaky", tool="shaky"), *(node(str(i), seconds=1) for i in range(8)))
    plan = Plan(nodes=(SubPlan(id="sub", nodes=nodes, output=None),) if nested else nodes)

    async def main() -> Result:
        with pytest.raises(OSError, match="the display is broken"):
            await execute(plan, runtime)
        return await execute(Plan(nodes=(node("1"), node("2"), node("3"))), Runtime(tools=TOOLS, resources=resources))

    assert run_virtual(main()).status == "succeeded"


def test_a_sub_plan_is_not_repeated_for_running_late() -> None:
    sent: list[int] = []

    async def send(_: Mapping[str, Any]) -> None:
        sent.append(1)

    tools = ToolSet([WAIT, tool("send", send, effect="once")])
    inner = SubPlan(id="sub", nodes=(ToolCall(id="1", tool="send"), node("2", "1", seconds=100)), output=None, timeout_s=5)
    result = run(inner, runtime=Runtime(tools=tools, retry=Retry(attempts=3)))
    assert sent == [1] and result.outcomes["sub"].status == "failed"
    assert result.usage.calls == 2  # what the sub-plan had spent when it was given up


def test_removed_nodes_may_wait_for_each_other_in_any_order() -> None:
    async def main() -> Result:
        async with Execution(Runtime(tools=TOOLS)) as execution:
            execution.add([node("keep", seconds=3), node("x", seconds=5), node("z", seconds=5)])
            added = Changes(added=(node("y", seconds=5),), replaced=(node("x", "y", seconds=5),), removed=frozenset(), output=None)
            execution.patch(added)
            execution.patch(diff(execution.plan, Plan(nodes=(node("keep", seconds=3),))))
            execution.close()
            return await execution.result()

    result = run_virtual(main())
    assert result.seconds == 3 and {result.outcomes[id].status for id in "xyz"} == {"cancelled"}


def test_a_patch_in_the_turn_of_many_starts_reserves_nothing_twice() -> None:
    budget = Budget(calls=1000)

    async def main() -> None:
        async with Execution(Runtime(tools=TOOLS, budget=budget)) as execution:
            many = [node(str(i), seconds=1) for i in range(600)]
            execution.add(many)
            execution.patch(Changes(added=(), replaced=(node("599", seconds=2),), removed=frozenset({"598"}), output=None))
            execution.close()
            result = await execution.result()
            assert result.seconds == 2 and result.usage.calls == 599

    run_virtual(main())
    assert budget.held == Usage()


def test_cancelled_model_calls_are_counted() -> None:
    models = Ladder([Tier(model=ScriptedChat(lambda _: "x" * 4000, seconds_per_token=1))])

    async def main() -> Result:
        async with Execution(Runtime(models=models)) as execution:
            execution.add([ModelCall(id=str(i), prompt="?") for i in range(3)])
            await asyncio.sleep(1)
            execution.cancel(["0", "1", "2"], "enough")
            execution.close()
            return await execution.result()

    result = run_virtual(main())
    assert result.usage.calls == 3 and all(outcome.started == 0 for outcome in result.outcomes.values())


def test_a_retry_needs_room_in_the_budget() -> None:
    tries: list[int] = []

    async def shaky(_: Mapping[str, Any]) -> None:
        tries.append(1)
        raise ConnectionError("reset")

    budget = Budget(calls=2)
    run(
        ToolCall(id="1", tool="shaky"),
        runtime=Runtime(tools=ToolSet([tool("shaky", shaky)]), retry=Retry(attempts=9), budget=budget),
    )
    assert len(tries) == 2 and budget.spent.calls == 2 and budget.held == Usage()


def test_a_hedge_needs_room_in_the_budget() -> None:
    calls: list[int] = []

    async def search(_: Mapping[str, Any]) -> None:
        calls.append(1)
        await asyncio.sleep(50 if len(calls) == 9 else 1)

    runtime = Runtime(tools=ToolSet([tool("search", search)]), hedge=Hedge(min_calls=8, factor=2), budget=Budget(calls=9))
    chain = [ToolCall(id=str(i), tool="search", depends_on=(str(i - 1),) if i else ()) for i in range(9)]
    assert run(*chain, runtime=runtime).seconds == 58 and len(calls) == 9


def test_those_behind_a_pure_call_that_fails_do_not_try_one_after_the_other() -> None:
    async def look(_: Mapping[str, Any]) -> None:
        await asyncio.sleep(5)
        raise ValueError("not there")

    runtime = Runtime(tools=ToolSet([tool("look", look, effect="pure")]))
    result = run(*(ToolCall(id=str(i), tool="look") for i in range(1500)), runtime=runtime)
    assert result.seconds == 5 and len(result.of("failed")) == 1500


def test_those_behind_a_pure_call_that_is_cancelled_make_it_themselves() -> None:
    async def look(_: Mapping[str, Any]) -> str:
        await asyncio.sleep(5)
        return "found"

    async def main() -> Result:
        async with Execution(Runtime(tools=ToolSet([tool("look", look, effect="pure")]))) as execution:
            execution.add([ToolCall(id=str(i), tool="look") for i in range(3)])
            await asyncio.sleep(1)
            execution.cancel(["0"], "not needed")
            execution.close()
            return await execution.result()

    result = run_virtual(main())
    assert [outcome.value for outcome in result.outcomes.values()] == [None, "found", "found"] and result.seconds == 6


def test_a_cancelled_writer_lets_the_readers_behind_it_in() -> None:
    async def main() -> Result:
        async with Execution(Runtime(tools=TOOLS)) as execution:
            execution.add(
                [node("r1", seconds=100, reads={"x"}), node("w", seconds=1, writes={"x"}), node("r2", seconds=1, reads={"x"})]
            )
            await asyncio.sleep(1)
            execution.cancel(["w"], "not needed")
            execution.close()
            return await execution.result()

    assert run_virtual(main()).outcomes["r2"].started == 1


def test_a_model_that_the_plan_names_is_not_exchanged_for_a_cheaper_one() -> None:
    def tier(name: str, price: float) -> Tier:
        return Tier(name=name, model=ScriptedChat(lambda _: name), price_per_1k_sampled=price, up_to=3 if name == "small" else 5)

    runtime = Runtime(models=Ladder([tier("small", 0.1), tier("big", 10)]), budget=Budget(money=0.5, at_limit="degrade"))
    result = run_virtual(execute(Plan(nodes=(ModelCall(id="1", prompt="?", model="big", max_tokens=100),)), runtime))
    assert result.outcomes["1"].status == "skipped" and result.stopped == "0.5 of money"


def test_resources_serve_a_second_event_loop_after_a_run_was_left_in_line() -> None:
    resources = Resources(limits={"api": Limit(requests_per_minute=6)})
    tools = ToolSet([replace(WAIT, resource="api")])

    async def left() -> None:
        async with Execution(Runtime(tools=tools, resources=resources)) as execution:
            execution.add([node(str(i)) for i in range(3)])
            await asyncio.sleep(1)

    run_virtual(left())
    assert run_virtual(execute(Plan(nodes=(node("1"), node("2"))), Runtime(tools=tools, resources=resources))).status == "succeeded"


def test_the_line_for_a_rate_wakes_for_the_smaller_and_more_urgent() -> None:
    def answer(request: ChatRequest) -> str:
        return "x"

    models = Ladder([Tier(model=ScriptedChat(answer), resource="m")])
    resources = Resources(limits={"m": Limit(tokens_per_minute=60)})  # one a second, ten at once

    async def main() -> Result:
        async with Execution(Runtime(models=models, tools=TOOLS, resources=resources)) as execution:
            execution.add([ModelCall(id="first", prompt="", max_tokens=10)])
            execution.add([ModelCall(id="large", prompt="", max_tokens=10)])
            execution.add(
                [ModelCall(id="small", prompt="", max_tokens=1), node("after", "small", seconds=1), node("end", "after", seconds=9)]
            )
            execution.close()
            return await execution.result()

    assert (run_virtual(main()).outcomes["small"].started or 0) <= 1.1


def test_random_endings_leave_nothing_behind() -> None:
    """Plans of every shape, cancelled, patched and left at random moments, on shared resources and one budget."""
    for seed in range(60):
        draw = random.Random(seed)
        resources, budget = Resources(slots=draw.choice([1, 3, None])), Budget(calls=10_000)
        runtime = Runtime(tools=TOOLS, resources=resources, budget=budget)

        async def main(draw: random.Random, runtime: Runtime, resources: Resources, budget: Budget) -> None:
            async with Execution(runtime) as execution:
                nodes: list[Any] = []
                for i in range(12):
                    after = tuple(draw.sample([n.id for n in nodes], k=min(len(nodes), draw.randint(0, 2))))
                    make = failing if draw.random() < 0.2 else node
                    nodes.append(make(str(i), *after, seconds=draw.randint(0, 3), reads={"x"} if draw.random() < 0.3 else set()))
                execution.add(nodes)
                for _ in range(4):
                    await asyncio.sleep(draw.choice([0, 0.5, 1]))
                    live = execution.unfinished
                    if live and draw.random() < 0.5:
                        execution.cancel(draw.sample(live, 1), "drawn")
                    elif live:
                        id = draw.choice(live)
                        old = execution.plan.by_id[id]
                        new = node(id, *old.depends_on, seconds=draw.randint(0, 3))
                        execution.patch(Changes(added=(), replaced=(new,), removed=frozenset(), output=None))
                if draw.random() < 0.5:
                    execution.close()
                    await execution.result()
            assert budget.held == Usage() and len(asyncio.all_tasks()) == 1
            again = await execute(
                Plan(nodes=tuple(node(str(i), writes={"x"}) for i in range(4))), Runtime(tools=TOOLS, resources=resources)
            )
            assert again.status == "succeeded"

        run_virtual(main(draw, runtime, resources, budget))
