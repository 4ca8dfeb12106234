"""What holds for all tests of agents."""

from __future__ import annotations

import pytest

from .mountains import calls


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()
