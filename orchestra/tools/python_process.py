"""One Python program under a supervisor process: its code in, what it printed and how it ended out."""

from __future__ import annotations

import asyncio
import os
import site
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from ..errors import ToolError
from .confine.job import EXITED, FAILED, OUT_OF_TIME, Job

Layer = Literal["namespaces", "landlock", "seccomp"]
"""What keeps a program in: Linux namespaces, Landlock, and a filter of system calls."""

FILE_BYTES = 256 * 2**20
"""A file that a program writes may grow to this."""

_CHUNK = 65_536
_SUPERVISE = "import sys; sys.path.append(sys.argv.pop()); from confine.supervise import main; main()"
_XCPU = -24
_SYSTEM_PATHS = (
    *("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64"),  # shared libraries
    *("/etc/ld.so.cache", "/etc/alternatives"),  # where to find them
    *("/etc/localtime", "/usr/share/zoneinfo"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonResult:
    """What a program printed and how it ended. `str()` of it is written for a model to read."""

    stdout: str
    stderr: str
    """Tracebacks, syntax errors and running out of memory are found here."""
    exit_code: int | None
    """0 for success, negative for the signal that killed it, None when the sandbox stopped it."""
    stopped: Literal["time", "output"] | None = None
    """Why the sandbox stopped it: its seconds were over (wall clock or CPU), or it printed too much; what it printed before is kept."""

    def __str__(self) -> str:
        parts = [self.stdout.rstrip("\n"), self.stderr.rstrip("\n")]
        if self.stopped == "time":
            parts.append("[stopped: out of time]")
        elif self.stopped == "output":
            parts.append("[stopped: too much output; only its beginning is kept]")
        elif self.exit_code:
            parts.append(f"[exit code {self.exit_code}]")
        return "\n".join(filter(None, parts)) or "[no output]"


class LayerError(ToolError):
    """A layer of isolation could not be put in place, so the program was not started."""


async def run_supervised(
    code: str,
    *,
    layers: Sequence[Layer],
    folder: Path | None,
    seconds: float,
    memory_mb: int,
    processes: int,
    output_bytes: int,
) -> PythonResult:
    """Run a program inside `layers`. Cancelling this ends the program and all its processes.

    Raises:
        LayerError: A layer cannot be had here.
        ToolError: The supervisor was killed, or did not start.
    """
    place = str(folder) if folder else _empty_folder()
    status_read, status_write = os.pipe()
    try:
        with closing(_Head(output_bytes)) as stdout, closing(_Head(output_bytes)) as stderr:
            try:
                job = _job(layers, place, folder is not None, seconds, memory_mb, processes, status_write)
                process = await _spawn(job, stdout.writing, stderr.writing)
            finally:
                os.close(status_write)
            await _until_it_ends(process, code, (stdout, stderr))
            return _result(_report(status_read), stdout, stderr)
    finally:
        os.close(status_read)
        if folder is None:
            with suppress(OSError):  # the supervisor removed it, unless it never started
                os.rmdir(place)


def _result(told: dict[str, str], stdout: _Head, stderr: _Head) -> PythonResult:
    if FAILED in told:
        raise LayerError(told[FAILED])
    exit_code = int(told[EXITED]) if EXITED in told else None
    stopped: Literal["time", "output"] | None = None
    if stdout.overflows or stderr.overflows:
        stopped = "output"
    elif OUT_OF_TIME in told or exit_code == _XCPU:
        stopped = "time"
    elif exit_code is None:
        raise ToolError(f"the Python sandbox was killed from outside, or could not start:\n{stderr.text[-2000:]}")
    return PythonResult(stdout=stdout.text, stderr=stderr.text, exit_code=None if stopped else exit_code, stopped=stopped)


def _empty_folder() -> str:
    return os.path.realpath(tempfile.mkdtemp(prefix="orchestra-python-"))


def _job(layers: Sequence[Layer], folder: str, keep: bool, seconds: float, memory_mb: int, processes: int, status: int) -> Job:
    readable, links = interpreter_paths()
    return Job(
        layers=list(layers),
        # no user site, no cached bytecode, unbuffered: what was printed before a time limit is kept
        command=[sys.executable, "-s", "-B", "-u", "-X", "utf8", "-"],
        environment={
            "HOME": folder,
            "LANG": "C.UTF-8",
            "PYTHONHASHSEED": "0",  # the same program prints the same
            **dict.fromkeys(("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),  # a thread counts as a process
        },
        folder=folder,
        keep_folder=keep,
        readable=list(readable),
        links=links,
        seconds=seconds,
        memory_bytes=memory_mb * 2**20,
        file_bytes=FILE_BYTES,
        processes=processes,
        caller=os.getpid(),
        status=status,
    )


async def _spawn(job: Job, stdout: int, stderr: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", _SUPERVISE, job.to_json(), str(Path(__file__).parent)),
        stdin=asyncio.subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        env={},
        cwd="/",
        pass_fds=(job.status,),
        start_new_session=True,  # Ctrl-C is for the caller, who then cancels
    )


def _report(status: int) -> dict[str, str]:
    """What the supervisor wrote; it has ended, so everything is there."""
    os.set_blocking(status, False)
    with suppress(BlockingIOError):
        lines = os.read(status, _CHUNK).decode(errors="replace").splitlines()
        return dict(line.partition(" ")[::2] for line in reversed(lines))  # of two alike, the first counts
    return {}


async def _until_it_ends(process: asyncio.subprocess.Process, code: str, heads: Sequence[_Head]) -> None:
    """Feed the program, read what it prints, and stop it when that is too much, or when this is cancelled."""
    assert process.stdin

    def stop() -> None:
        with suppress(ProcessLookupError):
            process.terminate()

    def read(head: _Head) -> None:
        with suppress(BlockingIOError):
            if not head.read():
                loop.remove_reader(head.reading)
        if head.overflows:
            stop()

    loop = asyncio.get_running_loop()
    try:
        for head in heads:
            loop.add_reader(head.reading, read, head)
        async with asyncio.TaskGroup() as group:
            group.create_task(_feed(process.stdin, code))
            await process.wait()
    finally:
        if process.returncode is None:
            stop()
            await process.wait()
        for head in heads:
            loop.remove_reader(head.reading)
            with suppress(BlockingIOError):
                while not head.overflows and head.read():
                    pass


async def _feed(stdin: asyncio.StreamWriter, code: str) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # it ended before it had read everything
        stdin.write(code.encode(errors="replace"))
        await stdin.drain()
    stdin.close()


class _Head:
    """The beginning of what a pipe carries. The rest is read all the same, so that the end of the process is seen, and dropped."""

    def __init__(self, most: int) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        self._most = most
        self._kept = bytearray()

    @property
    def overflows(self) -> bool:
        return len(self._kept) > self._most

    @property
    def text(self) -> str:
        return self._kept[: self._most].decode(errors="replace")

    def read(self) -> bool:
        """Take a chunk. False at the end; raises `BlockingIOError` when there is nothing at the moment."""
        chunk = os.read(self.reading, _CHUNK)
        self._kept += chunk[: self._most + 1 - len(self._kept)]
        return bool(chunk)

    def close(self) -> None:
        os.close(self.reading)
        os.close(self.writing)


@cache
def interpreter_paths() -> tuple[tuple[str, ...], dict[str, str]]:
    """What this Python needs in order to start: its real paths, each outside the others, and the symbolic links that lead there."""
    wanted = {
        *_SYSTEM_PATHS,
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        *site.getsitepackages(),
        *(os.path.join(sys.base_prefix, name) for name in ("lib", "lib64")),
        os.path.join(sys.prefix, "pyvenv.cfg"),
        sys.executable,
    }
    existing = sorted(path for path in wanted if os.path.exists(path))
    real = sorted({os.path.realpath(path) for path in existing})
    readable = tuple(path for path in real if not _lies_in(path, real))
    links = {path: os.path.realpath(path) for path in existing if os.path.realpath(path) != path}
    return readable, {path: target for path, target in links.items() if not _lies_in(path, [*links, *readable])}


def _lies_in(path: str, others: Sequence[str]) -> bool:
    return any(path.startswith(other + "/") for other in others)
