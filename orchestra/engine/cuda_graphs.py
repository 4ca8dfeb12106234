"""Recorded CUDA work: hundreds of small kernels that are launched at one go, where launching each from Python takes longer than running it.

A graph reads and writes the memory that it was recorded on. Weights that are changed in place are the new ones for it; buffers that have moved
are not (`forget`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

_log = logging.getLogger(__name__)


class CudaGraphs:
    """One graph a key, recorded when the key is first run. Not thread-safe; other threads may use the GPU meanwhile."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._graphs: dict[Hashable, tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        self._pool: Any = None
        """Memory that all graphs share, because none runs beside another and what one returns is read before the next runs."""
        self._side: torch.cuda.Stream | None = None
        self._works = True

    def run(self, key: Hashable, work: Callable[[], Tensor]) -> Tensor:
        """What `work` returns, which holds until the next run. It is called only when `key` is new: twice then, so that it may not change
        what it reads. Where recording fails, it is called each time."""
        if not self._works:
            return work()
        if key in self._graphs:
            graph, result = self._graphs[key]
            graph.replay()
            return result
        with torch.cuda.device(self._device):
            result = self._on_the_side(work)
            try:
                self._graphs[key] = self._recorded(work)
            except RuntimeError as error:
                self._works = False
                self.forget()
                _log.warning("decoding goes on without CUDA graphs, several times slower for a small model: %s", error)
        return result

    def forget(self) -> None:
        self._graphs.clear()
        self._pool = None

    def _on_the_side(self, work: Callable[[], Tensor]) -> Tensor:
        """What libraries prepare at their first call cannot be recorded, nor may it happen on the stream that is the default."""
        here = torch.cuda.current_stream()
        side = self._side = self._side or torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(here)
        with torch.cuda.stream(side):
            result = work()
        here.wait_stream(side)
        result.record_stream(here)
        return result

    def _recorded(self, work: Callable[[], Tensor]) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        # thread_local: what a trainer does in its own thread meanwhile is none of this graph's business.
        with torch.cuda.graph(graph, pool=self._pool, stream=self._side, capture_error_mode="thread_local"):
            result = work()
        return graph, result
