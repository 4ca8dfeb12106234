"""Haystack's Pipeline, run asynchronously: a component for each node, an input for each of its parents."""

from __future__ import annotations

from typing import Any

from haystack import Pipeline, component

from .record import Job, Record

DISTRIBUTIONS = ("haystack-ai",)


class _Node:
    def __init__(self, record: Record, index: int, parents: list[int]) -> None:
        self._record = record
        self._index = index
        component.set_input_types(self, **{f"from_{parent}": int for parent in parents} or {"start": int})
        component.set_output_types(self, done=int)

    def run(self, **inputs: int) -> dict[str, int]:
        raise NotImplementedError("Haystack asks for it beside `run_async`, and does not call it there")

    async def run_async(self, **inputs: int) -> dict[str, int]:
        await self._record.node(self._index)
        return {"done": self._index}


Node: Any = component(_Node)


def build(record: Record) -> Job:
    workload = record.workload
    pipeline = Pipeline()
    names = [f"node {index:05}" for index in range(len(workload.seconds))]  # what is ready starts in the order of names
    for index, parents in enumerate(workload.parents):
        pipeline.add_component(names[index], Node(record, index, parents))
    for index, parents in enumerate(workload.parents):
        for parent in parents:
            pipeline.connect(f"{names[parent]}.done", f"{names[index]}.from_{parent}")
    data = {name: {"start": 0} for name, parents in zip(names, workload.parents, strict=True) if not parents}

    async def job() -> None:
        await pipeline.run_async(data, concurrency_limit=workload.slots or len(workload.seconds))

    return job
