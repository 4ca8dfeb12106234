"""What the fork–join loop costs: orchestrated throughput against raw vLLM on the same tokens, in one run on one engine.

    python -m orchestra.evals.benchmarks.throughput --problems 256 --rounds 5 --out evals/recorded/throughput.json

Raw is the least that any program has to do: one task a problem sends the same prompt ids in the same order of dependencies (parent, then its
children at once, then the parent again) with lengths forced to what the orchestrated run sampled, and takes final outputs only.
Orchestrated runs do everything the library does: stop ids, run tree, budget, ledger, verification. Both are run with log-probabilities and
without (vLLM alone is a third slower with them), in turn, each time with an empty prefix cache, and like is compared with like.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import platform
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from orchestra.countdown.attempt import Attempt, Setup, attempt
from orchestra.countdown.problem import Problem
from orchestra.countdown.setup import host_from
from orchestra.engine.vllm import VllmEngine
from orchestra.thread import Thread

from ..problems import from_split

Call = tuple[list[int], int]
"""Prompt ids and the number of tokens to sample."""
Stage = list[Call]
"""Calls that are sent together; a problem is a list of stages."""


def stages_of(root: Thread) -> list[Stage]:
    """The requests of a tree with one level of forks, in the order of their dependencies."""
    own: list[Stage] = [[(context, len(completion.token_ids))] for context, completion in root.requests()]
    children: list[Stage] = [
        [(context, len(completion.token_ids)) for child in fork.children for context, completion in child.requests()]
        for fork in root.forks
    ]
    pairs: Iterable[tuple[Stage, Stage]] = itertools.zip_longest(own, children, fillvalue=[])
    return [stage for pair in pairs for stage in pair if stage]


async def orchestrated(engine: VllmEngine, problems: Sequence[Problem], setup: Setup) -> tuple[float, list[Attempt]]:
    started = time.perf_counter()
    attempts = await asyncio.gather(*(attempt(engine, problem, setup) for problem in problems))
    return time.perf_counter() - started, attempts


async def raw(engine: VllmEngine, work: Sequence[list[Stage]], *, logprobs: bool) -> float:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    ids = itertools.count()
    llm = engine.llm

    async def send(prompt: list[int], length: int) -> None:
        params = SamplingParams(
            temperature=0.0,
            max_tokens=length,
            min_tokens=length,
            ignore_eos=True,
            detokenize=False,
            logprobs=0 if logprobs else None,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        async for _ in llm.generate({"prompt_token_ids": prompt}, params, f"raw-{time.monotonic_ns()}-{next(ids)}"):
            pass

    async def one(stages: list[Stage]) -> None:
        for stage in stages:
            await asyncio.gather(*(send(prompt, length) for prompt, length in stage))

    started = time.perf_counter()
    await asyncio.gather(*(one(stages) for stages in work))
    return time.perf_counter() - started


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    problems = from_split("test", seed=0, limit=args.problems)
    host = host_from(args, max_requests=1024)
    assert isinstance(host.engine, VllmEngine), "this benchmark compares with vLLM in process: --engine vllm"
    seconds: dict[str, list[float]] = {
        name: [] for name in ("orchestrated", "raw", *(f"{n} with log-probabilities" for n in ("orchestrated", "raw")))
    }
    async with host.engine as engine:
        _, attempts = await orchestrated(engine, problems, Setup(method="fork"))  # warm-up, and the work to repeat
        work = [stages_of(attempted.tree.root) for attempted in attempts]
        tokens = sum(length for stages in work for stage in stages for _, length in stage)
        assert tokens == sum(attempted.ledger.work for attempted in attempts)
        for round_number in range(args.rounds):
            for suffix, logprobs in (("", False), (" with log-probabilities", True)):
                await engine.llm.reset_prefix_cache()
                elapsed, again = await orchestrated(engine, problems, Setup(method="fork", logprobs=logprobs))
                seconds[f"orchestrated{suffix}"].append(elapsed * tokens / sum(attempted.ledger.work for attempted in again))
                await engine.llm.reset_prefix_cache()
                seconds[f"raw{suffix}"].append(await raw(engine, work, logprobs=logprobs))
            sys.stderr.write(f"round {round_number + 1}: " + ", ".join(f"{n} {s[-1]:.2f} s" for n, s in seconds.items()) + "\n")

        def ratio(suffix: str) -> float:
            pairs = zip(seconds[f"raw{suffix}"], seconds[f"orchestrated{suffix}"], strict=True)
            return round(statistics.median(raw_s / orchestrated_s for raw_s, orchestrated_s in pairs), 4)

        return {
            "problems_at_once": len(problems),
            "requests": sum(len(stage) for stages in work for stage in stages),
            "sampled_tokens": tokens,
            "seconds": seconds,
            "tokens_per_second": {name: round(tokens / statistics.median(values)) for name, values in seconds.items()},
            "ratio": ratio(""),
            "ratio_with_logprobs": ratio(" with log-probabilities"),
            "engine": engine.name,
            "model": host.model.name if host.model else None,
            "device": _device(),
            "python": platform.python_version(),
            "date": time.strftime("%Y-%m-%d"),
        }


def _device() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu ({platform.processor() or platform.machine()})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--engine", default="vllm")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    result = asyncio.run(measure(args))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(
        json.dumps({name: result[name] for name in ("tokens_per_second", "ratio", "ratio_with_logprobs")}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
