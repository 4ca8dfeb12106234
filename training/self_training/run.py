"""Rejection-sampling self-training: a model tries problems of the train split, and what was verified becomes packed rows for `sft`.

    python -m orchestra.training.self_training --model models/countdown-6m --problems 20000 --samples 4 --out data/selected
    python -m orchestra.training.self_training --model models/planner --problems 50000 --samples 4 --out data/selected
    python -m orchestra.training.sft --init models/planner --data data/planner:0.7 data/selected:0.3 --lr 3e-4 --out models/second
    python -m orchestra.training.self_training --model models/planner --split deeper wider --temperature 0 --out runs/held-out

The model's card says which domain it is of. Countdown: forked (or, with --method serial, serial) searches whose executed tree leads to a
verified answer without a malformed, refused or cut part; --strict keeps only those whose every unit is what the symbolic demonstrator
would have written (`formats.check_unit`). Planner: plans that the scheduler ran to the right answer, without findings and in no more
calls than needed (`Checker.grade`). Of a problem's verified tries the --keep cheapest different ones are kept: least work, shortest
plan. Rows hold exactly the ids that were sampled.

OUT gets shards `train-*.npz`, the model's `tokenizer`, for each shard a `SPLIT-*.json` (problems, tries, errors, how many were correct,
verified and kept), and `summary.json`, their sums by split. Shards that are there stay. Other splits than "train" are measured and never
written as rows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestra.engine import Engine
from orchestra.engine.open import open_engine
from orchestra.errors import ConfigError, EngineError, OrchestraError, first_cause

from ..arguments import number, whole
from ..packing import Demonstration, pack
from ..run_folder import claim, make_folder, read_object, replace_text
from ..sft.language import of_tokenizer


@dataclass(frozen=True, slots=True)
class Try:
    """One try at one problem."""

    demonstrations: tuple[Demonstration, ...]
    """Its units; prompts as the engine saw them, targets as they were sampled."""
    correct: bool
    verified: bool
    """Correct, and without anything that should not be learned."""
    cost: int
    """The less the better among verified tries of a problem."""
    error: str | None = None
    """Why it says nothing about the model: then it is neither right nor wrong."""


Attempts = Callable[[Engine, str, int], Awaitable[Sequence[Sequence[Try]]]]
"""The tries at each problem of a shard, given its split and its number."""


@dataclass(kw_only=True)
class Selected:
    """What became of a shard's tries."""

    problems: int = 0
    tries: int = 0
    errors: int = 0
    correct: int = 0
    verified: int = 0
    solved: int = 0
    """Problems with a verified try."""
    kept: int = 0
    """Tries whose units are rows."""


def select(problems: Sequence[Sequence[Try]], *, keep: int) -> tuple[list[Demonstration], Selected]:
    """The demonstrations of up to `keep` verified tries a problem, cheapest first, none twice."""
    chosen: list[Demonstration] = []
    count = Selected(problems=len(problems))
    for tries in problems:
        verified = sorted((one for one in tries if one.verified), key=lambda one: one.cost)
        different = list({one.demonstrations: one for one in verified}.values())[:keep]
        chosen += [demonstration for one in different for demonstration in one.demonstrations]
        count.tries += len(tries)
        count.errors += sum(one.error is not None for one in tries)
        count.correct += sum(one.correct for one in tries)
        count.verified += len(verified)
        count.solved += bool(verified)
        count.kept += len(different)
    return chosen, count


