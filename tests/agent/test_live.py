"""The live view of plans: frames that fit, and plain lines where there is no terminal."""

from __future__ import annotations

import asyncio
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from orchestra.agent.live import LivePlan
from orchestra.agent.live_rows import Row, Rows
from orchestra.engine.virtual import run_virtual
from orchestra.plan import Plan, Ref, SubPlan, ToolCall
from orchestra.plan.patch import Add, Patch, Remove, apply
from orchestra.plan.render.labels import printable
from orchestra.schedule import Budget, Execution, Outcome, Retry, Runtime, execute
from orchestra.tools import ToolSet, tool

ERROR = f"no mountain in the atlas {'of the world ' * 12}[bold]"


@tool
async def wait(seconds: float, text: str = "") -> str:
    """Waits."""
    await asyncio.sleep(seconds)
    return text


@tool
async def fail() -> str:
    """Fails."""
    raise ValueError(ERROR)


TOOLS = ToolSet([wait, fail])


def call(id: str, seconds: float = 1.0, *after: str, text: str = "") -> ToolCall:
    return ToolCall(id=id, tool="wait", arguments={"seconds": seconds, "text": text}, depends_on=after)


NESTED = Plan(
    nodes=(
        call("1", 2, text="[red]one"),
        SubPlan(id="inner", nodes=(call("1", 1, text="deep"), call("2", 1, "1")), output=Ref("2")),
        ToolCall(id="bad", tool="fail"),
        call("after", 1, "bad"),
    )
)


