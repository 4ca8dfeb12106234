"""Make and check files of demonstrations.

    python -m orchestra.training.formats make --format weaver --problems 10000 --out data/weaver              trees, `.jsonl`
    python -m orchestra.training.formats make --format apr --problems 500000 --width 1024 --out data/apr     packed rows, `.npz`
    python -m orchestra.training.formats check data/weaver/* --split train

`check` ends with status 1 when a file has flaws. Rows of several formats can be mixed when they have one width; a weaver's longest prompt,
24 threads and what they wrote, needs rows of 3,072 tokens.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from orchestra.countdown.problem import SPLITS
from orchestra.errors import OrchestraError

from ..arguments import whole
from ..run_folder import claim
from .check import SHOWN, Report, check_file
from .demo import FORMATS
from .make import make


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="write demonstrations of symbolic search")
    making.add_argument("--format", choices=FORMATS, required=True)
    making.add_argument("--problems", type=whole(), default=10_000)
    making.add_argument("--out", type=Path, required=True, help="folder for the files; files that are there stay")
    making.add_argument("--width", type=whole(8), help="write packed rows of so many tokens instead of trees")
    making.add_argument("--seed", type=whole(0), default=0)
    making.add_argument("--shard-size", type=whole(), default=5_000, help="problems in a file")
    making.add_argument("--workers", type=whole(), default=os.cpu_count())
    checking = commands.add_parser("check", help="find flaws in files of demonstrations")
    checking.add_argument("files", type=Path, nargs="+")
    for command in (making, checking):
        command.add_argument("--split", choices=SPLITS, default="train")
    args = parser.parse_args(argv)
    status = 0
    try:
        for report in made(args) if args.command == "make" else (check_file(path, split=args.split) for path in args.files):
            sys.stdout.write(summary(report))
            status |= bool(report.flaws or not report.units)
    except (OrchestraError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return status


def made(args: argparse.Namespace) -> Iterator[Report]:
    """Make a file for each shard that is not there yet. Raises `ConfigError` for a folder of another run."""
    # One note a format, because several may share a folder; hidden, so that `check FOLDER/*` takes data alone.
    claim(args.out, vars(args), may_change=("command", "out", "workers"), note=f".{args.format}.json")
    shards = range(-(-args.problems // args.shard_size))
    paths = [args.out / f"{args.format}-{index:04d}.{'npz' if args.width else 'jsonl'}" for index in shards]
    with ProcessPoolExecutor(args.workers) as pool:
        jobs = [
            pool.submit(
                make,
                path,
                format=args.format,
                problems=min(args.shard_size, args.problems - index * args.shard_size),
                seed=args.seed * 1_000_003 + index,
                split=args.split,
                width=args.width,
            )
            for index, path in enumerate(paths)
            if not path.exists()
        ]
        for job in jobs:
            yield job.result()


def summary(report: Report) -> str:
    """One line of what the file holds, and one for each of its first flaws."""
    trees = f"{report.trees:,} trees, " if report.trees else ""  # packed rows have none
    lines = [f"{report.path}: {trees}{report.units:,} units, {report.tokens:,} trained tokens, {len(report.flaws):,} flaws"]
    if not report.units:
        lines.append("  it holds no units: make it again")
    return "\n".join([*lines, *(f"  {flaw}" for flaw in report.flaws[:SHOWN])]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
