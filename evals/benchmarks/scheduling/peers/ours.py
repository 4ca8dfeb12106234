"""`orchestra`: `execute` with a budget and an observer that keeps every event; with `journal`, outcomes also go to SQLite.

Durations of the nodes are given as estimates, which is what planners and tools do; the others have no place for them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestra.plan.node import Estimate, ToolCall
from orchestra.plan.tool_spec import ToolSpec
from orchestra.schedule.budget import Budget
from orchestra.schedule.events import RunEvent
from orchestra.schedule.execution import Execution
from orchestra.schedule.resources import Resources
from orchestra.schedule.runtime import JournalLike, Runtime
from orchestra.tools.tool import Tool, ToolSet

from .record import Job, Record

DISTRIBUTIONS = ("orchestra",)


def build(record: Record, *arguments: str) -> Job:
    workload = record.workload

    async def call(given: Mapping[str, Any]) -> None:
        await record.node(given["index"])

    tools = ToolSet([Tool(spec=ToolSpec(name="work"), call=call)])
    nodes = [
        ToolCall(
            id=str(index),
            tool="work",
            arguments={"index": index},
            depends_on=tuple(map(str, parents)),
            estimate=Estimate(seconds=workload.seconds[index]),
        )
        for index, parents in enumerate(workload.parents)
    ]

    async def run(journal: JournalLike | None) -> None:
        events: list[RunEvent] = []
        runtime = Runtime(
            tools=tools,
            resources=Resources(slots=workload.slots),
            budget=Budget(calls=len(nodes)),
            journal=journal,
            observer=events.append,
        )
        async with Execution(runtime) as execution:
            if workload.gap_s is None:
                execution.add(nodes)
            else:
                for index, node in enumerate(nodes):
                    await record.line(index)
                    execution.add([node])
            execution.close()
            await execution.result()
        assert len(events) == 3 * len(nodes) + 1

    async def job() -> None:
        if "journal" not in arguments:
            return await run(None)
        from orchestra.schedule.journal import Journal

        with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal.db", run="benchmark") as journal:
            await run(journal)

    return job
