"""The worker processes of an `Equivalence`: started when first needed, killed when they take too long, started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Self

from ..errors import ConfigError

INSTALL = 'pip install "math-verify[antlr4_13_2]>=0.9"'
_START_S = 60.0  # seconds for importing sympy, on a busy machine
_MAX_LINE = 1 << 20  # bytes of a reply: keys are short


class Pool:
    """At most `workers` processes; each request goes to one that is free."""

    def __init__(self, *, workers: int, timeout_s: float) -> None:
        self._free: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()  # the last one used is the one that runs
        self._workers = [_Worker(timeout_s) for _ in range(workers)]
        for worker in self._workers:
            self._free.put_nowait(worker)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self._workers:
            await worker.end()

    async def ask(self, *request: Any) -> dict[str, Any] | None:
        """A worker's reply; None when the request cannot be answered, or not in time. Raises `ConfigError` without math-verify."""
        worker = await self._free.get()
        try:
            return await worker.ask(request)
        finally:
            self._free.put_nowait(worker)


class _Worker:
    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._process: asyncio.subprocess.Process | None = None

    async def ask(self, request: tuple[Any, ...]) -> dict[str, Any] | None:
        process = self._process or await self._start()
        assert process.stdin
        try:
            async with asyncio.timeout(self._timeout_s):
                process.stdin.write(json.dumps(request).encode() + b"\n")
                await process.stdin.drain()
                reply = await self._reply(process)
        except (TimeoutError, ConnectionError, EOFError):  # too slow, or out of memory
            await self.end()
            return None
        except asyncio.CancelledError:  # its reply would be taken for that to the next request
            await self.end()
            raise
        return reply

    async def _start(self) -> asyncio.subprocess.Process:
        if find_spec("math_verify") is None:
            raise ConfigError(
                f"answers that are more than a number are compared with math-verify, which is not installed: {INSTALL}"
            )
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the current folder's modules are not ours
            "-m",
            f"{__package__}.worker",
            str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # out of reach of Ctrl-C, and the leader of what it starts
            env={**os.environ, "PYTHONPATH": os.pathsep.join(folder or os.getcwd() for folder in sys.path)},
            limit=_MAX_LINE,
        )
        try:
            async with asyncio.timeout(_START_S):
                hello = await self._reply(process)
        except (TimeoutError, ConnectionError, EOFError) as error:
            await self.end()
            raise ConfigError(
                f"the process that compares answers did not start ({type(error).__name__}): "
                f"see what `{sys.executable} -m {__package__}.worker {os.getpid()}` says"
            ) from error
        except asyncio.CancelledError:
            await self.end()
            raise
        if hello and "missing" in hello:
            await self.end()
            raise ConfigError(f"math-verify cannot be imported ({hello['missing']}): {INSTALL}")
        return process

    async def _reply(self, process: asyncio.subprocess.Process) -> dict[str, Any] | None:
        assert process.stdout
        line = await process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        reply: dict[str, Any] | None = json.loads(line)
        return reply

    async def end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        assert process.stdin
        process.stdin.close()
        await process.wait()
