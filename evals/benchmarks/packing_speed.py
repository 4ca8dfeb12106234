"""Training throughput with and without trie packing, side by side in one run: tokens trained a second, tokens forwarded, peak memory.

    python -m orchestra.evals.benchmarks.packing_speed --out evals/recorded/packing-h200.json
    python -m orchestra.evals.benchmarks.packing_speed --show evals/recorded/packing-h200.json

Hardware: one GPU; on a CPU `--models tiny --tokens 1 --slots 8192 --rounds 3`. Duration: below `--seconds`, 80 by default, compiling included: rounds are
left out for it, never below three.

What is timed is a step of GRPO (`training.grpo.update`): forward and backward passes of at most `--slots` padded tokens, the clipped policy
loss, clipping of the gradient and AdamW, with fp32 weights and bf16 autocast on a GPU. Models are random Llamas and do not learn (their rate is
0), so every round does the same work. Rounds are interleaved: each takes every way once. Rows are made before the clock starts
(`making_seconds`). Speed counts trained tokens, sampled ones, which are the same for every way; their mean surprise must agree.

    padded       one row a request, padded to the longest of all, plain causal attention: TRL's synchronous GRPO
    sorted       one row a request, alike in length within a pass
    bins, …      requests one after the other in full rows, none seeing another
    trie, …      the same with shared prefixes forwarded once (`orchestra.training.trie`)

sdpa takes a dense mask and rows of 1,024 tokens (more where requests are long), flex attention a block mask and rows of 4,096; one row a
request needs no mask. Rollouts are kept in `evals/recorded`, so nothing is sampled: `packing --rollouts` says how they were.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from orchestra.training.attention import Batch, at_labels, batch_of, label_columns, label_logprobs
from orchestra.training.grpo.loss import Objective, policy_loss
from orchestra.training.rollout import Unit
from orchestra.training.trie import Row, batches
from transformers import LlamaConfig, LlamaForCausalLM

from orchestra.errors import ConfigError, OrchestraError

from .machine import facts
from .packing_kept import ROLLOUTS, kept
from .packing_scenarios import Way, filled, row_tokens, scenarios, ways
from .packing_table import table

SIZES = {"tiny": (64, 2), "6m": (256, 8), "26m": (512, 8), "120m": (1024, 10)}
"""Hidden size and layers; heads of 64."""
VOCABULARY = 4_096
_LEAST_ROUNDS = 3
_AGREEMENT = {"cpu": 1e-4, "cuda": 2e-2}
"""Largest share by which the ways' mean surprises may differ: rounding in fp32, and in bf16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainer:
    """A model as GRPO trains it."""

    model: LlamaForCausalLM
    optimizer: torch.optim.Optimizer
    device: str
    slots: int

    def step(self, rows: Sequence[Row], way: Way) -> float:
        """One optimizer step on all rows; the mean surprise of their labels (nats)."""
        tokens = sum(len(row.target) for row in rows)
        surprise = torch.zeros((), device=self.device)
        self.optimizer.zero_grad(set_to_none=True)
        for batch in self._batches(rows, way):
            cast = torch.autocast("cuda", torch.bfloat16) if self.device == "cuda" else nullcontext()
            with cast:
                now = self._causal(batch) if way.causal else label_logprobs(self.model, batch, attention=way.attention)
            loss, _ = policy_loss(now, batch, Objective())
            torch.autograd.backward(loss / tokens)
            surprise -= now.detach().sum()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return float(surprise) / tokens  # waits for the device

    def _batches(self, rows: Sequence[Row], way: Way) -> Iterator[Batch]:
        if not way.equal:
            for part in batches(rows, slots=self.slots):
                yield batch_of(part, device=self.device)
            return
        width = max(map(len, rows))
        many = max(1, self.slots // width)
        for some in (rows[start : start + many] for start in range(0, len(rows), many)):
            batch = batch_of(some, device=self.device)
            short = width - batch.token_ids.shape[1]
            yield replace(batch, token_ids=torch.nn.functional.pad(batch.token_ids, (0, short)))

    def _causal(self, batch: Batch) -> torch.Tensor:
        columns, place = label_columns(batch)
        logits = self.model(input_ids=batch.token_ids, logits_to_keep=columns, use_cache=False).logits
        logprobs: torch.Tensor = at_labels(logits, place, batch)
        return logprobs


def trainer(size: str, *, device: str, slots: int, longest: int) -> Trainer:
    """A random Llama of `size` that takes `longest` tokens, with an optimizer whose steps change nothing."""
    hidden, layers = SIZES[size]
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        intermediate_size=64 * round(hidden * 8 / 3 / 64),
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=hidden // 64,
        max_position_embeddings=longest,
        tie_word_embeddings=True,
    )
    model: Any = LlamaForCausalLM(config)  # type: ignore[no-untyped-call]
    model.eval().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    return Trainer(model=model, optimizer=optimizer, device=device, slots=slots)


