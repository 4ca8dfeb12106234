"""The processes of one training run: those that `torchrun` started, one a device, or this one alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from orchestra.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Processes:
    """Data-parallel: every process has the whole model and a part of each batch. Gradients are summed in one all-reduce a step; nothing
    overlaps with it, so this is for small models (tens of megabytes of gradients)."""

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def any(self, here: bool) -> bool:
        """Whether it is so in one of them. All must ask at the same step; the CPU waits for the device."""
        if self.size == 1:
            return here
        found = torch.tensor(float(here), device=self.device)  # NCCL takes tensors on GPUs alone
        dist.all_reduce(found)
        return bool(found.item())

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Replace each by its sum over all processes. They must lie on the device."""
        if self.size == 1:
            return
        together = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(together)
        for tensor, part in zip(tensors, torch.split(together, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))


@contextmanager
def joined() -> Iterator[Processes]:
    """Raises `ConfigError` where there are more processes than devices."""
    size, rank, local = (
        int(os.environ.get(name, default)) for name, default in (("WORLD_SIZE", 1), ("RANK", 0), ("LOCAL_RANK", 0))
    )
    cuda = torch.cuda.is_available()
    if size == 1:
        yield Processes(0, 1, torch.device("cuda" if cuda else "cpu"))
        return
    if cuda and local >= torch.cuda.device_count():
        raise ConfigError(
            f"process {local} of this machine has no GPU, there are {torch.cuda.device_count()}: lower --nproc-per-node of torchrun"
        )
    device = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    # With its device NCCL connects here, and what it cannot do shows before the model is compiled, not at the first step.
    dist.init_process_group("nccl" if cuda else "gloo", device_id=device if cuda else None)
    processes = Processes(rank, size, device)
    yield processes
    # Not after an error: NCCL would wait here for processes that wait for this one; its exit makes torchrun end them.
    processes.any(False)  # the first still writes the model: who leaves early would close connections that it holds
    dist.destroy_process_group()
