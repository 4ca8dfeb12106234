"""`orchestra view`: a run, or one of its problems, as a page; `orchestra.export_arguments` has the arguments."""

from __future__ import annotations

import argparse
import re
import sys
import webbrowser
from pathlib import Path

from orchestra.trace.page import write_page

from ..run import Run
from .chosen import check_kept, chosen_records, chosen_rows

MOST = 50
"""Tries at one problem on a page."""


def view(args: argparse.Namespace) -> int:
    """Write the page and print its path. Raises `ConfigError` for a folder without a run or a problem that it does not hold."""
    run = Run(args.folder)
    if args.problem is None and args.epoch is None:
        path = args.out or run.folder / "report.html"
        from ..pages import write_report_page  # its templates are not needed for a single problem

        chosen_rows(run)
        write_report_page([run], path)
    else:
        path = _problem(run, args)
    sys.stdout.write(f"{path}\n")
    if args.open:
        webbrowser.open(Path(path).resolve().as_uri())
    return 0


def _problem(run: Run, args: argparse.Namespace) -> Path:
    rows = chosen_rows(run, problem=args.problem, epoch=args.epoch)
    records = list(chosen_records(run, rows, most=MOST))
    check_kept(run, len(records))
    what = args.problem if args.problem is not None else f"epoch {args.epoch}"
    out = Path(args.out) if args.out else run.folder / f"{re.sub(r'[^A-Za-z0-9]+', '-', what).strip('-') or 'problem'}.html"
    write_page(records, out, title=f"{run.benchmark}, {run.method}: {what}")
    return out
