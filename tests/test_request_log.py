"""The engine's own account of an eval, request by request, against the run trees that came of it. A real vLLM server on the CPU."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import httpx
import pytest

from orchestra.countdown import Attempt, Setup, attempt, generate, shipped_model
from orchestra.countdown.model import read_card
from orchestra.engine.http import HttpEngine

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(240)]

LOGGED = re.compile(r"prompt_token_ids: (\[[\d, ]*\])")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address and log file of a server that writes down every request it receives."""
    pytest.importorskip("vllm")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(shipped_model()), "--host=127.0.0.1"]
    command += [f"--port={port}", "--enforce-eager", "--block-size=32", "--enable-log-requests", "--enable-prompt-tokens-details"]
    quiet = {"VLLM_LOGGING_LEVEL": "DEBUG", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with log.open("w") as file:
        process = subprocess.Popen(command, env={**os.environ, **quiet}, stdout=file, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 200
        while True:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.5)  # another process: there is nothing to wait on but its answer
        yield f"http://127.0.0.1:{port}/v1", log
    finally:
        process.terminate()
        process.wait(30)


def generated_tokens(url: str) -> int:
    text = httpx.get(url.removesuffix("/v1") + "/metrics", timeout=10).text
    return sum(round(float(line.split()[-1])) for line in text.splitlines() if line.startswith("vllm:generation_tokens_total"))


def test_the_servers_request_log_matches_the_run_trees_one_to_one(server: tuple[str, Path]) -> None:
    url, log = server
    problems = list(islice(generate("test", seed=5), 8))
    setups = [Setup(method=method) for method in read_card(shipped_model()).methods] + [replace(Setup(method="fork"), join="first")]

    async def evaluate() -> tuple[list[Attempt], int, int]:
        async with HttpEngine(url) as engine:  # entering it sends a probe, which belongs to no tree
            before, start = generated_tokens(url), log.stat().st_size
            attempts = [found for setup in setups for found in await asyncio.gather(*(attempt(engine, p, setup) for p in problems))]
            # Aborts travel as closed connections; only the server's count, asked again and again, says when the last has arrived.
            while await engine.running():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            return attempts, before, start

    attempts, before, start = asyncio.run(evaluate())
    assert not [found.tree.error for found in attempts if found.tree.error]
    recorded = Counter(tuple(context) for found in attempts for context, _ in found.tree.requests())
    never_sent = Counter(
        tuple(context) for found in attempts for context, c in found.tree.requests() if c.finish == "abort" and not c.token_ids
    )
    logged = Counter(tuple(json.loads(ids)) for ids in LOGGED.findall(log.read_text()[start:]))
    assert logged.total() > 8 + 8 * 19
    assert not logged - recorded, "the server received nothing that no tree knows of"
    assert recorded - logged <= never_sent, "what it did not receive was cancelled before it left, and sampled nothing"

    work = sum(found.ledger.work for found in attempts)
    unobserved = sum(found.ledger.unobserved for found in attempts)
    reported = generated_tokens(url) - before
    assert work <= reported <= work + unobserved
    assert reported - work < 0.05 * work, "what is sampled after an abort is a step or two a request"
    assert sum(found.correct for found in attempts if found.tree.protocol == "apr") >= 14, (
        "the shipped model solves 98 % by forking"
    )
