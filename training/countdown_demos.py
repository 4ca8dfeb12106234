"""Demonstrations of Countdown search, serial and forked, for supervised fine-tuning.

    python -m orchestra.training.countdown_demos --problems 500000 --out data/countdown
    python -m orchestra.training.countdown_demos --problems 150000 --free 0.7 --out data/countdown-free

Every demonstration is one context that inference will see: (prompt or results block that we inject, tokens that the model writes). For a
problem these are one serial search, one calling block, a few children (more failing than succeeding ones, as live), and two joins: one
after all children have ended, one after the first success with its siblings cancelled. Training problems come from the "train" split
only, so no held-out (numbers, target) pair can leak. Output: shards of packed rows (`packing.py`).

With --free, that share of the problems is shown with prompts that leave widths and order to the model: both are drawn at random, near the
promising order (`exploring.py`). Such a model explores when it is sampled at temperature 1, which is what reinforcement learning needs: one
that was only shown what its prompt asks for has an entropy of 0.003 nats a token, and its groups of rollouts are all alike.

With --large, that share of the problems has no solution without results above 99 or 500, on which models fail most.

With --window, those of them that fork keep every context within so many tokens: children that would run out fork again (`nesting.py`).

With --size 5, the problems have five numbers and targets to 1,000 (`five.py`); all prompts leave widths and order to the model:

    python -m orchestra.training.countdown_demos --size 5 --window 160 --problems 30000 --out data/countdown-five
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path

from orchestra.countdown import notation, search
from orchestra.countdown.attempt import FORK
from orchestra.countdown.problem import SPLITS, Problem, Split
from orchestra.countdown.rules import Operation
from orchestra.errors import ConfigError

from . import five, nesting
from .amount import amount
from .arguments import number, whole
from .countdown_problems import problems_of
from .exploring import Exploring
from .packing import Demonstration, pack
from .run_folder import claim

WIDTH = 1_024
"""Tokens in a row. Longer serial searches are cut there: the model learns how they go on, not how they end."""
LEAST_WINDOW = 80
"""In narrower ones some children cannot call for all of their states, and would learn to give up unsearched."""
_WIDEST = 24
_NARROW = 0.2
"""Share of the roots that call fewer children than their window holds."""


def demonstrations(problem: Problem, rng: random.Random) -> Iterator[Demonstration]:
    """All demonstrations of one problem, with beams drawn at random so that the prompt becomes a dial for compute."""
    beam = rng.randint(2, 15)
    yield Demonstration(notation.serial_prompt(problem, beam=beam), search.serial(problem, beam=beam).token_ids)

    beam, child_beam = rng.choice((24, rng.randint(4, 24))), rng.randint(4, 15)
    prompt = notation.fork_prompt(problem, beam=beam, child_beam=child_beam)
    operations = search.calls(problem, beam=beam)
    yield from _forked(problem, prompt, operations, [search.child(problem, call, beam=child_beam) for call in operations], rng)


def free_demonstrations(problem: Problem, rng: random.Random, window: int | None = None) -> Iterator[Demonstration]:
    """As `demonstrations`, but the prompts leave widths and order to the model, and the searches draw them."""
    if len(problem.numbers) == five.SIZE:
        yield from _far_demonstrations(problem, rng, window)
        return
    prompt = notation.serial_prompt(problem, beam=notation.FREE)
    yield Demonstration(prompt, search.serial(problem, beam=12, visits=Exploring(rng)).token_ids)

    prompt = notation.fork_prompt(problem, beam=notation.FREE, child_beam=notation.FREE)
    wide = Exploring(rng, draws=2)
    if window and len(problem.numbers) == 4:
        calls = search.fitting(search.calls(problem, beam=_WIDEST, visits=wide.all), window - len(prompt))
        operations, looks = _narrowed(calls, rng), rng.randint(1, 3)
        children = [nesting.child(problem, call, parent=prompt, window=window, looks=looks, visits=wide.all) for call in operations]
        yield from _nested(prompt, operations, children, rng)
        return
    operations = search.calls(problem, beam=24, visits=wide)
    traces = [search.child(problem, call, beam=15, visits=wide) for call in operations]
    yield from _forked(problem, prompt, operations, traces, rng)


def _far_demonstrations(problem: Problem, rng: random.Random, window: int | None) -> Iterator[Demonstration]:
    """Those of five numbers, whose children always fork."""
    yield five.serial(problem, Exploring(rng).all)

    if window is None or window < five.LEAST_WINDOW:
        raise ConfigError(f"forks of {five.SIZE} numbers need a window of {five.LEAST_WINDOW} tokens at least, got {window}")
    prompt = notation.fork_prompt(problem, beam=notation.FREE, child_beam=notation.FREE)
    order = Exploring(rng).all
    operations = _narrowed(search.far_calls(problem, window - len(prompt), order), rng)
    children = [five.child(problem, call, parent=prompt, window=window, visits=order) for call in operations]
    yield from _nested(prompt, operations, children, rng)


def _forked(
    problem: Problem, prompt: tuple[int, ...], operations: Sequence[Operation], traces: Sequence[search.Trace], rng: random.Random
) -> Iterator[Demonstration]:
    """A calling block, both joins, and a few of the children."""
    yield Demonstration(prompt, search.calling_block(operations))
    yield from _joins(prompt, traces, [len(trace.token_ids) for trace in traces], rng)
    for i in _shown([trace.path is not None for trace in traces], rng, succeeding=2, failing=4):
        yield Demonstration(notation.child_prompt(prompt, notation.call(operations[i])), traces[i].token_ids)


def _narrowed(operations: list[Operation], rng: random.Random) -> list[Operation]:
    """What a root calls of all that its window holds: now and then not all of it."""
    return operations[: rng.randint(1, len(operations))] if rng.random() < _NARROW else operations


def _nested(
    prompt: tuple[int, ...], operations: Sequence[Operation], children: Sequence[nesting.Child], rng: random.Random
) -> Iterator[Demonstration]:
    """As `_forked`, with children that fork where their window asks for it: their blocks, both joins, and a few threads below them."""
    yield Demonstration(prompt, search.calling_block(operations))
    yield from _joins(prompt, [child.last for child in children], [child.span for child in children], rng)
    for i in _shown([child.last.path is not None for child in children], rng, succeeding=2, failing=4):
        child = children[i]
        yield Demonstration(child.prompt, child.written)
        if child.called:
            yield from _joins((*child.prompt, *child.own), child.below, [len(trace.token_ids) for trace in child.below], rng)
        for k in _shown([trace.path is not None for trace in child.below], rng, succeeding=1, failing=2):
            yield Demonstration(notation.child_prompt(child.prompt, notation.call(child.called[k])), child.below[k].token_ids)


def _shown(succeeded: Sequence[bool], rng: random.Random, *, succeeding: int, failing: int) -> list[int]:
    """At most so many of each kind, drawn at random."""
    kinds = ([i for i, one in enumerate(succeeded) if one is wanted] for wanted in (True, False))
    return [i for kind, most in zip(kinds, (succeeding, failing), strict=True) for i in rng.sample(kind, min(most, len(kind)))]


def _joins(
    prompt: tuple[int, ...], traces: Sequence[search.Trace], spans: Sequence[float], rng: random.Random
) -> Iterator[Demonstration]:
    """A parent's joins: of all its children, and of the first success if there is any."""
    yield _join(prompt, traces, range(len(traces)), rng)
    # Live children decode at about equal speed, so the shortest success comes first; the jitter stands for queues and late starts.
    finish = [span * rng.uniform(0.85, 1.15) for span in spans]
    if any(trace.path for trace in traces):
        end = min(at for at, trace in zip(finish, traces, strict=True) if trace.path)
        yield _join(prompt, traces, [i for i, at in enumerate(finish) if at <= end], rng)


