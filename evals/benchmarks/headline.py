"""The README's Countdown table: one model, serial and forked, on the same held-out problems in one engine.

    python -m orchestra.evals.benchmarks.headline --limit 1000 --out runs/headline

Every point is an ordinary run folder below `--out`, so the same command resumes and `orchestra report OUT/*` prints the table. The first
three points are the claim (one context window, greedy); the others put it beside a serial search with more room.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from orchestra.countdown.attempt import Attempt, Setup
from orchestra.countdown.setup import host_from
from orchestra.errors import ConfigError

from ..command import config_of
from ..problems import from_split
from ..progress import Progress
from ..report import summarise, table
from ..runner import run_owed
from ..samples import Sample, SampleFolder

FORK = Setup(method="fork")
SERIAL = Setup(method="serial")
POINTS: dict[str, Setup] = {
    "serial": SERIAL,
    "fork-all": FORK,
    "fork-first": replace(FORK, join="first"),
    "serial-window-320": replace(SERIAL, beam=8, window=320),
    "serial-window-640": replace(SERIAL, beam=10, window=640),
    "serial-window-1024": replace(SERIAL, beam=15, window=1024),
    "fork-first-10x12": replace(FORK, join="first", beam=10),
}


async def run(args: argparse.Namespace, log: Console) -> None:
    problems = from_split("test", seed=0, limit=args.limit)
    host = host_from(args, max_requests=min(1024, args.concurrency * 24))
    host.check(problems)
    async with host.engine as engine:
        for name in args.points:
            setup = POINTS[name]
            source = {"split": "test", "problem_seed": 0, "size": 4}
            label = f"{name} · {engine.name}"
            started = time.monotonic()
            with (
                SampleFolder(args.out / name, config_of(source, setup, host)) as folder,
                Progress(log, label=label, total=len(problems), done=folder.done.values()) as progress,
            ):

                def on_sample(sample: Sample, _: Attempt, progress: Progress = progress) -> None:
                    progress.advance(sample)

                await run_owed(engine, problems, setup, folder, concurrency=args.concurrency, on_sample=on_sample)
            log.print(f"{name}: {time.monotonic() - started:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--points", nargs="+", choices=POINTS, default=list(POINTS))
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--model", type=Path)
    args = parser.parse_args()
    try:
        asyncio.run(run(args, Console(stderr=True, highlight=False)))
    except ConfigError as error:
        sys.exit(f"headline: {error}")
    summaries = [summarise(args.out / name).model_copy(update={"method": name}) for name in args.points]
    (args.out / "summary.json").write_text(json.dumps([summary.model_dump() for summary in summaries], indent=1) + "\n")
    Console().print(table(summaries))


if __name__ == "__main__":
    main()
