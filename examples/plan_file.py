"""A plan from a file, run without a model: a budget, a limit on calls at once, and every event as it happens.

    python examples/plan_file.py
    orchestra plan run examples/plans/heights.jsonl --tools examples/plan_file.py    # the same from the command line

prints

    0.0 s  1 starts
    0.0 s  2 starts
    0.2 s  1 succeeded: 8611
    0.2 s  2 succeeded: 6190
    0.2 s  3 starts
    0.4 s  3 succeeded: 4478
    0.4 s  4 starts
    0.4 s  4 succeeded: 6426.333333333333
    output: 6426.333333333333, after 4 calls
"""

import asyncio
from pathlib import Path

from orchestra.plan import verify
from orchestra.plan.finding import errors
from orchestra.plan.formats.json_lines import JsonLines
from orchestra.schedule import Budget, Resources, Runtime, execute
from orchestra.schedule.events import NodeFinished, NodeStarted, RunEvent
from orchestra.tools import Tool, ToolSet, arithmetic, tool

PLAN = Path(__file__).with_name("plans") / "heights.jsonl"


@tool
async def height(mountain: str) -> int:
    """Height in metres."""
    await asyncio.sleep(0.2)  # what a real look-up would take
    return {"K2": 8611, "Denali": 6190, "Matterhorn": 4478}[mountain]


TOOLS: list[Tool] = [height, tool(arithmetic, effect="pure")]


async def main() -> None:
    tools = ToolSet(TOOLS)
    parsed = JsonLines().parse(PLAN.read_text(), tools.specs)
    wrong = errors((*parsed.findings, *verify(parsed.plan, tools.specs)))
    if wrong:
        raise SystemExit("\n".join(str(finding) for finding in wrong))

    began = asyncio.get_running_loop().time()

    def show(event: RunEvent) -> None:
        match event:
            case NodeStarted(id, _, at):
                print(f"{at - began:.1f} s  {id} starts")
            case NodeFinished(id, outcome, at):
                print(f"{at - began:.1f} s  {id} {outcome.status}: {outcome.value if outcome.ok else outcome.error}")

    budget = Budget(calls=10, seconds=30)
    result = await execute(parsed.plan, Runtime(tools=tools, resources=Resources(slots=2), budget=budget, observer=show))
    print(f"output: {result.output}, after {result.usage.calls} calls")


if __name__ == "__main__":
    asyncio.run(main())
