"""One model on Countdown, serial and forked, on the same held-out problems in one engine.

    python -m orchestra.evals.benchmarks.headline.points --limit 1000 --out runs/headline

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

from orchestra.answers import Equivalence
from orchestra.countdown.attempt import Setup
from orchestra.countdown.setup import host_from
from orchestra.errors import ConfigError

from ...methods.countdown import Searching, game_of
from ...methods.native import settings_of
from ...origin import config_of
from ...problem import Grade, Problem
from ...problems import Wanted, find
from ...progress import Progress
from ...report import summarise, table
from ...rows import RowFolder
from ...runner import Schedule, run_owed
from ...suite import benchmark

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
    "race": replace(FORK, join="first", scouts=8),
}


async def run(args: argparse.Namespace, log: Console) -> None:
    countdown = benchmark("countdown")
    found = find(countdown, Wanted(limit=args.limit))
    host = host_from(args, max_requests=min(1024, args.concurrency * max(POINTS[name].threads for name in args.points)))
    host.check(map(game_of, found.problems))

    async with Equivalence() as same, host.engine as engine:

        async def grading(problem: Problem, text: str) -> Grade:
            return await countdown.grade(problem, text, same)

        for name in args.points:
            method = Searching(engine, POINTS[name])
            config = config_of(countdown.name, method.label, {**found.source, **settings_of(host, POINTS[name])})
            started = time.monotonic()
            with (
                RowFolder(args.out / name, config) as folder,
                Progress(log, label=f"{name} · {engine.name}", total=len(found.problems), done=len(folder.done)) as progress,
            ):
                schedule = Schedule(concurrency=args.concurrency)
                await run_owed(method, found.problems, folder, grading, schedule=schedule, on_row=progress.advance)
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
