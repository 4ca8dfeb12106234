"""A small model forks threads to solve one Countdown problem, from Python.

python examples/fork_and_join.py
"""

import asyncio

from orchestra import open_engine
from orchestra.countdown import Problem, Setup, attempt, shipped_model


async def main() -> None:
    async with open_engine("auto", model=shipped_model()) as engine:
        result = await attempt(engine, Problem((3, 5, 7, 11), target=24), Setup(method="fork", join="first"))
    print(result.answer or f"no solution found ({result.flaw or result.tree.root.status})")
    for thread in result.tree.threads:
        print(f"{thread.id:6} {thread.status:10} {len(thread.sampled_ids):4} tokens")
    print(f"work {result.ledger.work}, span {result.ledger.span}, parallelism {result.ledger.parallelism:.1f}")


if __name__ == "__main__":  # vLLM starts child processes that import this file
    asyncio.run(main())
