"""The arguments of `orchestra report`. Nothing else is imported before it runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from .argument_types import count, positive

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_report(commands: Commands) -> None:
    report = commands.add_parser(
        "report",
        help="what runs say: accuracies with errors, differences, costs",
        description="Accuracies with their errors, costs, and paired differences of finished runs. Shards of one run count as one.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    report.set_defaults(run="orchestra.evals.report_command:report_command")
    report.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="a folder that `orchestra eval … --out` wrote")
    form = report.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="all numbers for programs, on standard output, in place of the tables")
    form.add_argument(
        "--html", type=Path, metavar="FILE", help="one page in place of the tables: plots, comparisons, every try with its threads"
    )
    report.add_argument(
        "--kept-limit",
        type=count,
        metavar="N",
        help="characters of compressed threads and texts on the page (default: 20000000); 0 leaves all out",
    )
    report.add_argument(
        "--baseline",
        type=Path,
        metavar="RUN",
        help="what the others are compared with, problem by problem (default: the first run)",
    )
    report.add_argument(
        "--matched",
        choices=["work", "span", "wall", "context"],
        action="append",
        default=[],
        help="also compare at equal cost: with families of runs at several settings, and with majorities of a run's tries; may be given again",
    )
    report.add_argument(
        "--pass-at",
        type=positive,
        nargs="+",
        default=[],
        metavar="K",
        help="share of problems that one of K tries solves, unbiased",
    )
    report.add_argument(
        "--maj-at", type=positive, nargs="+", default=[], metavar="K", help="share that the majority of K tries solves, resampled"
    )
    report.add_argument("--by", choices=["group"], help="also each group of the benchmark by itself, such as its levels")
    report.add_argument("--seed", type=count, default=0, metavar="S", help="of bootstraps and resamples (default: 0)")


_EPILOG = """\
examples:
  orchestra report runs/serial runs/fork --baseline runs/serial
  orchestra report runs/serial --pass-at 1 4 16 --maj-at 4 16
  orchestra report runs/serial runs/short_m-8 runs/short_m-16 --matched work --matched span
  orchestra report runs/shard-* --html report.html
"""