def _join(prompt: tuple[int, ...], traces: Sequence[search.Trace], ended: Sequence[int], rng: random.Random) -> Demonstration:
    """The parent after its children: those in `ended` returned, the others were cancelled. Now and then a child was cut or refused,
    or a success was lost, so that no marker is new to the model when something goes wrong live."""
    spoiled = 0.2 if rng.random() < 0.15 else 0.0
    outcomes: list[tuple[int, ...]] = []
    paths: list[tuple[Operation, ...] | None] = []
    for i, trace in enumerate(traces):
        if rng.random() < spoiled:
            outcomes.append((rng.choice((notation.CUT, notation.REFUSED, notation.CANCELLED, notation.NONE)),))
            paths.append(None)
        else:
            outcomes.append(FORK.outcome("finished" if i in ended else "cancelled", trace.token_ids))
            paths.append(trace.path if i in ended else None)
    return Demonstration((*prompt, *FORK.results_block(outcomes)), search.final_answer(paths))


def write_shard(
    path: Path,
    *,
    problems: int,
    seed: int,
    split: Split,
    free: float = 0.0,
    large: float = 0.0,
    window: int | None = None,
    size: int | None = None,
) -> int:
    """Write the demonstrations of `problems` problems as packed rows, the share `free` of them with free widths; return the number of tokens."""
    rng = random.Random(f"{split}/{seed}")
    demos: list[Demonstration] = []
    for problem in islice(problems_of(split, rng, large, size), problems):
        free_one = free and rng.random() < free
        demos += free_demonstrations(problem, rng, window) if free_one else demonstrations(problem, rng)
    rng.shuffle(demos)
    rows = pack(demos, width=WIDTH)
    rows.save(path)
    return rows.num_tokens


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=whole(), default=500_000)
    parser.add_argument("--out", type=Path, required=True, help="folder for the shards; shards that are there stay")
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument(
        "--free",
        type=number(least=0, most=1),
        default=0.0,
        help="share of the problems whose prompts leave widths and order to the model",
    )
    parser.add_argument(
        "--large", type=number(least=0, most=1), default=0.0, help="share of the problems that take results above 99 or 500"
    )
    parser.add_argument(
        "--window",
        type=int,
        help=f"tokens of a context in the forked searches of --free, {LEAST_WINDOW} at least (default: no limit)",
    )
    parser.add_argument(
        "--size",
        type=int,
        choices=(five.SIZE,),
        help=f"numbers of a problem; with --window, {five.LEAST_WINDOW} at least (default: mostly 4)",
    )
    parser.add_argument("--seed", type=whole(0), default=0)
    parser.add_argument("--shard-size", type=whole(), default=5_000, help="problems in a shard")
    parser.add_argument("--workers", type=whole(), default=os.cpu_count())
    args = parser.parse_args(argv)
    if args.size and args.large:
        parser.error(f"--large is for problems of four numbers: leave it out, or --size {args.size}")
    if args.size and (args.window is None or args.window < five.LEAST_WINDOW):
        given = "" if args.window is None else f", got {args.window}"
        parser.error(f"--size {args.size} needs a --window of {five.LEAST_WINDOW} tokens at least{given}")
    if args.window is not None and args.window < LEAST_WINDOW:
        parser.error(f"argument --window: must be at least {LEAST_WINDOW}, got {args.window}")
    if args.size:
        args.free = 1.0
    if args.window and not args.free:
        parser.error("--window limits the forked searches of --free: give the share of problems that are --free, too")
    try:
        claim(args.out, vars(args), may_change=("out", "workers"))
    except ConfigError as error:
        raise SystemExit(str(error)) from None
    shards = [args.out / f"demos-{index:04d}.npz" for index in range(-(-args.problems // args.shard_size))]
    started, tokens = time.monotonic(), 0
    with ProcessPoolExecutor(args.workers) as pool:
        jobs = [
            pool.submit(
                write_shard,
                path,
                problems=min(args.shard_size, args.problems - index * args.shard_size),
                seed=args.seed * 1_000_003 + index,
                split=args.split,
                free=args.free,
                large=args.large,
                window=args.window,
                size=args.size,
            )
            for index, path in enumerate(shards)
            if not path.exists()
        ]
        for done, job in enumerate(jobs, start=1):
            tokens += job.result()
            sys.stderr.write(f"\r{done}/{len(jobs)} shards, {amount(tokens)} tokens, {time.monotonic() - started:.0f} s")
    sys.stderr.write("\n")


if __name__ == "__main__":
    main()
