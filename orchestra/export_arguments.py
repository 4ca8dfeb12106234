"""The arguments of `orchestra export` and `orchestra view`. Nothing else is imported before one of them runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from .argument_types import count, positive

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

FORMATS = {
    "perfetto": "threads as tracks with forks and joins, for ui.perfetto.dev",
    "otel": "OpenTelemetry spans (OTLP JSON) by the conventions for generative AI",
    "inspect": "an inspect_ai log that `inspect view` opens; needs orchestra[inspect]",
    "csv": "one line a try",
    "parquet": "the same in columns; needs orchestra[evals]",
}
_EXPORT_EPILOG = (
    "formats:\n"
    + "".join(f"  {name:<9} {words}\n" for name, words in FORMATS.items())
    + """
perfetto and otel hold tries whose threads were kept (`orchestra eval … --traces`).

examples:
  orchestra export runs/fork --to perfetto --problem 1,6,7,26=23 --out trace.json
  orchestra export runs/aime25 --to inspect --out logs/aime25.eval
  orchestra export runs/aime25 --to csv --out aime25.csv
"""
)


def add_export(commands: Commands) -> None:
    export = commands.add_parser(
        "export",
        help="a run for other tools: Perfetto, OpenTelemetry, inspect, CSV, Parquet",
        epilog=_EXPORT_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    export.set_defaults(run="orchestra.evals.exports.command:export")
    _add_folder(export)
    export.add_argument("--to", choices=list(FORMATS), required=True, help="format")
    export.add_argument("--out", type=Path, required=True, metavar="PATH", help="file; one that is there is replaced at once")
    export.add_argument("--limit", type=positive, metavar="N", help="only the first N tries (default: all; 50 for perfetto)")
    _add_choice(export)


def add_view(commands: Commands) -> None:
    view = commands.add_parser("view", help="a run as a page: accuracies, costs, every try with its threads")
    view.set_defaults(run="orchestra.evals.exports.view:view")
    _add_folder(view)
    view.add_argument(
        "--out", type=Path, metavar="FILE.html", help="default: report.html in the run's folder, or one named after the problem"
    )
    view.add_argument("--open", action="store_true", help="also open it in the browser")
    _add_choice(view)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    # Not `run`: that names the command's function.
    parser.add_argument("folder", type=Path, metavar="RUN", help="a folder that `orchestra eval … --out` wrote")


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--problem", metavar="NAME|ID", help="only tries at this problem")
    parser.add_argument("--epoch", type=count, metavar="N", help="only the tries of this epoch, counted from 0")
