"""A call has a deadline, is tried again where it may be, gets a second copy where it lags, and is shared where it is pure."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

from orchestra.engine.virtual import run_virtual
from orchestra.plan.node import ToolCall
from orchestra.plan.plan import Plan
from orchestra.schedule.events import NodeRetried, RunEvent
from orchestra.schedule.execution import execute
from orchestra.schedule.outcome import Retry
from orchestra.schedule.runtime import Hedge, Runtime
from orchestra.tools.tool import ToolSet

from .helpers import TOOLS, WAIT, node, run, tool


def test_a_call_that_takes_too_long_is_cancelled_and_said_so() -> None:
    result = run(
        node("slow", seconds=100, timeout_s=2), node("other", seconds=5), runtime=Runtime(tools=TOOLS, retry=Retry(attempts=1))
    )
    assert result.outcomes["slow"].error == "TimeoutError: no answer within 2 s"
    assert result.seconds == 5


def test_a_tool_that_ignores_its_cancellation_is_left_behind_and_named() -> None:
    enough = asyncio.Event()

    async def deaf(_: Mapping[str, Any]) -> None:
        while not enough.is_set():
            try:
                await enough.wait()
            except asyncio.CancelledError:
                continue

    async def main() -> None:
        runtime = Runtime(tools=ToolSet([tool("deaf", deaf), WAIT]), retry=Retry(attempts=1), grace_s=3)
        result = await execute(Plan(nodes=(ToolCall(id="deaf", tool="deaf", timeout_s=2), node("next", seconds=1))), runtime)
        assert result.left_behind == ("deaf",)
        assert result.seconds == 5 and result.outcomes["next"].ok
        enough.set()

    run_virtual(main())


def test_retries_wait_longer_each_time_and_are_told() -> None:
    tries: list[float] = []
    events: list[RunEvent] = []

    async def shaky(_: Mapping[str, Any]) -> str:
        tries.append(asyncio.get_running_loop().time())
        if len(tries) < 4:
            raise ConnectionError("reset")
        return "at last"

    runtime = Runtime(tools=ToolSet([tool("shaky", shaky)]), retry=Retry(attempts=4, wait_s=1), observer=events.append)
    result = run(ToolCall(id="1", tool="shaky"), runtime=runtime)
    assert result.outcomes["1"].value == "at last" and result.outcomes["1"].attempts == 4 and result.usage.calls == 4
    waits = [b - a for a, b in itertools.pairwise(tries)]
    assert [0.5 <= wait / 2**i <= 1 for i, wait in enumerate(waits)] == [True] * 3
    assert [event.error for event in events if isinstance(event, NodeRetried)] == ["ConnectionError: reset"] * 3


def test_an_effect_that_must_happen_once_is_not_tried_again() -> None:
    tries: list[int] = []

    async def pay(_: Mapping[str, Any]) -> None:
        tries.append(1)
        raise ConnectionError("reset")

    runtime = Runtime(tools=ToolSet([tool("pay", pay, effect="once")]), retry=Retry(attempts=5))
    assert run(ToolCall(id="1", tool="pay"), runtime=runtime).outcomes["1"].status == "failed"
    assert tries == [1]


def test_a_straggler_gets_a_second_copy_and_the_slow_one_is_cancelled() -> None:
    calls: list[int] = []
    cancelled: list[int] = []

    async def search(_: Mapping[str, Any]) -> int:
        calls.append(1)
        number = len(calls)
        try:
            await asyncio.sleep(100 if number == 9 else 1)
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        return number

    runtime = Runtime(tools=ToolSet([tool("search", search)]), hedge=Hedge(min_calls=8, factor=2))
    chain = [ToolCall(id=str(i), tool="search", depends_on=(str(i - 1),) if i else ()) for i in range(9)]
    result = run(*chain, runtime=runtime)
    assert result.outcomes["8"].value == 10 and result.seconds == 8 + 2 + 1
    assert cancelled == [9] and result.usage.calls == 10


def test_identical_pure_calls_in_flight_are_made_once() -> None:
    calls: list[int] = []

    async def look(_: Mapping[str, Any]) -> int:
        calls.append(1)
        await asyncio.sleep(1)
        return 5

    class Memory(dict[str, Any]):
        def put(self, key: str, value: Any) -> None:
            self[key] = (value,)

    memory = Memory()
    runtime = Runtime(tools=ToolSet([tool("look", look, effect="pure")]), cache=memory)
    same = [ToolCall(id=str(i), tool="look", arguments={"q": 1}) for i in range(5)]
    result = run(*same, ToolCall(id="late", tool="look", arguments={"q": 1}, depends_on=("0",)), runtime=runtime)
    assert len(calls) == 1 and [result.outcomes[str(i)].value for i in range(5)] == [5] * 5
    assert result.outcomes["late"].source == "cache"
    assert sorted(outcome.source for outcome in result.outcomes.values()) == ["cache", "run", *["shared"] * 4]
