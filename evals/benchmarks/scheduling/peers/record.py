"""What happened to each node, and whether that was what the workload asked for: a scheduler that skips work is fast."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from time import perf_counter

from ..workloads import Workload

Job = Callable[[], Awaitable[None]]


class Record:
    """Times by the clock of `time.perf_counter`, nan for what has not happened. Every peer pays the same for writing them."""

    def __init__(self, workload: Workload) -> None:
        size = len(workload.seconds)
        self.workload = workload
        self.given = [-math.inf if workload.gap_s is None else math.inf] * size
        """When the plan's line was handed to the peer; a plan that is whole was there before all time."""
        self.started = [math.nan] * size
        self.ended = [math.nan] * size

    async def node(self, index: int) -> None:
        """The work of a node."""
        self.started[index] = perf_counter()
        if seconds := self.workload.seconds[index]:
            await asyncio.sleep(seconds)
        self.ended[index] = perf_counter()

    async def line(self, index: int) -> None:
        """Returns when the plan's line is there; call it in order, in the task that feeds the peer."""
        assert self.workload.gap_s is not None
        if index:
            await asyncio.sleep(self.given[0] + index * self.workload.gap_s - perf_counter())
        self.given[index] = perf_counter()

    def check(self) -> None:
        """Raises ValueError if a node did not run, ran before its line or a parent's end, or with more others than there are slots."""
        for index, ended in enumerate(self.ended):
            if math.isnan(ended):
                raise ValueError(f"node {index} of {len(self.ended)} has not run")
            if self.started[index] < self._ready(index):
                raise ValueError(f"node {index} started before what it needs: {self.workload.parents[index]}")
        if self.workload.slots is not None:
            starts_and_ends = sorted([(time, 1) for time in self.started] + [(time, -1) for time in self.ended])
            running = 0
            for _, change in starts_and_ends:
                running += change
                if running > self.workload.slots:
                    raise ValueError(f"{running} nodes ran at one time, on {self.workload.slots} slots")

    def delays_s(self) -> list[float]:
        """How long each node waited for its start after its line and its inputs were there."""
        return [started - self._ready(index) for index, started in enumerate(self.started)]

    def _ready(self, index: int) -> float:
        return max([self.given[index], *(self.ended[parent] for parent in self.workload.parents[index])])