async def run(args: argparse.Namespace, attempts: Attempts, *, width: int) -> None:
    """Make the shards that are missing. Raises `EngineError` where more than half the tries of a shard are errors; it is not written then."""
    shards = [(split, index) for split in args.split for index in range(-(-args.problems // args.shard_size))]
    missing = [(split, index) for split, index in shards if not (args.out / f"{split}-{index:04d}.json").exists()]
    if not missing:
        return
    async with open_engine(args.engine, model=args.model, max_requests=args.requests) as engine:
        for done, (split, index) in enumerate(missing, start=1):
            name = f"{split}-{index:04d}"
            problems = await attempts(engine, split, index)
            chosen, count = select(problems, keep=args.keep)
            if 2 * count.errors > count.tries:
                reason = next(one.error for tries in problems for one in tries if one.error)
                raise EngineError(
                    f"{count.errors} of the {count.tries} tries of {name} failed ({reason}): the shards before it are kept, the same command goes on"
                )
            fitting = [one for one in chosen if len(one.prompt) + len(one.target) <= width]
            if split == "train" and fitting:
                pack(fitting, width=width).save(args.out / f"{name}.npz")
            # Last, because it says that the shard is whole.
            replace_text(args.out / f"{name}.json", json.dumps(asdict(count)) + "\n")
            sys.stderr.write(f"{done}/{len(missing)} {name}: {json.dumps(asdict(count))}\n")


def summary(out: Path, splits: Sequence[str]) -> dict[str, dict[str, int]]:
    """The sums over all shards of each split."""
    total: dict[str, dict[str, int]] = {}
    for split in splits:
        counts = [read_object(path) for path in sorted(out.glob(f"{split}-*.json"))]
        total[split] = {field: sum(count.get(field, 0) for count in counts) for field in asdict(Selected())}
    return total


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="orchestra.training.self_training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="folder of a model that `orchestra.training.sft` wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for the shards; shards that are there stay")
    parser.add_argument("--problems", type=whole(), default=10_000)
    parser.add_argument("--samples", type=whole(), help="tries a problem (default: 4, or 1 at temperature 0)")
    parser.add_argument("--keep", type=whole(), default=1, help="most verified tries of a problem")
    parser.add_argument("--temperature", type=number(least=0), default=1.0)
    parser.add_argument("--split", nargs="+", default=["train"], help="others are measured and not written; --problems are of each")
    parser.add_argument("--seed", type=whole(0), default=0, help="other problems, too")
    parser.add_argument("--shard-size", type=whole(), default=2_000, help="problems in a shard")
    parser.add_argument("--engine", default="auto", help="vllm, transformers, or a server's URL (default: the best installed)")
    parser.add_argument("--requests", type=whole(), default=256, help="most that are decoded together")
    countdown = parser.add_argument_group("Countdown")
    countdown.add_argument("--method", choices=("fork", "serial", "weave"), default="fork")
    countdown.add_argument("--window", type=whole(8), help="tokens of a thread's context (default: 160; 3,072 to weave)")
    countdown.add_argument("--strict", action="store_true", help="keep only what the symbolic demonstrator would have written")
    args = parser.parse_args(argv)
    args.samples = (4 if args.temperature else 1) if args.samples is None else args.samples
    if args.samples > 1 and not args.temperature:
        parser.error("at --temperature 0 all tries are alike: give --samples 1, or a temperature")
    try:
        make_folder(args.out)
    except ConfigError as error:
        parser.error(str(error))
    return args


def self_train(args: argparse.Namespace) -> None:
    """Raises `ConfigError` for a damaged model or one of no known domain and for a folder of another run, and what the engine raises."""
    language = of_tokenizer(args.model)
    width = read_object(args.model / "config.json").get("max_position_embeddings")
    if not isinstance(width, int):
        raise ConfigError(
            f"config.json of {args.model} names no `max_position_embeddings`: give a model that `orchestra.training.sft` wrote"
        )
    if (args.model / "countdown.json").exists():
        from .countdown import countdown

        attempts = countdown(args)
    elif (args.model / "planner.json").exists():
        from .planner import planner

        attempts = planner(args)
    else:
        raise ConfigError(
            f"{args.model} has neither countdown.json nor planner.json: give a model that `orchestra.training.sft` wrote"
        )
    claim(args.out, vars(args), may_change=("out", "split", "engine", "requests"))
    language.write(args.out / "tokenizer")
    asyncio.run(run(args, attempts, width=width))
    replace_text(args.out / "summary.json", json.dumps(summary(args.out, args.split), indent=1) + "\n")


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    try:
        self_train(args)
    except OrchestraError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except BaseExceptionGroup as group:
        if not isinstance(cause := first_cause(group), OrchestraError):
            raise
        sys.stderr.write(f"{cause}\n")
        return 1
    return 0
