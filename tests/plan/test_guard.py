"""Planning in circles ends."""

from __future__ import annotations

import pytest

from orchestra.errors import ConfigError
from orchestra.plan.guard import Guard
from orchestra.plan.node import ToolCall
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref


def plan(query: str, node_id: str = "1", output: str | None = None) -> Plan:
    node = ToolCall(id=node_id, tool="search", arguments={"query": query})
    return Plan(nodes=(node,), output=Ref(output) if output else None)


def test_a_plan_that_does_the_same_as_an_earlier_one_is_refused_under_any_name() -> None:
    guard = Guard()
    assert guard.admit(plan("a")).allowed and guard.admit(plan("b")).allowed
    ruling = guard.admit(plan("a", node_id="7"))
    assert not ruling.allowed and "the same as round 1" in ruling.reason
    assert guard.rounds == 2


def test_another_output_is_another_plan() -> None:
    guard = Guard()
    assert guard.admit(plan("a")).allowed and guard.admit(plan("a", output="1")).allowed


def test_rounds_are_bounded() -> None:
    guard = Guard(max_rounds=2)
    assert guard.admit(plan("a")).allowed and guard.admit(plan("b")).allowed
    ruling = guard.admit(plan("c"))
    assert not ruling.allowed and "all 2 rounds" in ruling.reason


def test_a_guard_that_would_allow_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="got 0"):
        Guard(max_rounds=0)
