"""What prefix-trie packing saves on real forked rollouts: tokens forwarded, and training throughput, side by side in one run.

    python -m orchestra.evals.benchmarks.packing --problems 16 --group 8 --out evals/recorded/packing-cpu.json
    python -m orchestra.evals.benchmarks.packing --problems 8 --rollouts evals/recorded/packing-rollouts.jsonl.gz --out packing.json

The second command keeps the rollouts that `packing_speed` trains on, on a GPU, with bf16, several sizes of models and the optimizer's step.

Rollouts are sampled from the shipped model, a group of tries a problem, and trained for one forward and backward pass of the same loss by each
way of making rows:

    call            one row a request, which is what released RL code for forking policies does
    thread          one row for the requests of a thread that go on from each other
    documents B     requests one after the other in rows of B tokens, none seeing another
    trie B          the same with shared prefixes forwarded once (`orchestra.training.trie`)

Rows of calls and threads need no mask and take the model's own causal attention; the others pay for a dense one. Batches of every way have the
same number of padded tokens and lie sorted by length, so padding is small for all; `padded_tokens` also says what one batch padded to the longest
row would forward. Throughput counts trained (sampled) tokens, which are the same tokens for every way. Losses must agree. On a CPU, seconds are
CPU seconds of one thread, so that a neighbour's load is no part of them.

How much a group shares depends on how alike its tries are: the shipped model imitates a deterministic search and is nearly sure of each token at
temperature 1 (`nats_per_token`), so most of a group's requests are equal there (`different_units`), which no policy that explores would
give. A higher temperature shows what is left when tries differ more, "one rollout a problem" what is shared without any luck.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from orchestra.training.attention import at_labels, batch_of, label_columns, label_logprobs
from orchestra.training.rollout import Rollout, Unit, rollout_of_attempt
from orchestra.training.trie import Row, batches, pack
from transformers import AutoModelForCausalLM

from orchestra.countdown.attempt import Setup, attempt
from orchestra.countdown.setup import Host, host_from
from orchestra.errors import EngineError

from ..problems import from_split
from .machine import facts
from .packing_kept import keep, kept

BUDGETS = (256, 1024)
TEMPERATURES = (1.0, 2.0)
SLOTS = 4_096
"""Padded tokens of a batch."""


async def sample(host: Host, *, problems: int, group: int) -> list[Rollout]:
    """Tries of every temperature. A rollout's group ends with its temperature."""
    # No seeds: vLLM 0.32 on a CPU dies ("CPU Generator does not use offset") when a prompt of a seeded request is prefilled in parts.
    asked = [
        (problem, Setup(temperature=temperature, logprobs=True), index)
        for temperature in TEMPERATURES
        for problem in from_split("test", seed=0, limit=problems)
        for index in range(group)
    ]
    async with host.engine as engine:
        tries = [attempt(engine, problem, setup, session=f"{problem.key}-{index}") for problem, setup, index in asked]
        done = await asyncio.gather(*tries)
    made = [
        rollout_of_attempt(one, group=f"{one.problem.key} at {setup.temperature}")
        for one, (_, setup, _) in zip(done, asked, strict=True)
    ]
    if failed := [rollout for rollout in made if rollout.error is not None]:
        raise EngineError(f"{len(failed)} of {len(made)} rollouts failed, the first with: {failed[0].error}")
    return made


def chains(units: Sequence[Unit]) -> list[list[Unit]]:
    """The requests of one thread, split where a request does not go on from the one before (a join that rewrites the context)."""
    found: list[list[Unit]] = []
    for unit in units:
        before = found[-1][-1] if found else None
        whole = (*before.prompt, *before.sampled) if before else ()
        if before and unit.prompt[: len(whole)] == whole:
            found[-1].append(unit)
        else:
            found.append([unit])
    return found


def ways(rollouts: Sequence[Rollout]) -> dict[str, Callable[[], list[Row]]]:
    """How to make rows of `rollouts`."""
    units = [unit for rollout in rollouts for unit in rollout.units]
    longest = max(map(len, units))

    def threads() -> list[Row]:
        by_thread = [list(own) for rollout in rollouts for _, own in groupby(rollout.units, key=lambda unit: unit.thread)]
        split = [chain for own in by_thread for chain in chains(own)]
        return [row for chain in split for row in pack(chain, budget=sum(map(len, chain)))]

    def packed(budget: int, *, share: bool) -> Callable[[], list[Row]]:
        return lambda: pack(units, budget=budget, share=share)

    made: dict[str, Callable[[], list[Row]]] = {
        "call": lambda: [row for unit in units for row in pack([unit], budget=longest)],
        "thread": threads,
    }
    for budget in BUDGETS:
        made[f"documents {budget}"] = packed(budget, share=False)
        made[f"trie {budget}"] = packed(budget, share=True)
    return made


