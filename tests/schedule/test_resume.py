"""A run goes on from its journal: what had ended is not run again, and what must happen once is never repeated."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestra.engine.virtual import run_virtual
from orchestra.errors import JournalError
from orchestra.plan.node import Aggregate, Effect, Node, SubPlan, ToolCall
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref, Text
from orchestra.schedule.events import NodeFinished, RunEvent
from orchestra.schedule.execution import Execution, execute
from orchestra.schedule.journal import Journal
from orchestra.schedule.outcome import Outcome, Retry
from orchestra.schedule.runtime import Hedge, Runtime
from orchestra.tools.context import idempotency_key
from orchestra.tools.function import as_tool
from orchestra.tools.tool import ToolSet

from .helpers import tool
from .journaled import Calls, call, resume


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def die_in(path: Path, tools: ToolSet, *nodes: Node) -> None:
    """Leaves behind what a process does that is killed when calls that take longer have run for a second."""

    async def main() -> None:
        async with Execution(Runtime(tools=tools, journal=journal)) as execution:
            execution.add(nodes)
            await asyncio.sleep(1)
            shutil.copytree(path.parent, left)

    with tempfile.TemporaryDirectory() as folder:
        left = Path(folder) / "left"
        with Journal(path, run="r") as journal:
            run_virtual(main())
        shutil.rmtree(path.parent)
        shutil.copytree(left, path.parent)


SLOW: dict[str, Any] = {"x": 1, "seconds": 9}


# What is run again


def test_what_had_ended_is_not_run_again(path: Path) -> None:
    calls = Calls()
    nodes = (call("1", "pure", 1), call("2", "idempotent", Ref("1")), call("3", "once", [Ref("2"), Ref("1")]))
    first = resume(path, calls.tools, *nodes)
    second = resume(path, calls.tools, *nodes)
    assert second.output == first.output == {"3": [1, 1]} and len(calls.made) == 3
    assert {outcome.source for outcome in second.outcomes.values()} == {"journal"} and second.usage == first.usage


def test_a_failure_is_no_outcome_and_is_tried_again(path: Path) -> None:
    assert resume(path, Calls(ValueError).tools, call("1")).outcomes["1"].status == "failed"
    assert resume(path, Calls().tools, call("1", x=None)).outcomes["1"].status == "succeeded"


@pytest.mark.parametrize("effect", ["pure", "idempotent"])
def test_what_was_only_begun_is_run_again_if_it_may_be(path: Path, effect: Effect) -> None:
    node = ToolCall(id="1", tool=effect, arguments=SLOW)
    die_in(path, Calls().tools, node)
    calls = Calls()
    assert resume(path, calls.tools, node).outcomes["1"].source == "run" and len(calls.made) == 1


def test_an_effect_that_was_begun_is_uncertain_and_what_does_not_need_it_goes_on(path: Path) -> None:
    nodes = (ToolCall(id="1", tool="once", arguments=SLOW), call("2", x=Ref("1")), call("3", x=3), call("4", x=Ref("3")))
    die_in(path, Calls().tools, nodes[0])
    calls = Calls()
    for _ in range(2):
        result = resume(path, calls.tools, *nodes)
        assert [result.outcomes[id].status for id in "1234"] == ["uncertain", "skipped", "succeeded", "succeeded"]
    assert calls.made == [("idempotent", 3)] * 2
    error = result.outcomes["1"].error
    assert error is not None and "must not be done twice" in error and "orchestra journal resolve" in error
    assert result.outcomes["2"].error == "1 is uncertain"


def test_an_effect_that_failed_is_uncertain_too(path: Path) -> None:
    assert resume(path, Calls(ConnectionError).tools, call("1", "once")).outcomes["1"].attempts == 1
    calls = Calls()
    assert resume(path, calls.tools, call("1", "once")).outcomes["1"].status == "uncertain" and calls.made == []


@pytest.mark.parametrize(("answer", "status"), [("did not happen", "succeeded"), ("unknown", "uncertain")])
def test_somebody_may_be_asked_about_an_uncertain_effect(path: Path, answer: Any, status: str) -> None:
    node = ToolCall(id="1", tool="once", arguments=SLOW)
    die_in(path, Calls().tools, node)
    asked: list[str] = []

    async def ask(node: Node, key: str) -> Any:
        asked.append(node.id)
        return answer

    assert resume(path, Calls().tools, node, on_uncertain=ask).outcomes["1"].status == status and asked == ["1"]


def test_a_person_says_that_it_happened_and_what_came_out(path: Path) -> None:
    @dataclass
    class Receipt:
        number: float

    async def once(x: int, seconds: int) -> Receipt:
        """Pays."""
        await asyncio.sleep(seconds)
        return Receipt(1)

    once.__annotations__["return"] = Receipt
    tools = ToolSet([as_tool(once, effect="once"), Calls().tools["idempotent"]])
    nodes = (ToolCall(id="1", tool="once", arguments=SLOW), call("2", x=Ref("1", ("number",))))
    die_in(path, tools, nodes[0])
    with Journal(path, run=Journal.owner(path)) as journal:
        journal.resolve("1", happened=True, value={"number": 7})
    (row,) = Journal.read(path)
    assert row.outcome is not None and row.outcome.value == {"number": 7}
    result = resume(path, tools, *nodes)
    assert result.outcomes["1"].value == Receipt(7.0) and result.output == {"2": 7.0}


def test_a_person_says_that_it_did_not_happen_and_it_is_run(path: Path) -> None:
    node = ToolCall(id="1", tool="once", arguments=SLOW)
    die_in(path, Calls().tools, node)
    with Journal(path, run="r") as journal:
        journal.resolve("1", happened=False)
        calls = Calls()  # also in the process that was told
        result = run_virtual(execute(Plan(nodes=(node,)), Runtime(tools=calls.tools, journal=journal)))
    assert result.outcomes["1"].source == "run" and len(calls.made) == 1


def test_only_what_is_uncertain_can_be_resolved(path: Path) -> None:
    resume(path, Calls().tools, call("1", "once"))
    with Journal(path, run="r") as journal, pytest.raises(JournalError, match="no uncertain call of '1'.*journal show"):
        journal.resolve("1", happened=True)


def test_the_same_node_with_other_inputs_is_another_call(path: Path) -> None:
    calls = Calls()
    resume(path, calls.tools, call("1", "once", 1))
    resume(path, calls.tools, call("1", "once", 2))
    assert calls.made == [("once", 1), ("once", 2)]


def test_calls_in_plans_inside_of_plans_are_kept_and_aggregates_are_made_again(path: Path) -> None:
    calls = Calls()
    inner = SubPlan(
        id="sub", nodes=(call("1", "once", Ref("input", ("x",))), call("2", x=Ref("1"))), output=Ref("2"), arguments={"x": 5}
    )
    outer = Aggregate(id="all", inputs=[Ref("sub"), Ref("1")])
    results = [resume(path, calls.tools, call("1"), inner, outer) for _ in range(2)]
    assert results[0].output == results[1].output == {"all": [5]} and len(calls.made) == 3
    assert sorted(row.id for row in Journal.read(path)) == ["1", "sub/1", "sub/2"]


def test_identical_calls_in_flight_are_each_kept(path: Path) -> None:
    calls = Calls()
    nodes = (call("1", "pure", 1), call("2", "pure", 1))
    resume(path, calls.tools, *nodes)
    assert {outcome.source for outcome in resume(path, calls.tools, *nodes).outcomes.values()} == {"journal"} and len(
        calls.made
    ) == 1


# Keys that services take


def test_the_idempotency_key_is_the_same_for_every_try_and_after_a_resume(path: Path) -> None:
    first, second = Calls(ConnectionError), Calls()
    resume(path, first.tools, call("1", x=1), call("2", x=1), retry=Retry(attempts=3))
    resume(path, second.tools, call("1", x=1), call("2", x=1))
    assert len(first.keys) == 6 and len(set(first.keys)) == 2 and set(second.keys) == set(first.keys) and None not in first.keys


def test_hedged_copies_have_one_key_and_one_outcome(path: Path) -> None:
    calls = Calls()
    runtime: dict[str, Any] = {"hedge": Hedge(min_calls=1, factor=1)}
    slow = ToolCall(id="2", tool="idempotent", arguments={"x": 1, "seconds": 9}, depends_on=("1",))
    result = resume(path, calls.tools, call("1"), slow, **runtime)
    assert len(calls.made) == 3 and calls.keys[1] == calls.keys[2] != calls.keys[0] and result.outcomes["2"].value == 1
    assert [row.outcome is not None for row in Journal.read(path)] == [True, True]


def test_an_ordinary_function_in_a_thread_sees_its_key(path: Path) -> None:
    seen: list[tuple[str | None, bool]] = []

    def pay(x: int) -> int:
        """Pays."""
        seen.append((idempotency_key.get(), threading.current_thread() is threading.main_thread()))
        return x

    with Journal(path, run="r") as journal:
        plan = Plan(nodes=(ToolCall(id="1", tool="pay", arguments={"x": 1}),))
        asyncio.run(execute(plan, Runtime(tools=ToolSet([as_tool(pay, effect="once")]), journal=journal)))
    ((key, in_main_thread),) = seen
    assert key is not None and len(key) == 32 and not in_main_thread


def test_a_run_without_journal_inside_a_journaled_tool_has_no_key(path: Path) -> None:
    inner = Calls()

    async def nested(arguments: Mapping[str, Any]) -> Any:
        result = await execute(Plan(nodes=(call("1", "once"), call("2", "pure"))), Runtime(tools=inner.tools))
        return [result.status, idempotency_key.get() is not None]

    result = resume(path, ToolSet([tool("nested", nested)]), ToolCall(id="1", tool="nested", arguments={}))
    assert result.outcomes["1"].value == ["succeeded", True] and inner.keys == [None, None]


# What can be kept


@dataclass
class Peak:
    name: str
    climbed: datetime
    colours: set[str]


async def peak(name: str) -> Peak:
    """About a mountain."""
    return Peak(name, datetime(1954, 7, 31, tzinfo=UTC), {"white", "grey", "blue"})


def test_typed_outputs_come_back_as_their_type_and_calls_that_use_them_are_known_again(path: Path) -> None:
    calls = Calls()
    tools = ToolSet([as_tool(peak), *calls.tools.values()])
    nodes = (
        ToolCall(id="1", tool="peak", arguments={"name": "K2"}),
        call("2", "once", Text((Ref("1"), ": ", Ref("1", ("colours",))))),
        call("3", "once", Ref("1", ("climbed",))),
    )
    first = resume(path, tools, *nodes[:2])
    second = resume(path, tools, *nodes[:2])
    assert second.outcomes["1"].value == run_virtual(peak("K2")) and second.outcomes["2"].source == "journal"
    assert first.output == second.output and len(calls.made) == 1
    failed = resume(path, tools, *nodes).outcomes["3"]
    assert failed.status == "failed" and "a value of type datetime cannot be made again" in str(failed.error)


def test_an_output_that_cannot_be_kept_fails_its_node_and_what_needs_it_and_nothing_else(path: Path) -> None:
    async def opaque(arguments: Mapping[str, Any]) -> Any:
        return object()

    tools = ToolSet([tool("opaque", opaque), *Calls().tools.values()])
    nodes = (ToolCall(id="1", tool="opaque", arguments={}), call("2", depends_on=("1",)), call("3", x=Ref("1")), call("4"))
    result = resume(path, tools, *nodes)
    assert [result.outcomes[id].status for id in "1234"] == ["failed", "skipped", "skipped", "succeeded"]
    error = str(result.outcomes["1"].error)
    assert "the journal cannot keep its output" in error and "Let the tool return JSON values" in error
    assert result.outcomes["1"].attempts == 1 and result.outcomes["1"].usage.calls == 1


def test_what_is_no_json_at_all_is_refused_by_the_journal_itself(path: Path) -> None:
    with Journal(path, run="r") as journal, pytest.raises(JournalError, match="the output of 1 cannot be kept"):
        journal.finish("1", "k", Outcome("succeeded", object()))


# When the run ends early


def test_an_observer_that_raises_ends_a_journaled_run_too(path: Path) -> None:
    def observe(event: RunEvent) -> None:
        if isinstance(event, NodeFinished):
            raise KeyError("seen enough")

    with pytest.raises(KeyError, match="seen enough"):
        resume(path, Calls().tools, call("1"), observer=observe)


def test_leaving_a_run_starts_nothing_that_was_waiting_for_the_journal(path: Path) -> None:
    calls = Calls()

    class Leaving(Journal):
        """Lets the main task go on in the moment between the end of a call and the commit of its outcome."""

        def finish(self, id: str, key: str, outcome: Outcome) -> None:
            super().finish(id, key, outcome)
            finished.set()

    async def main() -> int:
        async with Execution(Runtime(tools=calls.tools, journal=journal)) as execution:
            execution.add([call("1"), call("2", depends_on=("1",)), ToolCall(id="3", tool="pure", arguments=SLOW)])
            await finished.wait()
        await asyncio.sleep(1)
        return len(asyncio.all_tasks())

    finished = asyncio.Event()
    with Leaving(path, run="r") as journal:
        assert run_virtual(main()) == 1
    assert sorted(calls.made) == [("idempotent", None), ("pure", 1)]
    assert [(row.id, row.outcome is not None) for row in Journal.read(path)] == [("1", True), ("3", False)]
