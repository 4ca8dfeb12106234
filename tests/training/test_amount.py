"""Large counts in words."""

from __future__ import annotations

import pytest
from orchestra.training.amount import amount


@pytest.mark.parametrize(("count", "said"), [(0, "0"), (75_123, "75,123"), (999_999, "999,999"), (12_400_000, "12M")])
def test_counts_below_a_million_are_said_to_the_last_unit(count: int, said: str) -> None:
    assert amount(count) == said
