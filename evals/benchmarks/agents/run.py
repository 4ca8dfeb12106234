"""How long agents take on LLMCompiler's questions: ReAct, native parallel tool calls, and plans, in turns on the same questions.

    git clone https://github.com/SqueezeAILab/LLMCompiler
    python -m orchestra.evals.benchmarks.agents.run --data LLMCompiler/datasets --out agents.json
    python -m orchestra.evals.benchmarks.agents.run --data LLMCompiler/datasets --out quick.json --questions 4 --time-scale 0.1

Latency, not accuracy: the model's text is a script (`script.py`) that a server process streams at the rates below, and tools wait for
latencies drawn from a seeded distribution (`tools.py`). HTTP, parsing and scheduling are the library's own and real. A question runs in all modes,
one after another, each question beginning with another mode; a few questions run at once. One question runs in all modes before the
measurement begins, because imports and the first connections belong to no mode. An answer counts as right by LLMCompiler's measure.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from orchestra.errors import ConfigError, EngineError

from . import dataset, tools
from .computed import computed_s
from .modes import MODES, Runner
from .process import serving
from .question import Question
from .server import Settings
from .table import lines, markdown, rich_table, summary
from .tools import Rates

RATES = (
    Rates(name="0.35 s, 60 tokens/s", first_token_s=0.35, tokens_per_s=60),
    Rates(name="0.6 s, 30 tokens/s", first_token_s=0.6, tokens_per_s=30),
    Rates(name="0.6 s, 30 tokens/s, math by model", first_token_s=0.6, tokens_per_s=30, math_by_model=True),
)
"""Assumed, like a small and a large hosted model. The last asks the model within the math tool, as LLMCompiler's does."""


async def measure(
    questions: Sequence[Question], rates: Rates, data: Path, at_once: int, progress: Progress
) -> tuple[list[dict[str, Any]], float]:
    """A row a question, in order, and the share of one core that this process and the server took."""
    bar = progress.add_task(rates.name, total=len(questions) * len(MODES))
    rows: list[dict[str, Any]] = [{"id": question.id, "kind": question.kind, "runs": {}} for question in questions]
    waiting: Iterator[tuple[int, Question]] = iter(enumerate(questions))
    async with serving(Settings(data=str(data), rates=rates)) as server, Runner(server.url, rates) as runner:
        async with asyncio.TaskGroup() as group:
            for mode in MODES:
                group.create_task(one(runner, questions[0], mode))
        started, cpu = time.monotonic(), time.process_time() + server.cpu_s()

        async def worker() -> None:
            for place, question in waiting:
                first = place % len(MODES)
                for mode in [*MODES][first:] + [*MODES][:first]:
                    rows[place]["runs"][mode] = await one(runner, question, mode)
                    progress.advance(bar)

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(worker())
        cores = (time.process_time() + server.cpu_s() - cpu) / (time.monotonic() - started)
    for question, row in zip(questions, rows, strict=True):
        for mode, run in row["runs"].items():
            run["computed_s"] = computed_s(question, rates, mode)
    return rows, cores


async def one(runner: Runner, question: Question, mode: str) -> dict[str, Any]:
    failed: str | None = None
    try:
        run = await runner.run(question, mode)
    except* EngineError as errors:  # alone, or out of a task group
        failed = "; ".join(map(str, errors.exceptions))
    if failed is not None:
        return {"error": failed}
    return {**asdict(run), "right": question.is_right(run.answer)}


