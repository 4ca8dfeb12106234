"""Runs as reports see them: the graded tries of each problem, with no more of each row than is reported. Shards of one run are one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .row import Row
from .run import Run, read_rows


@dataclass(frozen=True, slots=True)
class Try:
    """What is reported of a row; see `Row` for the fields."""

    answer: str | None
    correct: bool
    score: float
    work: int
    span: int
    wasted: int
    cached: int | None
    prefilled: int | None
    context: int | None
    threads: int
    explored: int | None
    wall_seconds: float
    at_once: int

    @classmethod
    def of(cls, row: Row) -> Try:
        return cls(
            answer=row.answer,
            correct=row.correct,
            score=row.score,
            work=row.work,
            span=row.span,
            wasted=row.wasted,
            cached=row.cached,
            prefilled=row.prefilled,
            context=row.context,
            threads=row.threads,
            explored=row.explored,
            wall_seconds=row.wall_seconds,
            at_once=row.at_once,
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """What is reported of a problem."""

    group: str
    gold: Any


@dataclass(slots=True, kw_only=True)
class Measured:
    """One run: a folder, or several that are its shards."""

    label: str
    """What tables call it; no two runs of a report have the same."""
    benchmark: str
    method: str
    experiment: Mapping[str, Any] = field(default_factory=dict)
    """What was asked for, but for the shard."""
    folders: list[Path] = field(default_factory=list)
    tries: dict[str, list[Try]] = field(default_factory=dict)
    """Graded ones, by problem."""
    asked: dict[str, Asked] = field(default_factory=dict)
    """All problems, those with nothing but errors among them."""
    errors: int = 0
    """Rows with an infrastructure error: neither right nor wrong, and left out of everything else."""

    @classmethod
    def of_rows(cls, rows: Iterable[Row], *, label: str, benchmark: str, method: str) -> Measured:
        """The last row of each (problem, epoch) counts."""
        found = cls(label=label, benchmark=benchmark, method=method)
        found.add(_last(rows, found.asked))
        return found

    def add(self, rows: Mapping[tuple[str, int], Try | None]) -> None:
        """`rows` of None are errors."""
        for (problem, _), attempt in rows.items():
            if attempt is None:
                self.errors += 1
            else:
                self.tries.setdefault(problem, []).append(attempt)

    @property
    def correct(self) -> dict[str, list[bool]]:
        return {problem: [one.correct for one in tries] for problem, tries in self.tries.items()}

    def only(self, problems: Iterable[str]) -> Measured:
        """The graded tries of some of its problems."""
        kept = [problem for problem in problems if problem in self.tries]
        return Measured(
            label=self.label,
            benchmark=self.benchmark,
            method=self.method,
            experiment=self.experiment,
            folders=self.folders,
            tries={problem: self.tries[problem] for problem in kept},
            asked={problem: self.asked[problem] for problem in kept},
        )


def measure(folders: Sequence[Path]) -> list[Measured]:
    """The runs in `folders`, in that order; a folder that is given twice counts once. Folders with the same experiment, but for the shard,
    and no (problem, epoch) in common are one run.

    Raises `ConfigError` when a folder holds no run, or something that is none of a run's rows.
    """
    runs: list[tuple[Measured, set[tuple[str, int]]]] = []
    for folder in {path.resolve(): path for path in folders}.values():
        run = Run(folder)
        experiment = {name: value for name, value in run.config["experiment"].items() if name != "shard"}
        asked: dict[str, Asked] = {}
        rows = _last(read_rows(folder), asked)
        same = (pair for pair in runs if pair[0].experiment == experiment and pair[1].isdisjoint(rows))
        known, keys = next(same, (None, set()))
        if known is None:
            known = Measured(label=run.method, benchmark=run.benchmark, method=run.method, experiment=experiment)
            runs.append((known, keys))
        keys.update(rows)
        known.folders.append(folder)
        known.asked |= asked
        known.add(rows)
    found = [run for run, _ in runs]
    _name(found)
    return found


def _last(rows: Iterable[Row], asked: dict[str, Asked]) -> dict[tuple[str, int], Try | None]:
    found: dict[tuple[str, int], Try | None] = {}
    ids: dict[str, str] = {}
    for row in rows:
        problem = ids.setdefault(row.problem, row.problem)  # one text a problem, not one a row
        if problem not in asked:
            asked[problem] = Asked(row.group, row.gold)
        found[problem, row.epoch] = Try.of(row) if row.error is None else None
    return found


def _name(runs: Sequence[Measured]) -> None:
    """By method where that tells them apart, else by folder."""
    times = Counter(run.method for run in runs)
    folders = Counter(run.folders[0].resolve().name for run in runs)
    for run in runs:
        if times[run.method] > 1:
            first = run.folders[0]
            run.label = first.resolve().name if folders[first.resolve().name] == 1 else os.fspath(first)
        if len(run.folders) > 1:
            run.label = f"{run.label} ({len(run.folders)} shards)"
