"""Python as a tool: a model's program in a subprocess, without network and without files outside its folder.

A supervisor process (`confine`) puts the program into Linux namespaces with a file system of their own, under Landlock, and under a filter
of system calls: as many of these as the machine grants. A self-test (`isolation`) tries to get out before the first use, and where it gets
out, the tool refuses to run.

What a program has to do without: `/proc` and `/dev/shm`, hence `multiprocessing` pools and queues; programs other than Python; and, where
there are no namespaces, changes to the mode and the times of files, hence `shutil.copy` (`copyfile` works). What nothing limits: the memory
of all its processes together (each has a limit, and their number has one), and the disk that its folder takes (each file has a limit). Where
there are no namespaces, it can find out whether a file of a known path exists, and its size.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Awaitable, Callable
from os import PathLike
from pathlib import Path

from ..errors import ConfigError
from .isolation import Isolation, self_test
from .python_process import PythonResult, interpreter_paths, run_supervised

__all__ = ["Isolation", "PythonResult", "python_tool", "run_python", "self_test"]


async def run_python(
    code: str,
    *,
    folder: str | PathLike[str] | None = None,
    seconds: float = 10.0,
    memory_mb: int = 1024,
    processes: int = 32,
    output_bytes: int = 65_536,
    allow_unsandboxed: bool = False,
    isolation: Isolation | None = None,
) -> PythonResult:
    """Run a Python program with this interpreter and its installed packages, shut off from everything else.

    It starts in `folder`, without standard input, and sees no environment variable of ours. A program that fails, runs out of memory or
    has a syntax error is a result; cancelling this call ends the program with all its processes.

    Args:
        code: The program.
        folder: A directory that it may read and write; None for an empty one that is gone afterwards.
        seconds: Wall-clock limit for all of it, and CPU limit for each process.
        memory_mb: Address space of each of its processes.
        processes: Processes and threads that it may have at a time, itself included.
        output_bytes: What is kept of each of its two streams; a program that writes more is stopped.
        allow_unsandboxed: Where the machine cannot enforce all of this, run it with what there is: on systems other than Linux, a process
            with limits on time and output, and nothing else.
        isolation: What the machine enforces; None to find out (`self_test`), once in the life of this process.

    Raises:
        ConfigError: The machine cannot enforce the sandbox, or an argument cannot work.
        ToolError: The sandbox was killed from outside.
    """
    for name, value in {"seconds": seconds, "memory_mb": memory_mb, "processes": processes, "output_bytes": output_bytes}.items():
        if not 0 < value < math.inf:
            raise ConfigError(f"`{name}` must be positive and finite, got {value}")
    place = _checked(folder)
    if sys.platform == "win32":
        raise ConfigError("Python as a tool does not run on Windows: use Linux, or WSL")
    if isolation is None:
        isolation = await asyncio.to_thread(self_test)
    if isolation.missing and not allow_unsandboxed:
        reasons = f" ({'; '.join(isolation.refused)})" if isolation.refused else ""
        raise ConfigError(
            f"refused to run a model's Python: this machine cannot enforce {', '.join(isolation.missing)}{reasons}. Use a Linux that allows "
            "user namespaces or has Landlock, as an ordinary user or as a root that may change users; or, where the code may do whatever "
            "you may do, set `allow_unsandboxed=True`"
        )
    return await run_supervised(
        code,
        layers=isolation.layers,
        folder=place,
        seconds=seconds,
        memory_mb=memory_mb,
        processes=processes,
        output_bytes=output_bytes,
    )


def python_tool(
    *,
    folder: str | PathLike[str] | None = None,
    seconds: float = 10.0,
    memory_mb: int = 1024,
    allow_unsandboxed: bool = False,
) -> Callable[[str], Awaitable[PythonResult]]:
    """`run_python` with these limits as a tool for a model. Without a folder, each call has an empty one of its own."""

    async def python(code: str) -> PythonResult:
        """Run a Python program and return what it printed.

        The standard library and the installed packages are there; the network is not. Print what you want to see. Files can be read and
        written in the current directory only.

        Args:
            code: A complete program.
        """
        return await run_python(code, folder=folder, seconds=seconds, memory_mb=memory_mb, allow_unsandboxed=allow_unsandboxed)

    return python


def _checked(folder: str | PathLike[str] | None) -> Path | None:
    if folder is None:
        return None
    place = Path(folder).resolve()
    if not place.is_dir():
        raise ConfigError(f"the sandbox's folder {str(place)!r} is no directory: create it first")
    readable, _ = interpreter_paths()
    own = str(Path(__file__).parent)
    overlapping = [path for path in (*readable, own, sys.prefix) if Path(path).resolve().is_relative_to(place)]
    overlapping += [path for path in (*readable, own) if place.is_relative_to(path)]
    if overlapping:
        raise ConfigError(
            f"the sandbox's folder {str(place)!r} overlaps with {overlapping[0]!r}, which runs outside the sandbox too and which a program "
            "could change there: name a directory of its own"
        )
    return place
