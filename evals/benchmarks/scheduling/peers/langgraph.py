"""LangGraph's StateGraph: `Send` for the wide workload (its map), a node with its edges for each node of the others.

It goes in supersteps: what is ready starts together, and the next step begins when all of it has ended. With the argument `sqlite` every
step is saved to a new SQLite file by LangGraph's own saver, with its default durability; opening and closing the file is part of the run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from .record import Job, Record

DISTRIBUTIONS = ("langgraph",)


class State(TypedDict):
    nothing: int


def build(record: Record, *arguments: str) -> Job:
    compiled = (_map(record) if record.workload.kind == "wide" else _graph(record)).compile()
    config: dict[str, Any] = {"recursion_limit": len(record.workload.seconds) + 5, "max_concurrency": record.workload.slots}

    async def job() -> None:
        await compiled.ainvoke({"nothing": 0}, config)

    async def saved() -> None:
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

        with tempfile.TemporaryDirectory() as folder:
            async with AsyncSqliteSaver.from_conn_string(str(Path(folder, "checkpoints.sqlite"))) as saver:
                saving = compiled.copy({"checkpointer": saver})
                await saving.ainvoke({"nothing": 0}, config | {"configurable": {"thread_id": "one"}})

    return saved if "sqlite" in arguments else job


def _map(record: Record) -> Any:
    *tasks, join = range(len(record.workload.seconds))

    async def task(index: int) -> None:
        await record.node(index)

    async def joined(state: State) -> None:
        await record.node(join)

    graph = StateGraph(State)
    graph.add_node("task", task)
    graph.add_node("join", joined)
    graph.add_conditional_edges(START, lambda state: [Send("task", index) for index in tasks], ["task"])
    graph.add_edge("task", "join")
    graph.add_edge("join", END)
    return graph


def _graph(record: Record) -> Any:
    def run(index: int) -> Callable[[State], Awaitable[None]]:
        async def node(state: State) -> None:
            await record.node(index)

        return node

    graph = StateGraph(State)
    names = [f"{index:05}" for index in range(len(record.workload.seconds))]  # what is ready starts in the order of names
    for index, parents in enumerate(record.workload.parents):
        graph.add_node(names[index], run(index))
        graph.add_edge([names[parent] for parent in parents] if parents else START, names[index])
    return graph
