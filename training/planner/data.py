"""Generated planning tasks as packed rows for supervised fine-tuning, and as task files for tests and for RL.

    python -m orchestra.training.planner.data --out data/planner --samples 4000000
    python -m orchestra.training.planner.data --out data/planner-validation --samples 4000 --split names --tokenizer data/planner/tokenizer
    python -m orchestra.training.planner.data --out data/planner-deeper --samples 1000 --split deeper --tasks

Every plan (or, with --check-every N, one in N) is parsed, verified without findings and run by the scheduler before its shard is written:
its answer is compared with one that was found without them. OUT gets shards `rows-*.npz` (as in `packing`, `WIDTH` tokens a row; prompts are
not trained) or, with --tasks, `tasks-*.jsonl` (a `PlanningTask` a line, with the facts to run its plan on), `statistics.json`, and, unless
--tokenizer names one, a `tokenizer` trained on tasks of "train". Shards that are there stay, so a broken-off run goes on when it is started
again with the same arguments.

One core makes 600 to 680 tasks a second, 100,000 tokens, and twice as many with --check-every 4; as one of 38 processes, beside others on 64
cores, 40 % of that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from pathlib import Path

from orchestra.errors import OrchestraError

from ..arguments import whole
from ..packing import Demonstration, pack
from ..run_folder import claim, replace_text
from .check import Checker
from .grammar import SPLITS, Split
from .task import PlanningTask, tasks
from .tokenizer import VOCABULARY, Encoder, train_tokenizer, write_tokenizer

WIDTH = 512
"""Tokens in a row, and in the model's context. Longer tasks are left out; the longest of 7,000 had 453."""
MOST_TOKENS = 65_536
TOKENIZER_SEED = -1
"""Of the tasks that the tokenizer is trained on."""
TOKENIZER_TASKS = 20_000
"""9 s of one core. The tokenizer of 100,000 takes five times as long and writes a task in 0.1 % fewer tokens; that of 5,000 has a vocabulary that
is not full."""


@dataclass(kw_only=True)
class Statistics:
    """What shards hold."""

    tasks: int = 0
    checked: int = 0
    """Whose plans were run, too long ones included."""
    tokens: int = 0
    trained_tokens: int = 0
    too_long: int = 0
    longest: int = 0
    """Tokens of prompt and plan together."""
    calls: Counter[int] = field(default_factory=Counter)
    depth: Counter[int] = field(default_factory=Counter)
    width: Counter[int] = field(default_factory=Counter)
    skeletons: Counter[str] = field(default_factory=Counter)
    templates: Counter[str] = field(default_factory=Counter)

    def count(self, task: PlanningTask) -> None:
        self.tasks += 1
        self.calls[task.calls] += 1
        self.depth[task.depth] += 1
        self.width[task.width] += 1
        self.skeletons[task.skeleton] += 1
        self.templates.update(set(task.templates))

    def add(self, other: Statistics) -> None:
        self.tasks += other.tasks
        self.checked += other.checked
        self.tokens += other.tokens
        self.trained_tokens += other.trained_tokens
        self.too_long += other.too_long
        self.longest = max(self.longest, other.longest)
        for name in ("calls", "depth", "width", "skeletons", "templates"):
            getattr(self, name).update(getattr(other, name))

    def summary(self) -> dict[str, object]:
        """As `statistics.json` shows it: skeletons by their number and the most frequent, templates in full."""
        facts = asdict(self)
        facts |= {name: dict(sorted(getattr(self, name).items())) for name in ("calls", "depth", "width")}
        return facts | {
            "distinct_skeletons": len(self.skeletons),
            "skeletons": dict(self.skeletons.most_common(50)),
            "distinct_templates": len(self.templates),
            "templates": dict(self.templates.most_common()),
        }


def write_shard(path: Path, split: Split, seed: int, samples: int, tokenizer: Path | None, check_every: int = 1) -> Statistics:
    """Packed rows, or lines of tasks when there is no tokenizer. Raises `BadPlan` for a checked task whose plan does not hold."""
    made = list(islice(tasks(split, seed), samples))
    checked = made[::check_every]
    asyncio.run(_check(checked))
    statistics = Statistics(checked=len(checked))
    if tokenizer is None:
        for task in made:
            statistics.count(task)
        unfinished = path.with_name(path.name + ".part")
        unfinished.write_text("".join(f"{task.to_json()}\n" for task in made), encoding="utf-8")
        unfinished.rename(path)
        return statistics
    encoder = Encoder(tokenizer)
    demonstrations = []
    for task in made:
        demonstration = encoder.demonstration(task)
        length = len(demonstration.prompt) + len(demonstration.target)
        if length > WIDTH:
            statistics.too_long += 1
            continue
        statistics.count(task)
        statistics.tokens += length
        statistics.trained_tokens += len(demonstration.target)
        statistics.longest = max(statistics.longest, length)
        demonstrations.append(demonstration)
    pack(dense(demonstrations, width=WIDTH), width=WIDTH).save(path)
    return statistics


