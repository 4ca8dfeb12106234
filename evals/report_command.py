"""`orchestra report`."""

from __future__ import annotations

import argparse
import sys

from orchestra.errors import ConfigError

from .output import console
from .report import report_of
from .report_view import view
from .run import Run


def report_command(args: argparse.Namespace) -> int:
    """Print the comparison of finished runs, as tables or as JSON, or write it as a page; `orchestra.report_arguments` has the arguments."""
    if args.kept_limit is not None and args.html is None:
        raise ConfigError(f"--kept-limit {args.kept_limit} is of a page: say where to write it with --html FILE")
    report = report_of(
        args.runs,
        baseline=args.baseline,
        pass_at=args.pass_at,
        maj_at=args.maj_at,
        axes=args.matched or (None if args.html is not None else ()),
        by_group=args.by == "group",
        seed=args.seed,
    )
    if args.html is not None:
        from .pages import KEPT_LIMIT, write_report_page  # jinja2 is not needed for tables

        limit = KEPT_LIMIT if args.kept_limit is None else args.kept_limit
        write_report_page([Run(folder) for folder in args.runs], args.html, report=report, kept_limit=limit)
        sys.stdout.write(f"{args.html}\n")
    elif args.json:
        sys.stdout.write(report.model_dump_json(indent=1) + "\n")
    else:
        console().print(view(report))
    return 0
