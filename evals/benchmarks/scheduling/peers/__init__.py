"""Whom we measure. One module a peer, named after it, with

    DISTRIBUTIONS             whose versions are reported
    build(record, *arguments) builds whatever the peer builds from `record.workload`, and returns a coroutine function that runs it

Each node of a peer calls `await record.node(index)` and does nothing else. `__main__.py` times that in a process of its own:

    python -m scheduling.workloads wide-10000 | python -m scheduling.peers langgraph      (in evals/benchmarks, with the peer's python)

What each is for differs: Ray spreads work over machines, LangGraph and pydantic-graph run graphs that a programmer wrote, Haystack pipelines;
LLMCompiler alone was made for plans that a model writes. A kind that a peer cannot express is not measured.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..workloads import KINDS, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    module: str
    kinds: tuple[Kind, ...] = KINDS
    """What it can express."""
    arguments: tuple[str, ...] = ()
    most_nodes: int | None = None
    """Larger workloads are left out, because it slows with their size; None for no limit."""
    in_environment: bool = True
    """Is installed where `--peers-python` says; the others run under the driver's python."""


BASELINE = "raw asyncio"
LLMCOMPILER = "LLMCompiler"

PEERS: dict[str, Peer] = {
    BASELINE: Peer(module="raw_asyncio", in_environment=False),
    "orchestra": Peer(module="ours", in_environment=False),
    "orchestra, journal": Peer(module="ours", in_environment=False, arguments=("journal",)),
    # It has no limit on what runs at one time, so no `leaves`.
    LLMCOMPILER: Peer(module="llmcompiler", kinds=("wide", "chain", "layered", "stream"), in_environment=False),
    "pydantic-graph": Peer(module="pydantic_graph", kinds=("wide", "chain")),  # joins belong to forks: no node with any two parents
    "LangGraph graph": Peer(module="langgraph", kinds=("wide", "chain", "layered", "leaves")),
    "LangGraph graph, SQLite": Peer(module="langgraph", kinds=("wide", "chain"), arguments=("sqlite",)),
    "LangGraph functional": Peer(module="langgraph_functional", kinds=("wide", "chain", "layered", "leaves"), most_nodes=2_000),
    "Haystack": Peer(module="haystack", kinds=("wide", "chain", "layered", "leaves"), most_nodes=2_000),
    "Ray": Peer(module="ray", kinds=("wide", "chain")),  # its limit is the number of processes: durations would measure the machine
}
"""By the name of its row. Only graphs and pipelines that exist before they run: no `stream`, but for LLMCompiler."""