def measured(trained: Trainer, units: Sequence[Unit], *, rounds: int, until: float) -> dict[str, Any]:
    """What each way takes for `units`, in at most `rounds` rounds that end by `until` (of `time.monotonic`) where three are done.

    A way that this machine cannot take (no memory, no compiler) is left out with its error. Raises `ConfigError` where none can be taken, and
    `AssertionError` when those that can do not train the same.
    """
    cuda = trained.device == "cuda"
    used = ways(flex=cuda)
    rows: dict[str, list[Row]] = {}
    found: dict[str, dict[str, Any]] = {}
    for name, way in used.items():
        started = time.perf_counter()
        rows[name] = way.make(units, row_tokens(units, way.attention))
        found[name] = {
            "making_seconds": round(time.perf_counter() - started, 3),
            "rows": len(rows[name]),
            "forwarded_tokens": sum(map(len, rows[name])),
            "padded_tokens": _padded(rows[name], way, trained.slots),
        }
    surprises: dict[str, float] = {}
    # The first round compiles, is not counted, and says who can run at all.
    for name, way in used.items():
        try:
            seconds, surprises[name] = _timed(trained, rows[name], way)
            found[name]["first_seconds"] = round(seconds, 3)
        except RuntimeError as error:  # torch's own for memory and for compilers
            found[name]["error"] = _told(error)
    if not surprises:
        raise ConfigError(f"no way of packing runs here: {found['padded']['error']}")
    spread = max(surprises.values()) / min(surprises.values()) - 1
    if spread > _AGREEMENT[trained.device]:
        raise AssertionError(f"the ways train different things: {surprises}")
    taken: dict[str, list[float]] = {name: [] for name in surprises}
    for number in range(rounds):
        if number >= _LEAST_ROUNDS and time.monotonic() > until:
            break
        for name, own in taken.items():
            if "error" in found[name]:
                continue
            if cuda:
                torch.cuda.reset_peak_memory_stats()
            try:
                own.append(_timed(trained, rows[name], used[name])[0])
            except RuntimeError as error:
                found[name]["error"] = f"round {number + 1}: {_told(error)}"
                continue
            if cuda:
                found[name]["peak_mib"] = round(torch.cuda.max_memory_allocated() / 2**20)
    sampled = sum(len(unit.sampled) for unit in units)
    for name, own in taken.items():
        if "error" in found[name]:
            continue
        found[name]["seconds"] = [round(value, 4) for value in own]
        found[name]["trained_tokens_per_second"] = round(sampled / statistics.median(own))
    return {
        "units": len(units),
        "unit_tokens": sum(map(len, units)),
        "sampled_tokens": sampled,
        "surprise_spread": spread,
        "ways": found,
    }


def _told(error: RuntimeError) -> str:
    """Its kind and the first line of its message: torch's go on for pages."""
    return f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else type(error).__name__


def _timed(trained: Trainer, rows: Sequence[Row], way: Way) -> tuple[float, float]:
    """(seconds, surprise) of a step. On a CPU they are CPU seconds of one thread, so that a neighbour's load is no part of them."""
    clock = time.perf_counter if trained.device == "cuda" else time.process_time
    trained.model.set_attn_implementation(way.attention)
    started = clock()
    surprise = trained.step(rows, way)
    return clock() - started, surprise


def _padded(rows: Sequence[Row], way: Way, slots: int) -> int:
    if way.equal:
        return len(rows) * max(map(len, rows))
    return sum(len(part) * len(part[0]) for part in batches(rows, slots=slots))


def measure(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The result after each scenario, so that a run that is broken off leaves what it has."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        torch.set_num_threads(1)
    rollouts = kept(args.rollouts)
    loads = {name: filled(found, tokens=args.tokens) for name, found in scenarios(rollouts, vocabulary=VOCABULARY).items()}
    longest = max(len(unit) for units in loads.values() for unit in units)
    started, cells = time.monotonic(), len(args.models) * len(loads)
    result: dict[str, Any] = {
        **facts("torch", "transformers"),
        "device": device,
        "dtype": "bfloat16 autocast" if device == "cuda" else "float32, one thread",
        "slots": args.slots,
        "vocabulary": VOCABULARY,
        "models": {},
    }
    for size in args.models:
        trained = trainer(size, device=device, slots=args.slots, longest=longest)
        parameters = sum(parameter.numel() for parameter in trained.model.parameters())
        own: dict[str, Any] = {}
        result["models"][size] = {"parameters": parameters, "scenarios": own}
        for name, units in loads.items():
            now = time.monotonic()
            until = now + (started + args.seconds - now) / cells
            own[name] = measured(trained, units, rounds=args.rounds, until=until)
            cells -= 1
            sys.stderr.write(f"{size}, {name}: {time.monotonic() - started:.0f} s\n")
            yield result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, help="where the numbers go")
    where.add_argument("--show", type=Path, metavar="JSON", help="print the table of kept numbers, measure nothing")
    parser.add_argument("--models", nargs="+", choices=SIZES, default=("6m", "26m", "120m"))
    parser.add_argument("--tokens", type=int, default=131_072, help="of a scenario's requests, shared ones counted again")
    parser.add_argument("--slots", type=int, default=65_536, help="padded tokens of a forward pass")
    parser.add_argument("--rounds", type=int, default=7, help="at most; the first one beside them compiles")
    parser.add_argument("--seconds", type=float, default=80.0, help="of the whole run, if three rounds fit")
    parser.add_argument("--rollouts", type=Path, default=ROLLOUTS)
    args = parser.parse_args()
    try:
        if args.show is None:
            if args.rounds < _LEAST_ROUNDS:
                raise ConfigError(f"--rounds must be at least {_LEAST_ROUNDS}, got {args.rounds}")
            torch.set_float32_matmul_precision("high")
            for result in measure(args):
                args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        sys.stdout.write(table(args.show or args.out))
    except OrchestraError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
