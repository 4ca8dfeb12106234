"""`orchestra report`."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from .report import report_of
from .report_view import view


def report_command(args: argparse.Namespace) -> int:
    """Print the comparison of finished runs, as tables or as JSON; `orchestra.report_arguments` has the arguments."""
    report = report_of(
        args.runs,
        baseline=args.baseline,
        pass_at=args.pass_at,
        maj_at=args.maj_at,
        axes=args.matched,
        by_group=args.by == "group",
        seed=args.seed,
    )
    if args.json:
        sys.stdout.write(report.model_dump_json(indent=1) + "\n")
    else:
        Console(highlight=False).print(view(report))
    return 0
