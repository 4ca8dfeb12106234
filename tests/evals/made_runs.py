"""Run folders made by hand, for tests of reports."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from orchestra.evals.row import Row


def row(problem: str, epoch: int = 0, **fields: Any) -> Row:
    """A right try at `problem`, unless `fields` say otherwise."""
    correct = fields.setdefault("correct", True)
    defaults: dict[str, Any] = {
        "benchmark": "tiny",
        "gold": "7",
        "answer": "7" if correct else "8",
        "score": float(correct),
        "status": "finished",
        "work": 100,
        "span": 50,
        "wall_seconds": 2.0,
        "at_once": 4,
    }
    return Row(problem=problem, epoch=epoch, **{**defaults, **fields})


def tries(problem: str, verdicts: str, **fields: Any) -> list[Row]:
    """A row an epoch: `r` for right, `w` for wrong, `e` for an infrastructure error."""
    return [
        row(problem, epoch, correct=verdict == "r", error="connection refused" if verdict == "e" else None, **fields)
        for epoch, verdict in enumerate(verdicts)
    ]


def write_run(folder: Path, rows: Iterable[Row], *, method: str = "serial", benchmark: str = "tiny", **experiment: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    config = {"experiment": {"benchmark": benchmark, "method": method, **experiment}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "rows.jsonl").write_text("".join(one.model_dump_json() + "\n" for one in rows))
    return folder
