"""The server's process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestra.errors import EngineError

from .server import Settings


@dataclass(frozen=True, slots=True)
class ServerProcess:
    pid: int
    url: str

    def cpu_s(self) -> float:
        """CPU time so far; 0 where the system has no /proc."""
        path = Path(f"/proc/{self.pid}/stat")
        if not path.exists():
            return 0.0
        user, system = path.read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def serving(settings: Settings) -> AsyncGenerator[ServerProcess]:
    """A server that ends with the block. Raises `EngineError` when it does not start; its own words are on standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"{__package__}.server", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(settings.dump().encode() + b"\n")
        port = (await process.stdout.readline()).strip()
        if not port.isdigit():
            raise EngineError(f"the scripted server did not start: it ended with {await process.wait()}, see its traceback above")
        yield ServerProcess(process.pid, f"http://127.0.0.1:{int(port)}/v1")
    finally:
        process.stdin.close()
        await process.wait()
