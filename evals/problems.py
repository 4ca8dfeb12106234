"""Which problems an eval is about: those of a benchmark, of a file, or of a seeded Countdown split; the first ones of them, or one shard."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from orchestra.countdown.problem import Problem as Game
from orchestra.countdown.problem import Split, generate
from orchestra.errors import ConfigError

from .benchmark import Benchmark, Generated
from .loading import load
from .problem import Problem

COUNTDOWN = {3: "countdown3", 4: "countdown", 5: "countdown5", 6: "countdown6"}
"""By how many numbers its problems have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a command line says about problems."""

    data: Path | None = None
    split: Split | None = None
    """Of generated Countdown problems; None: the test split."""
    seed: int | None = None
    """Of what is generated, which (None is 0); of others, their order, so that a limit takes a sample."""
    limit: int | None = None
    shard: tuple[int, int] | None = None
    """(i, n): only problems whose hash is i modulo n."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    """What was left out and why, for people."""
    source: Mapping[str, Any]
    """What the run's config says of where they come from. A file is known by what is in it, wherever it lies."""


def find(benchmark: Benchmark, wanted: Wanted) -> Found:
    """Raises `ConfigError` where there is no problem to be had, or an option that the benchmark does not know."""
    if wanted.split is not None and (benchmark.name not in COUNTDOWN.values() or wanted.data is not None):
        raise ConfigError(f"--split is for generated Countdown problems: leave it out for {wanted.data or benchmark.name}")
    made = isinstance(benchmark.home, Generated) and wanted.data is None
    if made:
        problems, notes, source = _made(benchmark, wanted)
    else:
        problems, notes, source = _loaded(benchmark, wanted)
    if wanted.shard is not None:
        problems = [problem for problem in problems if in_shard(problem, wanted.shard)]
        if not problems:
            raise ConfigError(f"the shard {wanted.shard[0]}/{wanted.shard[1]} holds no problem: make fewer shards")
    return Found(problems=tuple(problems), notes=tuple(notes), source=source)


def in_shard(problem: Problem, shard: tuple[int, int]) -> bool:
    """By the hash of its content: the same problem lies in the same shard of every run."""
    number, shards = shard
    return int(problem.id, 16) % shards == number


def _made(benchmark: Benchmark, wanted: Wanted) -> tuple[list[Problem], list[str], dict[str, Any]]:
    seed = wanted.seed or 0
    if benchmark.name not in COUNTDOWN.values():
        loaded = load(benchmark, limit=wanted.limit, seed=seed)
        return list(loaded.problems), list(loaded.notes), {"problem_seed": seed}
    split = wanted.split or "test"
    source = {"split": split, "problem_seed": seed}
    if split != "test":
        (size,) = (size for size, name in COUNTDOWN.items() if name == benchmark.name)
        games = from_split(split, seed=seed, size=size, limit=wanted.limit or benchmark.size)
        return [benchmark.read({"numbers": list(game.numbers), "target": game.target}) for game in games], [], source
    loaded = load(benchmark, limit=wanted.limit, seed=seed)
    return list(loaded.problems), list(loaded.notes), source


def _loaded(benchmark: Benchmark, wanted: Wanted) -> tuple[list[Problem], list[str], dict[str, Any]]:
    # All of it, whatever the limit: the source is what the limit is taken from, and a larger limit must go on with the same run.
    loaded = load(benchmark, data=wanted.data)
    problems = list(loaded.problems)
    ids = ";".join(sorted(problem.id for problem in problems))
    source: dict[str, Any] = {
        "source": wanted.data.name if wanted.data is not None else loaded.source,
        "problems": hashlib.sha256(ids.encode()).hexdigest()[:12],
    }
    if wanted.seed is not None:
        source["problem_seed"] = wanted.seed
        random.Random(wanted.seed).shuffle(problems)
    problems = problems[: wanted.limit]
    return problems, [*loaded.notes, *_unsolvable(benchmark, problems)], source


def _unsolvable(benchmark: Benchmark, problems: Sequence[Problem]) -> list[str]:
    if benchmark.name not in COUNTDOWN.values():
        return []
    games = [Game(tuple(problem.data["numbers"]), problem.data["target"]) for problem in problems]
    without = [game.key for game in games if not game.solvable]
    if not without:
        return []
    return [f"{len(without)} of {len(games)} problems have no solution at all, such as {without[0]}; they count as not solved"]


def from_split(split: Split, *, seed: int, limit: int, size: int = 4) -> list[Game]:
    """The first `limit` solvable games of a split; the same seed gives the same list, and a larger limit a longer one."""
    return list(islice(generate(split, seed=seed, size=size), limit))
