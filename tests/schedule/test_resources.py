"""Slots, rates, and things that only one may write: who waits, for how long, and who goes first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from orchestra.chat.base import ChatRequest, Reply
from orchestra.chat.ladder import Ladder, Tier
from orchestra.chat.scripted import ScriptedChat
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError
from orchestra.plan.node import Estimate, ModelCall, SubPlan
from orchestra.plan.plan import Plan
from orchestra.schedule.estimates import Durations
from orchestra.schedule.execution import execute
from orchestra.schedule.resources import Limit, Resources
from orchestra.schedule.runtime import Runtime
from orchestra.tools.tool import ToolSet

from .helpers import TOOLS, node, run, tool, wait


def starts(*nodes: Any, **limits: Any) -> dict[str, float]:
    result = run(*nodes, runtime=Runtime(tools=limits.pop("tools", TOOLS), resources=Resources(**limits)))
    return {id: round(outcome.started or 0.0, 6) for id, outcome in result.outcomes.items()}


def test_slots_hold_back_what_does_not_fit() -> None:
    assert starts(*(node(str(i), seconds=1) for i in range(5)), slots=2) == {"0": 0, "1": 0, "2": 1, "3": 1, "4": 2}


def test_the_longest_remaining_path_goes_first() -> None:
    leaves = [node(f"leaf{i}", seconds=1) for i in range(4)]
    chain = [node("a", seconds=1), node("b", "a", seconds=1), node("c", "b", seconds=1), node("d", "c", seconds=1)]
    found = starts(*leaves, *chain, slots=2)
    assert (found["a"], found["b"], found["c"]) == (0, 1, 2)  # and "d" is as urgent as any leaf


def test_estimates_of_the_planner_count_before_anything_is_known() -> None:
    short = [node(f"s{i}", seconds=1, estimate=Estimate(seconds=1)) for i in range(3)]
    found = starts(*short, node("long", seconds=9, estimate=Estimate(seconds=9)), slots=1)
    assert found["long"] == 0


def test_what_was_learned_orders_later_starts() -> None:
    durations = Durations()
    slow = tool("slow", wait)
    runtime = Runtime(tools=ToolSet([*TOOLS.values(), slow]), resources=Resources(slots=1), durations=durations)
    for _ in range(3):
        durations.observe("tool:slow", 10)
        durations.observe("tool:wait", 1)
    late = node("late").model_copy(update={"tool": "slow"})
    result = run_virtual(execute(Plan(nodes=(node("early"), late)), runtime))
    assert result.outcomes["late"].started == 0


def test_a_node_that_is_ready_later_but_more_urgent_overtakes_the_line() -> None:
    leaves = [node(f"leaf{i}", seconds=2) for i in range(6)]
    chain = [node("a", seconds=1), *(node(str(i), "a" if i == 1 else str(i - 1), seconds=1) for i in range(1, 6))]
    found = starts(*leaves, *chain, slots=2)
    assert [found[id] for id in "a1234"] == [0, 1, 2, 3, 4]


def test_named_resources_limit_their_own_calls_only() -> None:
    search = tool("search", wait, resource="api")
    calls = [node(f"s{i}", seconds=1).model_copy(update={"tool": "search"}) for i in range(3)]
    found = starts(*calls, node("free", seconds=1), tools=ToolSet([*TOOLS.values(), search]), limits={"api": Limit(concurrency=1)})
    assert found == {"s0": 0, "s1": 1, "s2": 2, "free": 0}


def test_requests_a_minute_are_kept_without_polling() -> None:
    search = tool("search", wait, resource="api")
    calls = [node(str(i)).model_copy(update={"tool": "search"}) for i in range(5)]
    found = starts(*calls, tools=ToolSet([search]), limits={"api": Limit(requests_per_minute=30)})
    assert found == {"0": 0, "1": 2, "2": 4, "3": 6, "4": 8}


def test_tokens_a_minute_count_what_was_really_used() -> None:
    def answer(_: ChatRequest) -> Reply:
        return Reply(text="x", finish="stop", sampled_tokens=10, prompt_tokens=0)

    models = Ladder([Tier(model=ScriptedChat(answer), resource="model")])
    asks = [ModelCall(id=str(i), prompt="?", max_tokens=100) for i in range(4)]
    limits = {"model": Limit(tokens_per_minute=600)}  # ten a second, a hundred at once
    result = run_virtual(execute(Plan(nodes=tuple(asks)), Runtime(models=models, resources=Resources(limits=limits))))
    # Each draws 100 beforehand and uses 11 (10 sampled, 1 read): the next waits for 11 more, not for 100.
    assert sorted(round(outcome.started or 0.0, 3) for outcome in result.outcomes.values()) == [0, 1.1, 2.2, 3.3]


def test_writers_of_one_thing_never_meet_and_readers_do() -> None:
    inside: list[str] = []
    met: list[set[str]] = []

    async def touch(arguments: Mapping[str, Any]) -> None:
        inside.append(arguments["value"])
        met.append(set(inside))
        await asyncio.sleep(1)
        inside.remove(arguments["value"])

    tools = ToolSet([tool("wait", touch)])
    nodes = [
        node("r1", value="r1", reads={"file"}),
        node("r2", value="r2", reads={"file"}),
        node("w1", value="w1", writes={"file"}),
        node("w2", value="w2", writes={"file"}),
        node("r3", value="r3", reads={"file"}),
    ]
    run(*nodes, runtime=Runtime(tools=tools))
    assert {"r1", "r2"} in met
    assert all(len(group) == 1 for group in met if group & {"w1", "w2"})


def test_readers_do_not_overtake_a_waiting_writer_for_ever() -> None:
    readers = [node(f"r{i}", *((f"t{i}",) if i else ()), seconds=2, reads={"x"}) for i in range(5)]
    timers = [node(f"t{i}", seconds=i) for i in range(1, 5)]
    found = starts(*timers, *readers, node("w", "t1", seconds=1, writes={"x"}))
    assert found["w"] <= 3


def test_a_sub_plan_takes_no_slot_from_its_own_nodes() -> None:
    inner = SubPlan(id="sub", nodes=(node("1", seconds=1), node("2", seconds=1)), output=None)
    result = run(inner, node("3", seconds=1), runtime=Runtime(tools=TOOLS, resources=Resources(slots=1)))
    assert result.status == "succeeded" and result.seconds == 3


def test_two_runs_share_the_resources_that_they_are_given() -> None:
    resources = Resources(slots=1)

    async def main() -> list[float]:
        plans = [Plan(nodes=(node("1", seconds=1), node("2", "1", seconds=1))) for _ in range(2)]
        results = await asyncio.gather(*(execute(plan, Runtime(tools=TOOLS, resources=resources)) for plan in plans))
        return sorted(outcome.started or 0.0 for result in results for outcome in result.outcomes.values())

    assert run_virtual(main()) == [0, 1, 2, 3]


def test_what_is_cancelled_in_line_gives_its_place_to_others() -> None:
    resources = Resources(slots=1)

    async def main() -> float:
        first = asyncio.create_task(execute(Plan(nodes=(node("1", seconds=5),)), Runtime(tools=TOOLS, resources=resources)))
        await asyncio.sleep(1)
        waiting = asyncio.create_task(execute(Plan(nodes=(node("1", seconds=5),)), Runtime(tools=TOOLS, resources=resources)))
        await asyncio.sleep(1)
        last = asyncio.create_task(execute(Plan(nodes=(node("1", seconds=5),)), Runtime(tools=TOOLS, resources=resources)))
        await asyncio.sleep(1)
        waiting.cancel()
        await first
        return (await last).outcomes["1"].started or 0.0

    assert run_virtual(main()) == 5


@pytest.mark.parametrize("limit", [{"concurrency": 0}, {"requests_per_minute": -1}, {"tokens_per_minute": float("inf")}])
def test_limits_that_allow_nothing_are_refused(limit: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be positive"):
        Limit(**limit)
    with pytest.raises(ConfigError, match="`slots` must be at least 1"):
        Resources(slots=0)