def record(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the file keeps of a question; the rest is in the summary."""
    runs: Mapping[str, Mapping[str, Any]] = row["runs"]
    times = {
        key: {mode: round(run[key], 4) for mode, run in runs.items() if "error" not in run} for key in ("seconds", "computed_s")
    }
    wrong = {mode: run["answer"] for mode, run in runs.items() if not run.get("right", True)}
    failed = {mode: run["error"] for mode, run in runs.items() if "error" in run}
    return {"id": row["id"], "kind": row["kind"], **times, "wrong": wrong, "failed": failed}


def sample(data: Path, count: int, seed: int) -> tuple[dict[str, list[Question]], dict[str, Mapping[str, int]]]:
    """Questions of each kind, and how many of its file were left out, by the reason. Raises `ConfigError`."""
    questions: dict[str, list[Question]] = {}
    left_out: dict[str, Mapping[str, int]] = {}
    for kind in dataset.FILES:
        loaded = dataset.load(data, kind)
        drawn = random.Random(f"{seed}/{kind}").sample(loaded.questions, min(count, len(loaded.questions)))
        questions[kind], left_out[kind] = drawn, {**loaded.left_out, "usable": len(loaded.questions)}
    return questions, left_out


def searches(questions: Sequence[Question]) -> dict[str, float]:
    """What the drawn search latencies come to."""
    drawn = [[tools.search_s(question, entity) for entity in question.entities] for question in questions]
    return {
        "mean_s": statistics.fmean(seconds for each in drawn for seconds in each),
        "mean_slowest_s": statistics.fmean(map(max, drawn)),
    }


def simulated() -> dict[str, Any]:
    return {
        "model": "scripted text, streamed at the rates; the same time to the first token whatever the prompt's length",
        "tokens": "cut by a rule close to GPT's pre-tokeniser; native calls cost the tokens of their JSON",
        "search": f"log-normal, mean {tools.SEARCH_MEAN_S} s, sigma {tools.SEARCH_SIGMA}; the same in all modes",
        "math_s": tools.MATH_S,
        "native": "all calls of a turn start when its reply is whole; results go back as one user message",
        "real": "server process, HTTP on 127.0.0.1, event streams, planner, parser, scheduler, joiner, values from tool to tool",
    }


def environment() -> dict[str, Any]:
    cpuinfo = Path("/proc/cpuinfo")
    described = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in described if line.startswith("model name")]
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": _commit(),
        "machine": {
            "system": platform.platform(),
            "processor": models[0] if models else platform.processor() or platform.machine(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "load": os.getloadavg(),
        },
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in ("orchestra", "httpx", "pydantic")},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, check=False, cwd=Path(__file__).parent, capture_output=True, text=True)
    return done.stdout.strip() or None


async def benchmark(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    questions, left_out = sample(args.data, args.questions, args.seed)
    result: dict[str, Any] = {
        **environment(),
        "simulated": simulated(),
        "time_scale": args.time_scale,
        "at_once": args.at_once,
        "seed": args.seed,
        "left_out": left_out,
        "searches": {kind: searches(chosen) for kind, chosen in questions.items()},
        "settings": {},
    }
    with Progress(console=console) as progress:
        for rates in RATES:
            # Interleaved, so that both kinds meet the same noise; films need no arithmetic, so who does it makes no difference.
            kinds = [kind for kind in questions if kind != "movie" or not rates.math_by_model]
            turn = [question for group in zip(*(questions[kind] for kind in kinds), strict=False) for question in group]
            scaled = replace(rates, time_scale=args.time_scale)
            rows, cores = await measure(turn, scaled, args.data, args.at_once, progress)
            result["settings"][rates.name] = {
                "rates": asdict(scaled),
                "cores_used": round(cores, 3),
                "summary": summary(rows, [*MODES]),
                "rows": [record(row) for row in rows],
            }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="LLMCompiler's folder `datasets`")
    parser.add_argument("--questions", type=int, default=40, metavar="N", help="of each kind (40)")
    parser.add_argument(
        "--at-once", type=int, default=24, metavar="N", help="questions at a time; the cores must stay mostly idle (24)"
    )
    parser.add_argument("--time-scale", type=float, default=1.0, help="multiplies all waits, for quick looks (1)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample of questions (1)")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the numbers")
    args = parser.parse_args()
    if args.questions < 1 or args.at_once < 1 or args.time_scale <= 0:
        parser.error("--questions, --at-once and --time-scale must be positive")
    try:
        result = asyncio.run(benchmark(args, Console(stderr=True)))
    except (ConfigError, EngineError) as error:
        sys.exit(f"agents: {error}")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    table = lines({name: setting["summary"] for name, setting in result["settings"].items()}, [*MODES])
    Console(width=None if sys.stdout.isatty() else 200).print(rich_table(table))
    if args.time_scale != 1:
        sys.stdout.write(f"Waits were multiplied by {args.time_scale:g}: the harness weighs more than at full length.\n")
    sys.stdout.write("\n" + markdown(table))


if __name__ == "__main__":
    main()
