"""What is written can be read again, or is not written."""

from __future__ import annotations

from ...errors import PlanError
from ..finding import errors
from ..plan import Plan
from .base import PlanFormat


def read_back(text: str, plan: Plan, format_: PlanFormat) -> str:
    """`text`, which `format_` has made of `plan`. Raises `PlanError` when parsing it would not give the same plan."""
    parsed = format_.parse(text, {})
    found = errors(parsed.findings)
    if found or parsed.plan != plan:
        reasons = "; ".join(map(str, found)) or "it would not be read as the same plan"
        raise PlanError(f"this plan cannot be written in the format {format_.name}: {reasons}")
    return text