def counts(rollouts: Sequence[Rollout]) -> dict[str, Any]:
    """Tokens that each way forwards for `rollouts`."""
    found: dict[str, Any] = {
        "rollouts": len(rollouts),
        "units": sum(len(rollout.units) for rollout in rollouts),
        "different_units": len({(unit.prompt, unit.sampled) for rollout in rollouts for unit in rollout.units}),
        "sampled_tokens": sum(rollout.num_sampled for rollout in rollouts),
        "ways": {},
    }
    everything = sum(len(unit) for rollout in rollouts for unit in rollout.units)
    unlimited: dict[str, Callable[[], list[Row]]] = {
        "trie in a rollout": lambda: [row for one in rollouts for row in pack(one.units, budget=everything)],
        "trie in a group": lambda: [
            row
            for _, own in groupby(rollouts, key=lambda rollout: rollout.group)
            for row in pack([unit for one in own for unit in one.units], budget=everything)
        ],
    }
    for name, make in (ways(rollouts) | unlimited).items():
        started = time.perf_counter()
        rows = make()
        found["ways"][name] = {
            "rows": len(rows),
            "forwarded_tokens": sum(map(len, rows)),
            "padded_tokens": len(rows) * max(map(len, rows)),
            "making_seconds": round(time.perf_counter() - started, 3),
        }
    calls = found["ways"]["call"]
    for way in found["ways"].values():
        way["fewer_than_calls"] = round(calls["forwarded_tokens"] / way["forwarded_tokens"], 2)
        way["fewer_than_padded_calls"] = round(calls["padded_tokens"] / way["forwarded_tokens"], 2)
    return found


def one_pass(model: torch.nn.Module, rows: Sequence[Row], device: str, *, causal: bool) -> tuple[float, float]:
    """(seconds, loss) of a forward and a backward pass over all rows. The making of the rows is not in it."""
    model.zero_grad()
    total = torch.zeros((), device=device)
    clock = time.perf_counter if device == "cuda" else time.process_time
    started = clock()
    for some in batches(rows, slots=SLOTS):
        batch = batch_of(some, device=device)
        if causal:
            columns, place = label_columns(batch)
            logprobs = at_labels(model(input_ids=batch.token_ids, logits_to_keep=columns, use_cache=False).logits, place, batch)
        else:
            logprobs = label_logprobs(model, batch)
        loss = -(batch.weight * logprobs).sum()
        loss.backward()
        total += loss.detach()
    answer = float(total)  # waits for the device
    return clock() - started, answer


def throughput(host: Host, rollouts: Sequence[Rollout], *, rounds: int) -> dict[str, Any]:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    assert host.model is not None, "a model in this process: --engine vllm or transformers"
    model: Any = AutoModelForCausalLM.from_pretrained(host.model, dtype=torch.float32, attn_implementation="sdpa")
    model.to(device)
    sampled = sum(rollout.num_sampled for rollout in rollouts)
    made = {name: make() for name, make in ways(rollouts).items()}
    seconds: dict[str, list[float]] = {name: [] for name in made}
    losses: dict[str, float] = {}
    one_pass(model, made["call"][:8], device, causal=True)
    for number in range(rounds):
        for name, rows in made.items():
            taken, losses[name] = one_pass(model, rows, device, causal=name in ("call", "thread"))
            seconds[name].append(taken)
        told = ", ".join(f"{name} {taken[-1]:.1f} s" for name, taken in seconds.items())
        sys.stderr.write(f"round {number + 1}: {told}\n")
    if (spread := max(losses.values()) - min(losses.values())) > 1e-4 * losses["call"]:
        raise AssertionError(f"the ways train different losses: {losses}")
    return {
        "device": device,
        "dtype": "float32",
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "rollouts": len(rollouts),
        "sampled_tokens": sampled,
        "loss_per_token": round(losses["call"] / sampled, 5),
        "loss_spread_per_token": spread / sampled,
        "seconds": {name: [round(value, 3) for value in taken] for name, taken in seconds.items()},
        "trained_tokens_per_second": {name: round(sampled / statistics.median(taken)) for name, taken in seconds.items()},
        "speedup_over_calls": {
            name: round(statistics.median(c / t for c, t in zip(seconds["call"], taken, strict=True)), 2)
            for name, taken in seconds.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--problems", type=int, default=16)
    parser.add_argument("--group", type=int, default=8, help="tries of a problem")
    parser.add_argument("--trained", type=int, default=1, help="problems whose rollouts are trained for throughput")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rollouts", type=Path, help="where the rollouts are kept (gzipped); taken from there if it exists")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    host = host_from(args, max_requests=256)
    if args.rollouts and args.rollouts.exists():
        rollouts = kept(args.rollouts)
    else:
        rollouts = asyncio.run(sample(host, problems=args.problems, group=args.group))
        if args.rollouts:
            keep(args.rollouts, rollouts)
    torch.set_num_threads(1)
    result: dict[str, Any] = {**facts("torch", "transformers", "vllm"), "model": host.model_name, "engine": host.kind}
    for temperature in TEMPERATURES:
        own = [rollout for rollout in rollouts if rollout.group.endswith(f" at {temperature}")]
        groups = list(dict.fromkeys(rollout.group for rollout in own))
        result[f"temperature {temperature}"] = {
            "correct": round(sum(rollout.facts.correct for rollout in own) / len(own), 3),
            "nats_per_token": round(-statistics.mean(v for r in own for unit in r.units for v in unit.logprobs), 4),
            "one rollout a problem": counts([next(r for r in own if r.group == group) for group in groups]),
            "a group a problem": counts(own),
            "training": throughput(host, [r for r in own if r.group in groups[: args.trained]], rounds=args.rounds),
        }
    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
