"""Budgets are reserved before a start and settled after it, over nested runs, with a chosen action at the limit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from orchestra.chat.base import ChatRequest, Reply
from orchestra.chat.ladder import Ladder, Tier
from orchestra.chat.scripted import ScriptedChat
from orchestra.engine.virtual import run_virtual
from orchestra.errors import BudgetError
from orchestra.plan.node import Aggregate, ModelCall, SubPlan
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref
from orchestra.schedule.budget import Budget
from orchestra.schedule.events import LimitReached, RunEvent
from orchestra.schedule.execution import execute
from orchestra.schedule.outcome import Result, Usage
from orchestra.schedule.runtime import Runtime
from orchestra.tools.tool import ToolSet

from .helpers import TOOLS, failing, node, run, tool


def with_budget(*nodes: Any, **caps: Any) -> Result:
    return run(*nodes, runtime=Runtime(tools=TOOLS, budget=Budget(**caps)))


def test_calls_beyond_the_cap_are_not_started_and_results_are_kept() -> None:
    result = with_budget(*(node(str(i), seconds=1, value=i) for i in range(5)), calls=3)
    assert result.status == "partial" and result.stopped == "3 calls"
    assert len(result.of("succeeded")) == 3 and len(result.of("skipped")) == 2 and result.usage.calls == 3
    assert "the budget of 3 calls leaves no room" in str(result.outcomes["4"].error)


def test_parallel_starts_never_exceed_the_cap() -> None:
    running = most = total = 0

    async def count(_: Mapping[str, Any]) -> None:
        nonlocal running, most, total
        running, total = running + 1, total + 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1

    runtime = Runtime(tools=ToolSet([tool("wait", count)]), budget=Budget(calls=7))
    run(*(node(str(i)) for i in range(100)), runtime=runtime)
    assert most == total == 7


def test_what_was_reserved_and_not_used_is_the_next_ones() -> None:
    def answer(_: ChatRequest) -> Reply:
        return Reply(text="x", finish="stop", sampled_tokens=10, prompt_tokens=5)

    models = Ladder([Tier(model=ScriptedChat(answer, seconds_per_token=1))])
    asks = tuple(ModelCall(id=str(i), prompt="?", max_tokens=100) for i in range(4))
    runtime = Runtime(models=models, budget=Budget(tokens=120))
    result = run_virtual(execute(Plan(nodes=asks), runtime))
    # One at a time fits 100 of 120; after two of them 100 left fit again, after three not.
    assert len(result.of("succeeded")) == 3 and result.usage.tokens == 30 and result.stopped == "120 tokens"
    assert runtime.budget is not None and runtime.budget.spent.tokens == 30 and runtime.budget.held == Usage()


def test_stop_cancels_what_runs() -> None:
    result = with_budget(node("long", seconds=100), node("a", seconds=1), node("b", "a", seconds=1), calls=2, at_limit="stop")
    assert result.seconds == 1 and result.outcomes["long"].status == "cancelled"
    assert result.outcomes["long"].error == "stopped: 2 calls" and result.outcomes["a"].ok


def test_seconds_end_the_run_and_keep_what_is_done() -> None:
    result = with_budget(node("a", seconds=1, value=1), node("b", "a", seconds=100), node("c", "b"), seconds=5)
    assert result.seconds == 5 and result.stopped == "5 seconds" and result.outcomes["a"].value == 1
    assert result.outcomes["b"].status == "cancelled" and result.outcomes["c"].status == "skipped"


def test_nodes_without_cost_still_run_when_the_budget_is_used_up() -> None:
    members = [node(str(i), value=i) for i in range(3)]
    edges = {str(i): {"on_failure": "optional"} for i in range(3)}
    join = Aggregate.model_validate({"id": "join", "inputs": [{"$ref": str(i)} for i in range(3)], "edges": edges})
    result = with_budget(*members, join, calls=2)
    assert result.outcomes["join"].value == [0, 1]


def test_degrade_moves_model_calls_to_the_cheapest_tier_first() -> None:
    def made(name: str) -> ScriptedChat:
        return ScriptedChat(lambda _: Reply(text=name, finish="stop", sampled_tokens=100, prompt_tokens=0))

    models = Ladder(
        [
            Tier(name="small", up_to=2, model=made("small"), price_per_1k_sampled=0.1),
            Tier(name="large", model=made("large"), price_per_1k_sampled=10),
        ]
    )
    asks = [ModelCall(id=str(i), prompt="?", max_tokens=100, difficulty=5, depends_on=(str(i - 1),) if i else ()) for i in range(4)]
    events: list[RunEvent] = []
    runtime = Runtime(models=models, budget=Budget(money=2.5, at_limit="degrade"), observer=events.append)
    result = run_virtual(execute(Plan(nodes=tuple(asks)), runtime))
    assert [outcome.value for outcome in result.outcomes.values()] == ["large", "large", "small", "small"]
    assert [event.action for event in events if isinstance(event, LimitReached)] == ["degrade"]


def test_a_nested_run_draws_on_the_budget_around_it() -> None:
    inner = SubPlan(id="sub", nodes=tuple(node(str(i), seconds=i) for i in range(4)), output=None)
    result = with_budget(node("1"), inner, calls=3)
    assert result.usage.calls == 3 and result.outcomes["sub"].status == "failed"
    assert len([id for id, outcome in result.outcomes.items() if outcome.ok]) == 3


def test_parts_of_a_budget_cannot_spend_more_than_the_whole() -> None:
    whole = Budget(calls=3)
    left, right = whole.part(calls=2), whole.part(calls=2)
    one = Usage(calls=1)
    assert [left.reserve(one), left.reserve(one), left.reserve(one)] == [True, True, False]
    assert [right.reserve(one), right.reserve(one)] == [True, False]
    assert right.short_of(one) == "3 calls"
    left.settle(one, Usage())
    assert right.reserve(one)
    right.settle(one, one), right.settle(one, one), left.settle(one, one)
    assert whole.spent.calls == 3 and whole.short_of(one) == "3 calls" and left.short_of(one) == "3 calls"


def test_failures_and_retries_are_paid_for() -> None:
    result = with_budget(failing("a"), node("b"), calls=10)
    assert result.usage.calls == 2


def test_a_long_chain_after_the_end_of_a_budget_does_not_nest() -> None:
    chain = [node("0", value=0)]
    for i in range(1, 3000):
        edges = {str(i - 1): {"on_failure": "continue"}}
        chain.append(node(str(i), value=Ref(str(i - 1))).model_copy(update={"edges": node("x", str(i - 1), edges=edges).edges}))
    result = with_budget(*chain, calls=1)
    assert len(result.of("skipped")) == 2999


@pytest.mark.parametrize("caps", [{"calls": 0}, {"tokens": -5}, {"money": float("nan")}, {"seconds": 0.0}])
def test_a_budget_that_allows_nothing_is_refused(caps: dict[str, Any]) -> None:
    with pytest.raises(BudgetError, match="allows nothing"):
        Budget(**caps)
