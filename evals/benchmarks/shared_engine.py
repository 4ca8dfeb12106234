"""How fast engines sample from a small model with many requests at once, as reinforcement learning does: side by side in one run.

    python -m orchestra.evals.benchmarks.shared_engine --model models/countdown-6m --requests 64 256 1024 2048 \\
        --engines transformers vllm --out evals/recorded/shared-engine-h200.json
    python -m orchestra.evals.benchmarks.shared_engine --show evals/recorded/shared-engine-h200.json

`transformers` decodes in fp32, since GRPO shares with it the module that it trains; `vllm` in bfloat16, as GRPO serves its copy. NAME:DTYPE
takes another dtype. Requests are serial Countdown searches at temperature 1 with log-probabilities, in groups of eight on one problem; a
prompt is shorter than a block of vLLM's prefix cache. They bring seeds where GRPO would: to `transformers`. All engines are started before
the first round and stay; rounds are interleaved, and in each every engine takes the same prompts. Warm-up rounds, in which CUDA graphs are
recorded, are not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.table import Table

from orchestra.countdown import notation
from orchestra.countdown.attempt import Setup
from orchestra.countdown.problem import Problem
from orchestra.engine import Engine, Request, Sampling
from orchestra.engine.transformers import DType, TransformersEngine
from orchestra.errors import ConfigError, OrchestraError
from orchestra.trace.files import write_text

from ..problems import from_split
from .machine import facts

GROUP = 8
"""Requests on one problem."""
DTYPES = {"transformers": "float32", "vllm": "bfloat16"}
LEAST_ROUNDS = 3


def requests(problems: Sequence[Problem], num: int, *, first: int, max_tokens: int, seeded: bool) -> list[Request]:
    """`first`: the first seed, where there are any."""
    setup = Setup(method="serial")
    return [
        Request(
            prompt=setup.prompt(problems[index // GROUP % len(problems)]),
            sampling=Sampling(
                max_tokens=max_tokens,
                temperature=1.0,
                seed=first + index if seeded else None,
                stop_token_ids=(notation.END,),
            ),
        )
        for index in range(num)
    ]


async def timed(engine: Engine, asked: Sequence[Request]) -> tuple[float, int]:
    """Seconds, and tokens sampled."""
    began = time.perf_counter()
    completions = await asyncio.gather(*map(engine.generate, asked))
    return time.perf_counter() - began, sum(len(completion.token_ids) for completion in completions)


def opened(spec: str, model: Path, *, most: int, gpu_memory: float | None) -> Engine:
    """`spec`: NAME or NAME:DTYPE. Raises `ConfigError` for an unknown one."""
    name, _, dtype = spec.partition(":")
    if name not in DTYPES:
        raise ConfigError(f"unknown engine {spec!r}: use {' or '.join(DTYPES)}, with :DTYPE behind it for another dtype")
    dtype = dtype or DTYPES[name]
    if name == "vllm":
        from orchestra.engine.vllm import VllmEngine

        return VllmEngine(model, dtype=dtype, max_num_seqs=most, gpu_memory=gpu_memory)
    known: dict[str, DType] = {name: name for name in get_args(DType)}
    if dtype not in known:
        raise ConfigError(f"unknown dtype {dtype!r} in {spec!r}: use one of {', '.join(known)}")
    return TransformersEngine(model, dtype=known[dtype], max_batch=most)


async def measure(args: argparse.Namespace, log: Console) -> dict[str, Any]:
    """Raises `ConfigError` for an engine that cannot be opened, `EngineError` for one that fails."""
    problems = from_split("test", seed=0, limit=-(-max(args.requests) // GROUP))
    rates: dict[str, dict[str, dict[str, Any]]] = {spec: {} for spec in args.engines}
    names: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        engines: dict[str, Engine] = {}
        for spec in args.engines:
            log.print(f"starting {spec}")
            opening = opened(spec, args.model, most=max(args.requests), gpu_memory=args.gpu_memory)
            engines[spec] = await stack.enter_async_context(opening)
            names[spec] = engines[spec].name
        for number, num, spec in itertools.product(range(-args.warmups, args.rounds), args.requests, args.engines):
            first = (number + args.warmups) * max(args.requests)
            seeded = spec.startswith("transformers")
            asked = requests(problems, num, first=first, max_tokens=args.max_tokens, seeded=seeded)
            seconds, tokens = await timed(engines[spec], asked)
            row = rates[spec].setdefault(str(num), {"warmup_seconds": [], "seconds": [], "tokens": []})
            if number < 0:
                row["warmup_seconds"].append(round(seconds, 4))
            else:
                row["seconds"].append(round(seconds, 4))
                row["tokens"].append(tokens)
            kind = "warm-up" if number < 0 else f"round {number + 1} of {args.rounds}"
            log.print(f"{kind}: {num} requests, {spec}: {tokens / seconds:,.0f} tok/s")
    for by_number in rates.values():
        for row in by_number.values():
            row["tokens_per_second"] = round(statistics.median(speeds(row)))
    return {
        "model": args.model.name,
        "max_tokens": args.max_tokens,
        "group": GROUP,
        "rounds": args.rounds,
        "engines": {spec: {"name": names[spec], "dtype": spec.partition(":")[2] or DTYPES[spec]} for spec in args.engines},
        "sampled": rates,
        **facts("torch", "transformers", "vllm"),
    }


def speeds(row: Mapping[str, Any]) -> list[float]:
    """Tokens a second, one a round."""
    return [tokens / seconds for tokens, seconds in zip(row["tokens"], row["seconds"], strict=True)]


def table(result: Mapping[str, Any]) -> Table:
    machine = result["machine"]
    device = machine["gpu"] or f"{machine['processor']}, {machine['cores']} cores"
    specs = list(result["sampled"])
    title = f"{result['model']} on {device}: sampled tokens a second, median (least to most) of {result['rounds']} rounds"
    others = [f"{specs[0]} / {spec}" for spec in specs[1:]]
    made = Table("requests at once", *(f"{spec} ({result['engines'][spec]['dtype']})" for spec in specs), *others, title=title)
    for num in result["sampled"][specs[0]]:
        rows = [result["sampled"][spec][num] for spec in specs]
        cells = [f"{row['tokens_per_second']:,} ({min(speeds(row)):,.0f} to {max(speeds(row)):,.0f})" for row in rows]
        ratios = [f"{rows[0]['tokens_per_second'] / row['tokens_per_second']:.2f}" for row in rows[1:]]
        made.add_row(num, *cells, *ratios)
    return made


def read(path: Path) -> dict[str, Any]:
    """What a run wrote. Raises `ConfigError` for anything else."""
    try:
        result: dict[str, Any] = json.loads(path.read_text())
        table(result)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ConfigError(f"{path} holds no numbers of shared_engine ({error}): give it the file of an `--out`") from error
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/countdown-6m"))
    parser.add_argument("--requests", type=int, nargs="+", default=[64, 256, 1024, 2048], help="at once")
    parser.add_argument("--engines", nargs="+", default=["transformers", "vllm"], metavar="NAME[:DTYPE]")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warmups", type=int, default=2, help="rounds that do not count")
    parser.add_argument("--max-tokens", type=int, default=150)
    parser.add_argument("--gpu-memory", type=float, default=0.3, help="share that vLLM takes")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path)
    target.add_argument("--show", type=Path, help="print the table of a file")
    args = parser.parse_args(arguments)
    if min(*args.requests, args.max_tokens, args.warmups, 1) < 1 or args.rounds < LEAST_ROUNDS:
        parser.error(f"--requests, --max-tokens and --warmups are at least 1, --rounds at least {LEAST_ROUNDS}")
    log = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 160)
    try:
        if args.show is None:
            result = asyncio.run(measure(args, log))
            write_text(args.out, json.dumps(result, indent=1) + "\n")
        else:
            result = read(args.show)
        log.print(table(result))
    except OrchestraError as error:
        log.print(f"shared_engine: {error}", markup=False)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
