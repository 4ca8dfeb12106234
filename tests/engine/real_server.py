"""A real vLLM server in a process of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

SERVER_FLAGS = (
    *("--dtype=float32", "--block-size=32", "--enforce-eager", "--max-num-seqs=64", "--scheduling-policy=priority"),
    *("--enable-prompt-tokens-details", "--logprobs-mode=processed_logprobs"),
)
START_TIMEOUT_S = 240


@asynccontextmanager
async def serve(model: Path, name: str, *flags: str) -> AsyncIterator[str]:
    """The address of a server process that runs meanwhile."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--served-model-name", name),
        *("--host=127.0.0.1", f"--port={port}", *flags),
        env={"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", **os.environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout
    log = []
    async for line in process.stdout:
        log.append(line.decode())
        if "Application startup complete" in log[-1]:
            break
    else:
        pytest.fail("the server did not start:\n" + "".join(log))
    unread = asyncio.create_task(process.stdout.read())  # so that the pipe never fills up
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()
        await unread
