"""The engines of a headline run, one a model folder, and what the recordings say of the models."""

from __future__ import annotations

import argparse
import json
import math
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from orchestra.countdown.model import read_card
from orchestra.countdown.setup import Host
from orchestra.engine import Engine

from ...pools import host_of
from .record import Model, Role

_CONTEXT = 1024
"""Tokens of a context where the engine has no limit of its own."""


class Models:
    """Opens an engine when its model is first asked for, and closes all of them at the end. Roles with the same folder share one."""

    def __init__(self, folders: dict[Role, Path | None], *, engine: str, requests: int, gpu_memory: float | None) -> None:
        self._folders = folders
        self._kind = engine
        self._requests = requests
        self._gpu_memory = gpu_memory
        self._hosts: dict[Path | None, Host] = {}
        self._stack = AsyncExitStack()
        self.used: dict[Role, Model] = {}

    async def engine(self, role: Role) -> Engine:
        """Of the role's model, or of the shipped one where the role has no folder."""
        folder = self._folders[role]
        if folder not in self._hosts:
            options = argparse.Namespace(engine=self._kind, model=folder, gpu_memory=self._gpu_memory)
            host = host_of(options, max_requests=self._requests)
            await self._stack.enter_async_context(host.engine)
            self._hosts[folder] = host
        host = self._hosts[folder]
        self.used[role] = Model(
            name=host.model_name or host.kind,
            parameters=num_parameters(host.model) if host.model else None,
            weights=host.fingerprint,
            sizes=read_card(host.model).sizes if host.model else (),
        )
        return host.engine

    def has(self, role: Role) -> bool:
        """Whether the role has a folder of its own."""
        return self._folders.get(role) is not None

    async def context(self, role: Role) -> int:
        return (await self.engine(role)).capabilities.context or _CONTEXT

    @property
    def name(self) -> str:
        """Of the engine, as it names itself; empty before one was opened."""
        return next((host.engine.name for host in self._hosts.values()), "")

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._stack.__aexit__(kind, error, trace)


def num_parameters(folder: Path) -> int:
    """From the headers of its safetensors files, so that nothing is loaded."""
    total = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        total += sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
    return total
