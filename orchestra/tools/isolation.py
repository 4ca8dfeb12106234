"""Finds out, by trying, what keeps a Python program in on this machine.

Nothing is concluded from versions or settings: a program inside the sandbox tries to get out, and what it reports is what holds. Which
layers a kernel grants depends on its build, its settings and the container around this process.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..errors import ToolError
from .confine import escape
from .confine.escape import PROMISES
from .python_process import Layer, run_supervised

_CANDIDATES: tuple[tuple[Layer, ...], ...] = (
    ("namespaces", "landlock", "seccomp"),
    ("namespaces", "seccomp"),  # kernels without Landlock
    ("landlock", "seccomp"),  # containers and distributions that forbid user namespaces
    ("seccomp",),
    (),
)
_PROCESSES = 8
_SECONDS = 20.0
"""Far above the few dozen milliseconds that a try takes, for a machine under load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """What the self-test found."""

    layers: tuple[Layer, ...]
    """Those that a program runs in."""
    missing: tuple[str, ...] = ()
    """Promises that do not hold in them; none where the sandbox is sound."""
    refused: tuple[str, ...] = ()
    """Why other layers could not be had."""

    def __str__(self) -> str:
        state = f"not enforced: {', '.join(self.missing)}" if self.missing else "enforced"
        reasons = f" ({'; '.join(self.refused)})" if self.refused else ""
        return f"{' + '.join(self.layers) or 'no layers'}, {state}{reasons}"


@cache
def self_test() -> Isolation:
    """Try the layers, the strongest first, until one set keeps all promises.

    Takes about 0.05 seconds, once in the life of this process. It blocks: from a coroutine, `await asyncio.to_thread(self_test)`.
    """
    if sys.platform != "linux":
        return Isolation(layers=(), missing=PROMISES, refused=(f"{sys.platform} has neither namespaces nor Landlock",))
    return asyncio.run(_self_test())


async def _self_test() -> Isolation:
    refused: dict[str, str] = {}
    best = Isolation(layers=(), missing=PROMISES)
    for layers in _CANDIDATES:
        try:
            missing = await broken_promises(layers)
        except ToolError as error:
            refused.setdefault(str(error), " + ".join(layers))  # layers that fail alike fail once
            continue
        if len(missing) < len(best.missing):
            best = Isolation(layers=layers, missing=missing)
        if not missing:
            break
    reasons = tuple(f"{layers}: {error}" for error, layers in refused.items())
    return Isolation(layers=best.layers, missing=best.missing, refused=reasons)


async def broken_promises(layers: Sequence[Layer]) -> tuple[str, ...]:
    """What a program in these layers can do nevertheless. Raises `ToolError` where they cannot be had."""
    with _temptations() as temptations:
        result = await run_supervised(
            f"{_program()}\nmain(**{temptations!r}, processes={_PROCESSES})",
            layers=layers,
            folder=None,
            seconds=_SECONDS,
            memory_mb=1024,
            processes=_PROCESSES,
            output_bytes=10_000,
        )
    if result.exit_code != 0:
        raise ToolError(f"Python does not run in it: {result}")
    return tuple(json.loads(result.stdout))


def _program() -> str:
    return Path(escape.__file__).read_text(encoding="utf-8")


@contextmanager
def _temptations() -> Iterator[dict[str, str | int]]:
    """What a program that gets out would reach: a file, sockets that listen, this process."""
    with (
        tempfile.TemporaryDirectory() as outside,
        socket.socket() as tcp,
        socket.socket(socket.AF_UNIX) as stream,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mailbox,
    ):
        secret = Path(outside, "secret")
        secret.write_text("secret")
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        stream.bind(f"{outside}/stream")
        stream.listen()
        mailbox.bind(f"{outside}/mailbox")
        yield {
            "port": tcp.getsockname()[1],
            "stream": stream.getsockname(),
            "mailbox": mailbox.getsockname(),
            "secret": str(secret),
            "caller": os.getpid(),
        }
