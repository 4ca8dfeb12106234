"""A program whose runs are killed at every step, for `test_kill`: `python -m tests.schedule.killed plan|agent FOLDER FIRST STRIDE`.

It imports everything once and forks a process for each run, before it has threads or an event loop of its own. A step is a moment at which a
process can die: before each SQL statement of the journal, before and after each of its methods, and around each effect of a tool. Run FIRST
dies at step FIRST, the next at FIRST + STRIDE, and so on; after each the run is resumed to its end, and if something was uncertain it is
settled by what really happened, and resumed once more. One JSON line a step says what was found. `plan FOLDER -1 STRIDE` is one run that dies every STRIDE steps, until it ends.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from orchestra.agent.agent import Agent, Settings
from orchestra.agent.planner import TextPlanner
from orchestra.chat.base import ChatRequest
from orchestra.chat.scripted import ScriptedChat
from orchestra.engine.virtual import run_virtual
from orchestra.errors import JournalError
from orchestra.plan.formats.json_lines import JsonLines
from orchestra.plan.node import Effect, SubPlan, ToolCall
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref
from orchestra.plan.tool_spec import ToolSpec
from orchestra.schedule.execution import execute
from orchestra.schedule.journal import Journal
from orchestra.schedule.runtime import Runtime
from orchestra.tools.tool import Tool, ToolSet

NEVER = -1
PARAMETERS = {"type": "object", "properties": {"name": {"type": "string"}, "seconds": {"type": "number"}, "of": {"type": "array"}}}
EFFECTS: tuple[Effect, ...] = ("pure", "idempotent", "once")


class Steps:
    """Counts steps and dies at one of them."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._taken = 0

    def step(self, *_: object) -> None:
        if self._taken == self._last:
            os.kill(os.getpid(), signal.SIGKILL)
        self._taken += 1

    def watch(self) -> None:
        """Makes steps of all that journals do in this process."""
        connect = sqlite3.connect

        def connected(*arguments: Any, **options: Any) -> sqlite3.Connection:
            self.step()
            database: sqlite3.Connection = connect(*arguments, **options)
            database.set_trace_callback(self.step)
            return database

        sqlite3.connect = connected  # type: ignore[assignment]
        for name in ("begin", "finish", "flush", "close"):
            setattr(Journal, name, self._watched(getattr(Journal, name)))

    def _watched(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any) -> Any:
            self.step()
            result = method(*arguments)
            self.step()
            return result

        return watched


def tools(effects: Path, steps: Steps) -> ToolSet:
    """One of each effect: each appends its node's name to the file, and returns it with what it was given."""

    async def act(arguments: Mapping[str, Any]) -> Any:
        steps.step()
        note(effects, arguments["name"])
        steps.step()
        await asyncio.sleep(arguments["seconds"])
        steps.step()
        return [arguments["name"], *(name for of in arguments["of"] for name in of[:2])]

    return ToolSet(Tool(spec=ToolSpec(name=effect, effect=effect, parameters=PARAMETERS), call=act) for effect in EFFECTS)


