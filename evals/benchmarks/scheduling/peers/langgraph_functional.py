"""LangGraph's functional API: tasks whose calls the user awaits by hand, so without supersteps."""

from __future__ import annotations

import asyncio
from typing import Any

from langgraph.func import entrypoint, task

from .record import Job, Record

DISTRIBUTIONS = ("langgraph",)


def build(record: Record) -> Job:
    workload = record.workload

    async def node(index: int) -> None:
        await record.node(index)

    call = task(node)

    async def flow(nothing: int) -> None:
        tasks: list[asyncio.Task[None]] = []

        async def after(index: int, parents: list[int]) -> None:
            for parent in parents:
                await tasks[parent]
            await call(index)

        async with asyncio.TaskGroup() as group:
            for index, parents in enumerate(workload.parents):
                tasks.append(group.create_task(after(index, parents)))

    compiled = entrypoint()(flow)
    config: dict[str, Any] = {"max_concurrency": workload.slots}

    async def job() -> None:
        await compiled.ainvoke(0, config)

    return job