def dense(demonstrations: Iterable[Demonstration], *, width: int) -> list[Demonstration]:
    """In an order in which `pack` leaves little of a row empty: the longest first, each into the fullest row that has room (best fit decreasing).

    A row is begun only where no other has room, so that `pack`, which fills one row after the other, finds the same rows. 10,000 tasks need 2,991
    rows, in the order in which they were made 3,672. None may be longer than `width`.
    """
    rows: list[list[Demonstration]] = []
    with_room: list[list[int]] = [[] for _ in range(width + 1)]  # rows by the tokens that they still have room for
    sizes = ((len(one.prompt) + len(one.target), one) for one in demonstrations)
    for size, one in sorted(sizes, key=lambda found: found[0], reverse=True):
        room = next((room for room in range(size, width) if with_room[room]), width)
        if room == width:
            with_room[width].append(len(rows))
            rows.append([])
        row = with_room[room].pop()
        rows[row].append(one)
        with_room[room - size].append(row)
    return list(chain.from_iterable(rows))


async def _check(made: Iterable[PlanningTask]) -> None:
    checker = Checker()
    for task in made:
        await checker.check(task)


def make_tokenizer(folder: Path, *, samples: int, vocabulary: int) -> None:
    corpus = chain.from_iterable((task.task, task.plan) for task in islice(tasks("train", TOKENIZER_SEED), samples))
    write_tokenizer(train_tokenizer(corpus, vocabulary=vocabulary), folder)


def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    try:
        make(args)
    except OrchestraError as error:
        raise SystemExit(str(error)) from None


def make(args: argparse.Namespace) -> None:
    """Write the shards that are missing. Raises `ConfigError` for a folder of another run or a damaged tokenizer."""
    claim(args.out, vars(args), may_change=("out", "workers"))
    tokenizer: Path | None = None if args.tasks else args.tokenizer or args.out / "tokenizer"
    if tokenizer is not None and not (tokenizer / "tokenizer.json").exists():
        sys.stderr.write(f"training a tokenizer on {args.tokenizer_samples} tasks\n")
        make_tokenizer(tokenizer, samples=args.tokenizer_samples, vocabulary=args.vocabulary)
    name = "tasks-{:04d}.jsonl" if args.tasks else "rows-{:04d}.npz"
    shards = [args.out / name.format(index) for index in range(-(-args.samples // args.shard_size))]
    started, total = time.monotonic(), Statistics()
    with ProcessPoolExecutor(args.workers) as pool:
        jobs = [
            pool.submit(
                write_shard,
                path,
                args.split,
                args.seed * 1_000_003 + index,
                min(args.shard_size, args.samples - index * args.shard_size),
                tokenizer,
                args.check_every,
            )
            for index, path in enumerate(shards)
            if not path.exists()
        ]
        for done, job in enumerate(as_completed(jobs), start=1):
            total.add(job.result())
            seconds = time.monotonic() - started
            sys.stderr.write(
                f"\r{done}/{len(jobs)} shards, {total.tasks:,} tasks, {total.tokens / 1e6:.1f}M tokens, {total.tasks / seconds:,.0f} tasks/s"
            )
    sys.stderr.write("\n")
    if jobs:
        facts = {"arguments": {key: str(value) for key, value in vars(args).items()}, **total.summary()}
        replace_text(args.out / "statistics.json", json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the shards; shards that are there stay")
    parser.add_argument("--samples", type=whole(), default=1_000_000)
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--seed", type=whole(0), default=0)
    parser.add_argument("--tasks", action="store_true", help="task files instead of packed rows")
    parser.add_argument(
        "--tokenizer", type=Path, help="folder of one that was made before (default: OUT/tokenizer, trained if missing)"
    )
    parser.add_argument("--vocabulary", type=whole(300), default=VOCABULARY, help="tokens of a new tokenizer")
    parser.add_argument(
        "--tokenizer-samples", type=whole(), default=TOKENIZER_TASKS, help="tasks that a new tokenizer is trained on"
    )
    parser.add_argument("--check-every", type=whole(), default=1, help="run the plan of one task in so many")
    parser.add_argument("--shard-size", type=whole(), default=20_000, help="tasks in a shard")
    parser.add_argument("--workers", type=whole(), default=os.cpu_count())
    args = parser.parse_args(argv)
    if args.vocabulary > MOST_TOKENS:
        parser.error(f"--vocabulary is at most {MOST_TOKENS}, for rows hold 16 bits a token, got {args.vocabulary}")
    if args.tokenizer and not (args.tokenizer / "tokenizer.json").exists():
        parser.error(f"{args.tokenizer} has no tokenizer.json: give the folder `tokenizer` of the training data")
    if not (args.tokenizer or args.tasks or args.split == "train"):
        parser.error(f"rows of {args.split} need the tokenizer of the training data: give its folder as --tokenizer, or --tasks")
    return args


if __name__ == "__main__":
    main()
