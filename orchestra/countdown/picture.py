"""Attempts as timeline records: what the page of a run shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..trace.page import write_page
from ..trace.record import TraceRecord, record
from . import notation
from .attempt import Attempt


def method_label(attempted: Attempt) -> str:
    """ "serial", "fork (all)" or "fork (first)"."""
    return "serial" if attempted.tree.protocol == "serial" else f"fork ({attempted.tree.join})"


def to_record(attempted: Attempt) -> TraceRecord:
    problem = attempted.problem
    return record(
        attempted.tree,
        decode=notation.text,
        title=method_label(attempted),
        facts={
            "problem": f"{' '.join(map(str, problem.numbers))} → {problem.target}",
            "answer": attempted.answer or "none found",
        },
    )


def write_timelines(attempts: Sequence[Attempt], path: Path, *, title: str) -> None:
    """One page with a timeline for each attempt, on one time scale."""
    write_page([to_record(attempted) for attempted in attempts], path, title=title)
