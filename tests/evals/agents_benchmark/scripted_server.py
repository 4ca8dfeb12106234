"""The benchmark's server in the process of a test, and times short enough for one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from orchestra.evals.benchmarks.agents.question import Question
from orchestra.evals.benchmarks.agents.server import Server
from orchestra.evals.benchmarks.agents.tools import Rates

RATES = Rates(name="test", first_token_s=0.35, tokens_per_s=60, time_scale=0.001)


@asynccontextmanager
async def served(questions: list[Question], rates: Rates = RATES) -> AsyncGenerator[str]:
    """The server's address, in this process."""
    server = Server({question.text.strip(): question for question in questions}, rates)
    async with await asyncio.start_server(server.connection, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"


def on_server(questions: list[Question], work: Callable[[str], Coroutine[Any, Any, Any]], rates: Rates = RATES) -> Any:
    async def main() -> Any:
        async with served(questions, rates) as url:
            return await work(url)

    return asyncio.run(main())
