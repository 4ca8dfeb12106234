"""The shipped model whose children fork: in a window that holds no whole search, on a real engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orchestra.countdown.attempt import Attempt, Setup, attempt
from orchestra.countdown.model import read_card
from orchestra.countdown.problem import Problem
from orchestra.engine.transformers import TransformersEngine

pytest.importorskip("torch")
MODEL = Path(__file__).parents[2] / "models" / "countdown-6m-nested"
PROBLEM = Problem((92, 84, 69, 4), target=37)
"""Its solutions begin with moves of little promise: a child that looks at few states itself finds none of them."""
WINDOW = 92


def solved(depth: int) -> Attempt:
    setup = Setup(method="fork", join="all", beam=0, child_beam=0, window=WINDOW, depth=depth)
    read_card(MODEL).check(MODEL, setup)

    async def run() -> Attempt:
        async with TransformersEngine(MODEL, dtype="float32", max_batch=64) as engine:
            return await attempt(engine, PROBLEM, setup)

    return asyncio.run(run())


def test_children_fork_where_their_window_ends_and_find_what_they_could_not_hold() -> None:
    nested = solved(depth=2)
    threads = nested.tree.threads
    assert nested.correct
    assert max(thread.depth for thread in threads) == 2
    assert max(len(thread.context) for thread in threads) <= WINDOW
    assert not solved(depth=1).correct
