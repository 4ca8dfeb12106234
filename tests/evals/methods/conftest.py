"""One event loop's worth of equivalence, and problems of a benchmark that needs nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from orchestra.evals.benchmark import Benchmark
from orchestra.evals.problem import Problem
from orchestra.evals.suite import benchmark

from orchestra.answers import Equivalence


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def same() -> AsyncIterator[Equivalence]:
    async with Equivalence() as equivalence:
        yield equivalence


@pytest.fixture
def tiny() -> Benchmark:
    return benchmark("tiny")


@pytest.fixture
def eggs(tiny: Benchmark) -> Problem:
    """Its answer is 37."""
    return tiny.read(
        {"kind": "number", "problem": "A box holds 6 rows of 7 eggs. Five eggs are broken. How many are whole?", "answer": "37"}
    )
