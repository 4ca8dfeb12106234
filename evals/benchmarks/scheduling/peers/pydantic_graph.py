"""pydantic-graph's builder: a map with a join for the wide workload, steps in a row for the chain."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from pydantic_graph import GraphBuilder, StepContext, reduce_null

from .record import Job, Record

DISTRIBUTIONS = ("pydantic-graph",)


def build(record: Record) -> Job:
    graph = _map(record) if record.workload.kind == "wide" else _chain(record)
    nodes = list(range(len(record.workload.seconds)))

    async def job() -> None:
        await graph.run(inputs=nodes)

    return job


def _map(record: Record) -> Any:
    builder = GraphBuilder(input_type=list, output_type=type(None))

    async def spread(context: StepContext[None, None, Any]) -> list[int]:
        return list(context.inputs[:-1])

    async def task(context: StepContext[None, None, Any]) -> None:
        await record.node(context.inputs)

    async def joined(context: StepContext[None, None, Any]) -> None:
        await record.node(len(record.workload.seconds) - 1)

    first, each, last = (builder.step(step) for step in (spread, task, joined))
    join = builder.join(reduce_null, initial=None)
    builder.add(
        builder.edge_from(builder.start_node).to(first),
        builder.edge_from(first).map().to(each),
        builder.edge_from(each).to(join),
        builder.edge_from(join).to(last),
        builder.edge_from(last).to(builder.end_node),
    )
    return builder.build()


def _chain(record: Record) -> Any:
    builder = GraphBuilder(input_type=list, output_type=type(None))

    def step(index: int) -> Any:
        async def link(context: StepContext[None, None, Any]) -> None:
            await record.node(index)

        return builder.step(link, node_id=f"link {index}")

    row = [builder.start_node, *map(step, range(len(record.workload.seconds))), builder.end_node]
    builder.add(*(builder.edge_from(one).to(other) for one, other in pairwise(row)))
    return builder.build()