def note(effects: Path, line: str) -> None:
    file = os.open(effects, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def noted(effects: Path) -> list[str]:
    return effects.read_text().split() if effects.exists() else []


def call(id: str, effect: Effect, *of: str, scope: str = "") -> ToolCall:
    arguments = {"name": scope + id, "seconds": len(id) + len(of), "of": [Ref(other) for other in of]}
    return ToolCall(id=id, tool=effect, arguments=arguments)


def thirty() -> Plan:
    """Three chains of diamonds, one of which ends in a sub-plan; 30 calls, every third happens once."""
    nodes: list[ToolCall | SubPlan] = []
    for chain, name in enumerate("abc"):
        ids: list[str] = []
        for number in range(10 if name != "c" else 6):
            id = f"{name}{number}"
            before = (ids[-1:], ids[-1:], ids[-2:-1], ids[-2:])[number % 4]
            nodes.append(call(id, EFFECTS[(number + chain) % 3], *before))
            ids.append(id)
    inner = [call(f"i{number}", EFFECTS[number % 3], *[f"i{number - 1}"][:number], scope="sub/") for number in range(4)]
    nodes.append(SubPlan(id="sub", nodes=tuple(inner), output=Ref("i3"), depends_on=("c5",)))
    return Plan(nodes=tuple(nodes), output=[Ref("a9"), Ref("b9"), Ref("sub")])


def run_plan(folder: Path, last: int) -> None:
    """One process's try at the plan; what it found is written to `report`."""
    steps = Steps(last)
    steps.watch()
    with Journal(folder / "journal.db", run="killed") as journal:
        result = run_virtual(execute(thirty(), Runtime(tools=tools(folder / "effects", steps), journal=journal)))
    report = {
        "output": result.output,
        "outcomes": {id: [outcome.status, outcome.value, outcome.source] for id, outcome in result.outcomes.items()},
    }
    (folder / "report").write_text(json.dumps(report))


_CALL = '{{"id": "{id}", "tool": "{effect}", "args": {{"name": "{id}", "seconds": 1, "of": {of}}}}}\n'
AGENT_PLAN = (
    _CALL.format(id="n1", effect="pure", of="[]")
    + _CALL.format(id="n2", effect="idempotent", of='["$n1"]')
    + _CALL.format(id="n3", effect="once", of='["$n1", "$n2"]')
    + _CALL.format(id="n4", effect="idempotent", of='["$n3"]')
    + '{"output": "$n4"}\n'
)


def run_agent(folder: Path, last: int) -> None:
    """One process's try at a task; every question to the model is an effect, too."""
    steps = Steps(last)
    steps.watch()

    def answer(request: ChatRequest) -> str:
        planning = request.messages[0].content.startswith("You plan")
        steps.step()
        note(folder / "effects", "planner" if planning else "joiner")
        steps.step()
        whole = "uncertain" not in request.messages[-1].content
        return AGENT_PLAN if planning else json.dumps({"thought": "", "answer": "whole" if whole else "in part"})

    settings = Settings(planner=partial(TextPlanner, format=JsonLines()))  # its ids may be names
    agent = Agent(ScriptedChat(answer, seconds_per_token=0.1), tools(folder / "effects", steps).values(), settings=settings)
    result = run_virtual(agent.run("Do it.", journal=folder / "journal.db"))
    assert result.result is not None, result.error
    report = {
        "output": result.answer,
        "outcomes": {id: [outcome.status, outcome.value, outcome.source] for id, outcome in result.result.outcomes.items()},
    }
    (folder / "report").write_text(json.dumps(report))


def forked(work: Callable[[], None]) -> int:
    """The exit status of a process that does `work`."""
    if (child := os.fork()) == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the end of a process: told as the interpreter would
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def tell(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")


def rows(folder: Path) -> list[tuple[str, str, str, bool]]:
    """What is in the journal: node, key, effect and whether it is finished."""
    try:
        return [(row.id, row.key, row.effect, row.outcome is not None) for row in Journal.read(folder / "journal.db")]
    except JournalError:  # it had not come so far as to begin one
        return []


def settle(folder: Path) -> None:
    """Say of everything uncertain what happened: the effects know."""
    happened = noted(folder / "effects")
    path = folder / "journal.db"
    with Journal(path, run=Journal.owner(path)) as journal:
        for row in Journal.read(path):
            if row.uncertain:
                # What it returned is known to the person, too.
                value = json.loads((folder / "values").read_text())[row.id]
                journal.resolve(row.id, happened=row.id in happened, value=value)


def killed_at(run: Callable[[Path, int], None], folder: Path, step: int) -> dict[str, Any] | None:
    """Kill a run at `step` and resume it. None when it ended before."""
    folder.mkdir()
    (folder / "values").write_text((folder.parent / "values").read_text())
    if forked(partial(run, folder, step)) == 0:
        return None
    found: dict[str, Any] = {"step": step, "rows": rows(folder), "effects": noted(folder / "effects")}
    assert forked(partial(run, folder, NEVER)) == 0, f"killed at {step}, it cannot be resumed"
    found["resumed"] = json.loads((folder / "report").read_text())
    found["effects_resumed"] = noted(folder / "effects")
    if any(status == "uncertain" for status, _, _ in found["resumed"]["outcomes"].values()):
        settle(folder)
        assert forked(partial(run, folder, NEVER)) == 0
        found["settled"] = json.loads((folder / "report").read_text())
        found["effects_settled"] = noted(folder / "effects")
    return found


def killed_again_and_again(run: Callable[[Path, int], None], folder: Path, stride: int) -> dict[str, Any]:
    """Kill a run, and each process that resumes it, after `stride` steps more. What is uncertain is settled each time."""
    folder.mkdir()
    (folder / "values").write_text((folder.parent / "values").read_text())
    kills = 0
    while forked(partial(run, folder, stride)) != 0:
        kills += 1
        assert kills < 100, f"no progress: {rows(folder)}"
        if rows(folder):
            settle(folder)
    return {"kills": kills, "effects": noted(folder / "effects"), "resumed": json.loads((folder / "report").read_text())}


def main(what: str, folder: Path, first: int, stride: int) -> None:
    run = run_plan if what == "plan" else run_agent
    for name in ("jinja2", "jsonschema", "networkx"):  # imported when they are first used: once here, not in every process
        importlib.import_module(name)
    gc.freeze()  # forks then share what is there, instead of copying it at the first collection
    whole = folder / f"whole-{first}"
    whole.mkdir(parents=True)
    assert forked(partial(run, whole, NEVER)) == 0
    report = json.loads((whole / "report").read_text())
    (folder / "values").write_text(json.dumps({id: value for id, (_, value, _) in report["outcomes"].items()}))
    tell({"whole": report, "effects": noted(whole / "effects")})
    if first < 0:
        tell(killed_again_and_again(run, folder / "again", stride))
        return
    step = first
    while (found := killed_at(run, folder / str(step), step)) is not None:
        tell(found)
        step += stride


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