def shown(plan: Plan, *, width: int = 100, terminal: bool = True, **runtime: object) -> list[str]:
    """What is on the screen at the end of a run, or what was printed."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=width, height=30, highlight=False, color_system=None)
    with LivePlan(console) as live:
        run_virtual(execute(plan, Runtime(tools=TOOLS, observer=live.observe, retry=Retry(attempts=1), **runtime)))  # type: ignore[arg-type]
    text = re.sub(r"\x1b\[\?25[lh]", "", file.getvalue())
    return re.split(r"(?:\x1b\[\d*[AK]|\r)+", text)[-1].splitlines() if terminal else text.splitlines()


def test_nodes_of_a_sub_plan_stand_indented_below_the_node_that_holds_them() -> None:
    ids = [re.sub(r"^. ", "", line).partition("wait(" if "wait(" in line else "plan of")[0].rstrip() for line in shown(NESTED)[:4]]
    assert ids == ["1", "inner", "  1", "  2"]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_a_frame_fits_the_width_and_its_columns_are_aligned(width: int) -> None:
    lines = shown(NESTED, width=width)
    assert all(len(line.rstrip()) <= width for line in lines)
    rows = [line for line in lines if re.match(r"[✓!⊘] ", line)]
    assert len(rows) == 6 and len({found.end() for line in rows if (found := re.search(r"\d\.\d s ", line))}) == 1


def test_failures_are_told_in_full_below_the_rows() -> None:
    text = " ".join(" ".join(shown(NESTED)).split())
    assert f"bad failed: ValueError: {ERROR}" in text and "skipped: bad failed" in text
    assert "1 failed, 1 skipped" in text


def test_without_a_terminal_every_event_is_one_plain_line() -> None:
    lines = shown(NESTED, terminal=False, width=40)
    assert 'inner/1 starts: wait(seconds=1, text="deep")' in lines and "✓ inner/1 deep" in lines
    assert "✓ 1 [red]one" in lines and f"! bad failed: ValueError: {ERROR}" in lines and "⊘ after skipped: bad failed" in lines
    assert not any("\x1b" in line for line in lines)


@pytest.mark.parametrize("terminal", [True, False])
def test_what_a_tool_returns_cannot_steer_the_terminal(terminal: bool) -> None:
    lines = shown(Plan(nodes=(call("1", text="a\x1b[2Jb\x07\u202e\nAction: Finish(c)\x1b]0;title"),)), terminal=terminal, width=250)
    assert any("a [2Jb Action: Finish(c) ]0;title" in line for line in lines)
    assert not any(character in "".join(lines) for character in "\x1b\x07\u202e")


def test_references_are_shown_as_planners_write_them() -> None:
    plan = Plan(nodes=(call("1"), ToolCall(id="2", tool="wait", arguments={"seconds": 1, "text": Ref("1")})))
    assert "2 starts: wait(seconds=1, text=$1)" in shown(plan, terminal=False)


def test_a_limit_is_told() -> None:
    lines = shown(Plan(nodes=(call("1"), call("2", 1, "1"))), terminal=False, budget=Budget(calls=1))
    assert any(line.startswith("limit reached: 1 calls") for line in lines)


def test_a_patch_adds_and_removes_rows() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, height=30, color_system=None)

    async def main(live: LivePlan) -> None:
        async with Execution(Runtime(tools=TOOLS, observer=live.observe)) as execution:
            execution.add([call("1"), call("2", 1, "1")])
            operations = (Remove(id="2"), Add(node=call("3", 1, "1")))
            patched = apply(execution.plan, Patch(operations=operations), tools=TOOLS.specs)
            execution.patch(patched.changes, reason="another")
            execution.close()
            await execution.result()

    with LivePlan(console) as live:
        run_virtual(main(live))
    last = file.getvalue().rpartition("\x1b[2K")[2] + "".join(file.getvalue().split("\x1b[2K")[-8:])
    assert "plan, version 2: +3 -2 another" in last and "✓ 3" in last and "· 2" not in last


def drawn(rows: Rows, *, width: int = 100, height: int | None = 24, now: float = 10.0) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as capture:
        console.print(rows.view(width=width, height=height, now=now, planner="", notes=()))
    return capture.get().splitlines()


def ended(outcome: Outcome) -> Row:
    row = Row("f()", outcome.started)
    row.end(outcome)
    return row


def test_bars_of_what_runs_grow_with_time_though_nothing_happens() -> None:
    rows = Rows()
    rows.began = 0.0
    rows.add("done", ended(Outcome("succeeded", 1, started=0.0, finished=1.0)))
    rows.add("running", Row("f()", 1.0))
    early, late = (drawn(rows, now=now)[:2] for now in (2.0, 100.0))
    assert early[0].count("━") == early[1].count("━") == 12 and "1.0 s" in early[1]
    assert late[0].count("━") == 1 and late[1].count("━") > 20 and "99.0 s" in late[1]


def test_in_a_low_terminal_what_runs_and_what_failed_is_shown_first() -> None:
    rows = Rows()
    rows.began = 0.0
    for number in range(100):
        rows.add(str(number), ended(Outcome("succeeded", number, started=0.0, finished=1.0)))
    rows["3"].end(Outcome("failed", error="broken", started=0.0, finished=1.0))
    rows["50"].outcome = None
    lines = drawn(rows, height=12)
    assert len(lines) <= 12 and any("broken" in line for line in lines) and any(line.startswith("● 50") for line in lines)
    assert "98 succeeded, 1 failed (92 not shown)" in lines[-1]
    assert len(drawn(rows, height=None)) == 102


states = st.sampled_from(["waiting", "running", "succeeded", "failed", "skipped", "cancelled", "uncertain"])


@given(st.lists(st.tuples(states, st.text(max_size=80)), max_size=50), st.integers(30, 250), st.integers(5, 60))
def test_no_frame_is_wider_or_higher_than_the_terminal(nodes: list[tuple[str, str]], width: int, height: int) -> None:
    rows = Rows()
    rows.began = 0.0
    for number, (state, text) in enumerate(nodes):
        row = Row(printable(text), None if state == "waiting" else 1.0)
        if state not in ("waiting", "running"):
            row.end(Outcome(state, text, error=text, started=1.0, finished=2.0))  # type: ignore[arg-type]
        rows.add(str(number), row)
    lines = drawn(rows, width=width, height=height)
    assert len(lines) <= max(height, 7)
