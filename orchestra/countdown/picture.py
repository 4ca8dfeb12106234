"""Attempts as timeline records: what the page of a run shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..trace.page import write_page
from ..trace.record import TraceRecord, record
from . import notation
from .attempt import Attempt


def outcome(attempted: Attempt) -> str:
    """The answer, or why there is none, in a few words."""
    if attempted.error:
        return "the engine failed"
    return attempted.answer or "none found"


def to_record(attempted: Attempt) -> TraceRecord:
    problem = attempted.problem
    return record(
        attempted.tree,
        decode=notation.text,
        title=attempted.label,
        facts={
            "problem": f"{' '.join(map(str, problem.numbers))} → {problem.target}",
            "answer": outcome(attempted),
        },
    )


def write_timelines(attempts: Sequence[Attempt], path: Path, *, title: str) -> None:
    """One page with a timeline for each attempt, on one time scale."""
    write_page([to_record(attempted) for attempted in attempts], path, title=title)
