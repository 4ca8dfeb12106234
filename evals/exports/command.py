"""`orchestra export`: `orchestra.export_arguments` has the arguments."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from orchestra.trace.otlp import write_otlp
from orchestra.trace.perfetto import write_perfetto

from ..row import Row
from ..run import ROWS, Run
from .chosen import check_kept, chosen_records, chosen_rows
from .inspect_log import write_inspect
from .tables import write_csv, write_parquet

PERFETTO_TRIES = 50
"""As many processes as its viewer shows without delay."""


def export(args: argparse.Namespace) -> int:
    """Write the file and say on standard error what is in it. Raises `ConfigError` for what cannot be exported."""
    run, out = Run(args.folder), Path(args.out)
    rows = chosen_rows(run, problem=args.problem, epoch=args.epoch)
    match args.to:
        case "perfetto" | "otel":
            _say(_threads(run, rows, args.to, out, args.limit), "tries with threads", out)
            return 0
        case "inspect":
            rows = rows[: args.limit]
            write_inspect(run, rows, out, began=_began(run))
        case "csv":
            rows = rows[: args.limit]
            write_csv(rows, out)
        case _:
            rows = rows[: args.limit]
            write_parquet(rows, out)
    _say(len(rows), "tries", out)
    return 0


def _threads(run: Run, rows: list[Row], to: str, out: Path, limit: int | None) -> int:
    """How many tries were written."""
    records = list(chosen_records(run, rows, most=limit or (PERFETTO_TRIES if to == "perfetto" else None)))
    check_kept(run, len(records))
    if to == "perfetto":
        write_perfetto(records, out)
    else:
        write_otlp(records, out, began=_began(run))
    return len(records)


def _began(run: Run) -> float:
    """Seconds since 1970: rows know how long they took, and their file when the last was written."""
    return (run.folder / ROWS).stat().st_mtime - max((row.wall_seconds for row in run.rows), default=0.0)


def _say(number: int, what: str, out: Path) -> None:
    sys.stderr.write(f"{number:,} {what}: {out}\n")
