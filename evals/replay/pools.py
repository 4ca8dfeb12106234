"""Pools from what a user names: pool files, folders of them, and run folders of `orchestra eval`, joined into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from orchestra.answers import exact_key
from orchestra.answers.normal import quick_key
from orchestra.errors import ConfigError
from orchestra.sample.pool import Pool, PooledProblem, Recorded
from orchestra.sample.pool_file import read_pool

from ..row import Row
from ..run import ROWS, read_rows


def open_pools(paths: Sequence[Path]) -> Pool:
    """One pool of everything at `paths`. Raises `ConfigError` when one of them holds nothing that can be replayed."""
    return joined([pool for path in paths for pool in _open(path)])


def _open(path: Path) -> list[Pool]:
    if path.name == ROWS and path.is_file():
        return [read_run(path.parent)]
    if not path.is_dir():
        return [read_pool(path)]
    if (path / ROWS).exists():
        return [read_run(path)]
    files = sorted([*path.glob("*.jsonl"), *path.glob("*.jsonl.gz")])
    if not files:
        raise ConfigError(
            f"{path} holds neither pool files (.jsonl, .jsonl.gz) nor a run ({ROWS}): give a pool file, a folder of them, or a folder "
            "that `orchestra eval … --out` wrote"
        )
    return [read_pool(file) for file in files]


def joined(pools: Sequence[Pool]) -> Pool:
    """All problems of all pools. A problem without a group gets its pool's name as one; ids that occur twice get it in front.

    What is recorded at different distances in different pools is left out of all, with a note.
    """
    if len(pools) == 1:
        return _grouped(pools[0])
    notes = [note for pool in pools for note in pool.notes]
    every = {pool.probe_every for pool in pools}
    strides = {pool.stride for pool in pools}
    if len(every) > 1:
        notes.append("forced answers are left out: the pools differ in how often they were recorded")
    if len(strides) > 1:
        notes.append("confidences are left out: the pools differ in over how many tokens they were recorded")
    problems: dict[str, PooledProblem] = {}
    for number, pool in enumerate(pools):
        again = pool.name in {earlier.name for earlier in pools[:number]}
        for problem in _grouped(pool).problems:
            key = problem.id if problem.id not in problems else f"{pool.name}/{problem.id}"
            if key in problems or (again and problems.get(problem.id) == problem):
                raise ConfigError(f"the problem {problem.id!r} is in two of the pools; give each pool once")
            problems[key] = replace(problem, id=key)
    return Pool(
        "+".join(pool.name for pool in pools),
        list(problems.values()),
        every.pop() if len(every) == 1 else 0,
        strides.pop() if len(strides) == 1 else 0,
        notes,
    )


def _grouped(pool: Pool) -> Pool:
    return replace(pool, problems=[replace(problem, group=problem.group or pool.name) for problem in pool.problems])


def read_run(folder: Path) -> Pool:
    """A run of `orchestra eval` as a pool: the epochs of a problem are its traces. Rows with engine errors are left out and counted."""
    rows = list(read_rows(folder))
    tries: dict[str, list[Row]] = {}
    for row in rows:
        if row.error is None:
            tries.setdefault(row.problem, []).append(row)
    if not tries:
        raise ConfigError(f"{folder / ROWS} holds no finished row: run the eval to its end, or give another folder")
    notes = []
    if lost := sum(row.error is not None for row in rows):
        notes.append(f"{folder}: {lost} of {len(rows)} rows with engine errors left out")
    name = folder.resolve().name
    return Pool(name, [_problem(problem, epochs, name) for problem, epochs in tries.items()], notes=notes)


def _problem(problem: str, epochs: Sequence[Row], group: str) -> PooledProblem:
    return PooledProblem(
        id=problem,
        text=epochs[0].name or problem,
        gold=None if epochs[0].gold is None else str(epochs[0].gold),
        group=group,
        traces=[
            Recorded(
                tokens=row.work,
                span=row.span if row.span != row.work else None,
                answer=_key(row.answer),
                correct=row.correct,
                cut=row.timed_out or row.status == "cut",
            )
            for row in sorted(epochs, key=lambda row: row.epoch)
        ],
    )


def _key(answer: str | None) -> str | None:
    """What equal answers share as far as that can be said at once: numbers are compared by value, all else as it is written."""
    return None if answer is None else quick_key(answer) or exact_key(answer)
