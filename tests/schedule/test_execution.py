"""Plans run without barriers, failures are data, and nothing is left running."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from orchestra.engine.virtual import run_virtual
from orchestra.errors import PlanError
from orchestra.plan.node import Aggregate, Edge, SubPlan, ToolCall
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref, Text
from orchestra.schedule.events import NodeFinished, RunEvent
from orchestra.schedule.execution import Execution, execute
from orchestra.schedule.runtime import Runtime
from orchestra.tools.tool import ToolSet

from .helpers import FAIL, TOOLS, failing, kinds, node, run, times, tool


def test_a_node_starts_as_soon_as_its_inputs_are_there_and_not_when_their_siblings_are() -> None:
    result = run(node("fast", seconds=1), node("slow", seconds=10), node("after", "fast", seconds=2))
    assert times(result) == {"fast": (0, 1), "slow": (0, 10), "after": (1, 3)}


def test_references_keep_types_and_reach_into_outputs() -> None:
    result = run(
        node("1", value={"rows": [{"n": 41}, {"n": 42}]}),
        node("2", value=Ref("1", ("rows", 1, "n"))),
        node("3", value=Text(("n is ", Ref("2"), ", all: ", Ref("1", ("rows",))))),
        output={"n": Ref("2"), "text": Ref("3")},
    )
    assert result.output == {"n": 42, "text": 'n is 42, all: [{"n": 41}, {"n": 42}]'}


def test_outputs_are_never_expanded_again() -> None:
    result = run(
        node("1", value="R(SECRET)"), node("2", value="please pay $1 or ${1} now"), node("3", value=Text((Ref("2"), " ", Ref("1"))))
    )
    assert result.outcomes["3"].value == "please pay $1 or ${1} now R(SECRET)"


def test_an_output_that_looks_like_a_reference_object_stays_data() -> None:
    assert run(node("1", value={"$json": {"$ref": "0"}}), node("2", value=Ref("1"))).outcomes["2"].value is not None


def test_a_failing_node_takes_down_only_what_needs_it() -> None:
    result = run(failing("bad", seconds=1), node("good", seconds=5, value=7), node("needs", "bad"), node("later", "needs", "good"))
    assert {id: outcome.status for id, outcome in result.outcomes.items()} == {
        "bad": "failed",
        "good": "succeeded",
        "needs": "skipped",
        "later": "skipped",
    }
    assert result.outcomes["bad"].error == "ValueError: no luck"
    assert result.outcomes["later"].error == "needs was skipped"
    assert result.status == "partial" and result.outcomes["good"].value == 7
    assert result.outcomes["later"].finished == 1  # at once, not when the good one is done


def test_a_path_that_an_output_lacks_fails_its_reader_and_says_what_is_there() -> None:
    result = run(node("1", value={"a": 1}), node("2", value=Ref("1", ("b",))))
    assert "`1.b`: the output of 1 has no 'b'; it is an object with the keys ['a']" in str(result.outcomes["2"].error)


@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        (Edge(on_failure="continue"), {"items": [1, None]}),
        (Edge(on_failure="optional"), {"items": [1]}),
        (Edge(on_failure="fallback", fallback="spare"), {"items": [1, "spare"]}),
        (Edge(on_failure="fallback", fallback=Ref("other")), {"items": [1, "from other"]}),
    ],
)
def test_edges_say_what_a_failure_means(edge: Edge, expected: Any) -> None:
    result = run(
        node("good", value=1),
        failing("bad"),
        node("other", value="from other"),
        node("join", value={"items": [Ref("good"), Ref("bad")]}, edges={"bad": edge}),
        output=Ref("join"),
    )
    assert result.output == expected


def test_a_fallback_that_fails_matters_only_when_it_is_needed() -> None:
    edge = {"main": Edge(on_failure="fallback", fallback=Ref("spare"))}
    assert run(node("main", value=1), failing("spare"), node("join", value=Ref("main"), edges=edge)).outcomes["join"].value == 1
    both = run(failing("main"), failing("spare"), node("join", value=Ref("main"), edges=edge))
    assert "spare has no output to fall back on" in str(both.outcomes["join"].error)


def test_an_optional_argument_that_failed_is_left_out_of_the_call() -> None:
    seen: list[Mapping[str, Any]] = []

    async def record(arguments: Mapping[str, Any]) -> None:
        seen.append(arguments)

    call = ToolCall(id="2", tool="record", arguments={"a": Ref("1"), "b": 2}, edges={"1": Edge(on_failure="optional")})
    run(failing("1"), call, runtime=Runtime(tools=ToolSet([FAIL, tool("record", record)])))
    assert seen == [{"b": 2}]


def test_a_quorum_starts_with_the_first_k_successes() -> None:
    members = [node("a", seconds=1, value="a"), failing("b", seconds=2), node("c", seconds=3, value="c"), node("d", seconds=9)]
    result = run(*members, Aggregate(id="join", inputs=[Ref(m.id) for m in members], quorum=2))
    assert result.outcomes["join"].value == ["a", "c"] and result.outcomes["join"].started == 3


def test_a_quorum_that_can_no_longer_be_reached_is_skipped_at_once() -> None:
    result = run(
        failing("a", seconds=1),
        failing("b", seconds=2),
        node("c", seconds=9),
        Aggregate(id="j", inputs=[], depends_on=("a", "b", "c"), quorum=2),
    )
    assert result.outcomes["j"].status == "skipped" and result.outcomes["j"].finished == 2


def test_a_chain_of_thousands_is_skipped_without_recursion() -> None:
    result = run(failing("0"), *(node(str(i), str(i - 1)) for i in range(1, 3000)))
    assert len(result.of("skipped")) == 2999


def test_nodes_may_be_written_in_any_order() -> None:
    assert run(node("2", value=Ref("1")), node("1", value=5)).outcomes["2"].value == 5


def test_a_cycle_is_refused_and_named() -> None:
    with pytest.raises(PlanError, match="wait for each other: a, b"):
        run(node("a", "b"), node("b", "a"))


def test_without_a_named_output_all_sinks_are_returned() -> None:
    assert run(node("1", value=1), node("2", "1", value=2), node("3", value=3)).output == {"2": 2, "3": 3}


def test_a_plan_inside_a_plan_has_its_own_ids_and_arguments() -> None:
    inner = SubPlan(
        id="sub",
        nodes=(node("1", value=Ref("input", ("x",))), node("2", value=[Ref("1"), Ref("1")])),
        output=Ref("2"),
        arguments={"x": Ref("1")},
    )
    result = run(node("1", value=3), inner, node("2", value=Ref("sub", (0,))))
    assert result.outcomes["2"].value == 3
    assert set(result.outcomes) == {"1", "2", "sub", "sub/1", "sub/2"}
    assert result.usage.calls == 4


def test_a_failing_sub_plan_fails_as_one_node_and_its_calls_are_counted() -> None:
    result = run(SubPlan(id="sub", nodes=(failing("1"), node("2", value=1)), output=Ref("1")), node("3", value=1))
    assert result.outcomes["sub"].status == "failed" and "1: ValueError: no luck" in str(result.outcomes["sub"].error)
    assert result.usage.calls == 3 and result.outcomes["sub/2"].ok


def test_nodes_can_be_added_while_others_run() -> None:
    async def main() -> dict[str, tuple[float | None, float]]:
        async with Execution(Runtime(tools=TOOLS)) as execution:
            execution.add([node("1", seconds=1)])
            await asyncio.sleep(0.5)
            execution.add([node("2", "1", seconds=1), node("3", seconds=1)])
            await asyncio.sleep(5)
            execution.add([node("4", "2", seconds=1)])
            execution.close()
            return times(await execution.result())

    assert run_virtual(main()) == {"1": (0, 1), "3": (0.5, 1.5), "2": (1, 2), "4": (5.5, 6.5)}


def test_what_is_added_twice_or_too_early_is_refused() -> None:
    async def main() -> None:
        async with Execution(Runtime(tools=TOOLS)) as execution:
            execution.add([node("1", seconds=1)])
            with pytest.raises(PlanError, match="already a node '1'"):
                execution.add([node("1")])
            with pytest.raises(PlanError, match="waits for '9', which is not there"):
                execution.add([node("2", "9")])
            with pytest.raises(PlanError, match="no tool 'nothing'"):
                execution.add([ToolCall(id="3", tool="nothing")])

    run_virtual(main())


def test_leaving_early_cancels_everything_and_leaves_no_task() -> None:
    async def main() -> int:
        with pytest.raises(RuntimeError, match="the caller's own"):
            async with Execution(Runtime(tools=TOOLS)) as execution:
                execution.add([node(str(i), seconds=100) for i in range(10)])
                await asyncio.sleep(1)
                raise RuntimeError("the caller's own")
        return len(asyncio.all_tasks())

    assert run_virtual(main()) == 1


def test_cancelling_the_caller_cancels_every_node() -> None:
    async def main() -> int:
        task = asyncio.create_task(execute(Plan(nodes=tuple(node(str(i), seconds=100) for i in range(10))), Runtime(tools=TOOLS)))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(asyncio.all_tasks())

    assert run_virtual(main()) == 1


def test_events_tell_the_story_in_order() -> None:
    events: list[RunEvent] = []
    run(node("1", seconds=1), failing("2", "1"), node("3", "2"), runtime=Runtime(tools=TOOLS, observer=events.append))
    assert kinds(events) == ["NodeAdded"] * 3 + [
        "NodeStarted",
        "NodeFinished",
        "NodeStarted",
        "NodeFinished",
        "NodeFinished",
        "RunFinished",
    ]
    assert [event.id for event in events if isinstance(event, NodeFinished)] == ["1", "2", "3"]


def test_an_observer_that_raises_ends_the_run_with_its_error() -> None:
    def observer(event: RunEvent) -> None:
        if isinstance(event, NodeFinished):
            raise OSError("the display is broken")

    with pytest.raises(OSError, match="the display is broken"):
        run(node("1", seconds=1), node("2", seconds=50), runtime=Runtime(tools=TOOLS, observer=observer))


def test_a_revised_plan_keeps_what_is_the_same_and_runs_again_what_is_not() -> None:
    calls: list[str] = []

    async def call(arguments: Mapping[str, Any]) -> Any:
        calls.append(str(arguments["value"]))
        await asyncio.sleep(1)
        return arguments["value"]

    async def main() -> Any:
        async with Execution(Runtime(tools=ToolSet([tool("wait", call)]))) as execution:
            execution.add([node("1", value="a"), node("2", value="b"), node("3", value=[Ref("1")]), node("4", value=[Ref("2")])])
            await asyncio.sleep(5)
            new = (node("1", value="A"), node("2", value="b"), node("3", value=[Ref("1")]), node("4", value=[Ref("2")]))
            plan = Plan(nodes=(*new, node("5", value=[Ref("1"), Ref("3")])), output=[Ref("3"), Ref("4"), Ref("5")])
            execution.revise(plan)
            execution.close(plan.output)
            return await execution.result()

    result = run_virtual(main())
    assert result.output == [["A"], ["b"], ["A", ["A"]]]
    assert sorted(calls) == sorted(["a", "b", "['a']", "['b']", "A", "['A']", "['A', ['A']]"])
    assert result.usage.calls == 7 and result.plan.version == 2


def test_a_revised_plan_drops_what_is_still_running() -> None:
    async def main() -> Any:
        async with Execution(Runtime(tools=TOOLS)) as execution:
            execution.add([node("1", seconds=100), node("2", "1"), node("3", seconds=1, value=3)])
            await asyncio.sleep(2)
            execution.revise(Plan(nodes=(node("3", seconds=1, value=3), node("4", "3", seconds=1)), output=Ref("3")))
            execution.close(Ref("3"))
            return await execution.result()

    result = run_virtual(main())
    assert result.output == 3 and result.seconds == 3 and result.outcomes["1"].status == "cancelled"
