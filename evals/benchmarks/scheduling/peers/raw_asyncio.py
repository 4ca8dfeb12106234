"""The least that any program has to do: one task a node, which waits for its parents' tasks. With slots, first come, first served."""

from __future__ import annotations

import asyncio

from .record import Job, Record

DISTRIBUTIONS: tuple[str, ...] = ()


def build(record: Record) -> Job:
    workload = record.workload

    async def job() -> None:
        slots = asyncio.Semaphore(workload.slots) if workload.slots else None
        tasks: list[asyncio.Task[None]] = []

        async def node(index: int, parents: list[int]) -> None:
            for parent in parents:
                await tasks[parent]
            if slots:
                async with slots:
                    await record.node(index)
            else:
                await record.node(index)

        async with asyncio.TaskGroup() as group:
            for index, parents in enumerate(workload.parents):
                if workload.gap_s is not None:
                    await record.line(index)
                tasks.append(group.create_task(node(index, parents)))

    return job
