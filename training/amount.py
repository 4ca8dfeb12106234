"""How programs of training say large counts."""

from __future__ import annotations

_MILLION = 1_000_000


def amount(count: int) -> str:
    """Whole millions, and below one every unit: "12M", "75,123"."""
    return f"{count / _MILLION:.0f}M" if count >= _MILLION else f"{count:,}"
