"""Measures one peer once: a workload as JSON on standard input, one JSON line on standard output. In evals/benchmarks:

    python -m scheduling.workloads chain-200 | python -m scheduling.peers langgraph [ARGUMENT ...]

What it prints:

    seconds        wall time of the run alone: imports, building and a first small run, which pays for whatever is done once, come before
    cpu_seconds    of this process in that time; Ray's workers are others
    build_seconds  what the peer built beforehand
    worst_delay_s  for a streamed plan: the longest that a node whose line and inputs were there waited for its start
    missing        instead of all others: the module that this python does not have
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import importlib
import json
import os
import platform
import sys
import time
from importlib.metadata import version
from types import ModuleType
from typing import Any

from ..workloads import Workload, chain, wide
from .record import Record

QUIET = {"HAYSTACK_TELEMETRY_ENABLED": "False", "LANGSMITH_TRACING": "false", "RAY_USAGE_STATS_ENABLED": "0"}
"""Nobody is measured while tracing to, or calling, a server."""


def warm_up(workload: Workload) -> Workload:
    """Something small that takes the same road."""
    small = wide(2) if workload.kind == "wide" else chain(2)
    return dataclasses.replace(small, kind=workload.kind, slots=workload.slots, gap_s=None if workload.gap_s is None else 0.0)


async def measure(peer: ModuleType, workload: Workload, arguments: list[str]) -> dict[str, Any]:
    await peer.build(Record(warm_up(workload)), *arguments)()
    record = Record(workload)
    build_started = time.perf_counter()
    job = peer.build(record, *arguments)
    built = time.perf_counter()
    gc.collect()  # what building has left for the garbage collector is no part of the run
    started, cpu_started = time.perf_counter(), time.process_time()
    await job()
    ended, cpu_ended = time.perf_counter(), time.process_time()
    record.check()
    return {
        "seconds": ended - started,
        "cpu_seconds": cpu_ended - cpu_started,
        "build_seconds": built - build_started,
        "tasks": len(workload.seconds),
        **({} if workload.gap_s is None else {"worst_delay_s": max(record.delays_s())}),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in peer.DISTRIBUTIONS},
    }


def main() -> None:
    name, *arguments = sys.argv[1:]
    workload = Workload(**json.load(sys.stdin))
    os.environ.update(QUIET)
    try:
        peer = importlib.import_module(f".{name}", __package__)
        result = asyncio.run(measure(peer, workload, arguments))
    except ModuleNotFoundError as error:
        result = {"missing": error.name}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
