"""Ray: a remote task for each node, given its parents' references. Its tasks run in other processes, as many as there are cores."""

from __future__ import annotations

import time
from typing import Any

import ray

from .record import Job, Record

DISTRIBUTIONS = ("ray",)


def build(record: Record) -> Job:
    workload = record.workload
    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")

    def node(*parents: Any) -> tuple[float, float]:
        return time.perf_counter(), time.perf_counter()

    remote: Any = ray.remote(node)

    async def job() -> None:
        references: list[Any] = []
        for parents in workload.parents:
            references.append(remote.remote(*(references[parent] for parent in parents)))
        for index, (started, ended) in enumerate(ray.get(references)):
            record.started[index], record.ended[index] = started, ended

    return job
