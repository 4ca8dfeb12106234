"""The worker processes of an `Equivalence`: started when first needed, killed when they take too long, started again.

They are programs of their own and not forks, so that threads of the caller (an engine's, torch's) do not matter to them, and they are
spoken to over pipes by the caller's event loop, which never waits for them.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from ..errors import ConfigError

INSTALL = 'pip install "math-verify[antlr4_13_2]>=0.9"'
_START_S = 60.0  # seconds for importing sympy, on a busy machine
_MAX_LINE = 1 << 20  # bytes of a reply: keys are short


class MissingLibraryError(ConfigError):
    """math-verify is not installed, or not so that it can be imported."""


def missing_library() -> MissingLibraryError | None:
    """The error to raise where math-verify is needed; None when it is installed."""
    if find_spec("math_verify") is not None:
        return None
    return MissingLibraryError(
        f"answers that are more than a number or a word are compared with math-verify, which is not installed: {INSTALL}"
    )


class Pool:
    """At most `workers` processes; each request goes to one that is free."""

    def __init__(self, *, workers: int, timeout_s: float) -> None:
        self._free: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()  # the last one used is the one that runs
        self._workers = [_Worker(timeout_s) for _ in range(workers)]
        for worker in self._workers:
            self._free.put_nowait(worker)

    async def close(self) -> None:
        """Ends all processes. Requests that are under way raise `RuntimeError`."""
        for worker in self._workers:
            worker.close()  # all of them first: waiting may be cancelled
        for worker in self._workers:
            await worker.ended()

    async def ask(self, *request: Any) -> dict[str, Any] | None:
        """A worker's reply; None when the request cannot be answered, or not in time.

        Raises `MissingLibraryError` without math-verify, `ConfigError` when no process can be started, and `RuntimeError` once the pool is
        closed.
        """
        worker = await self._free.get()
        try:
            return await worker.ask(request)
        finally:
            self._free.put_nowait(worker)


class _Worker:
    """One process at a time."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._process: asyncio.subprocess.Process | None = None
        self._closed = False

    async def ask(self, request: tuple[Any, ...]) -> dict[str, Any] | None:
        self._check_open()
        process = self._process or await self._start()
        assert process.stdin
        try:
            try:
                async with asyncio.timeout(self._timeout_s):
                    process.stdin.write(json.dumps(request).encode() + b"\n")
                    await process.stdin.drain()
                    return await self._reply(process)
            except TimeoutError:
                # Where something else has held up the event loop, the reply may be here already: what has come is read without waiting.
                async with asyncio.timeout(0):
                    return await self._reply(process)
        except (TimeoutError, ConnectionError, EOFError):  # too slow, or out of memory
            self._kill()
            await self.ended()
            self._check_open()
            return None
        except BaseException:  # a cancelled request's reply would be taken for that to the next one
            self._kill()
            await self.ended()
            raise

    def close(self) -> None:
        self._closed = True
        self._kill()

    async def ended(self) -> None:
        """Returns when the process that was killed is gone."""
        process, self._process = self._process, None
        if process is not None:
            await process.wait()

    def _kill(self) -> None:
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        assert self._process.stdin
        self._process.stdin.close()

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the Equivalence was left while it was in use: answers must be compared inside `async with`")

    async def _start(self) -> asyncio.subprocess.Process:
        if missing := missing_library():
            raise missing
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
            self._check_open()
            async with asyncio.timeout(_START_S):
                hello = await self._reply(process)
        except (TimeoutError, ConnectionError, EOFError, ValueError) as error:
            self._kill()
            await self.ended()
            self._check_open()
            raise ConfigError(
                f"the process that compares answers did not start ({type(error).__name__}): "
                f"see what `{sys.executable} -m {__package__}.worker {os.getpid()}` says"
            ) from error
        except BaseException:
            self._kill()
            await self.ended()
            raise
        if hello and "missing" in hello:
            self._kill()
            await self.ended()
            raise MissingLibraryError(f"math-verify cannot be imported ({hello['missing']}): {INSTALL}")
        return process

    async def _reply(self, process: asyncio.subprocess.Process) -> dict[str, Any] | None:
        assert process.stdout
        line = await process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        reply: dict[str, Any] | None = json.loads(line)
        return reply
