"""Problems of a benchmark: from a file, from the Hugging Face Hub, or made here.

A row that is no problem is a note with its place, and the others run; a file of which no row is a problem is an error. Two rows
with the same content are one problem.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from orchestra.errors import ConfigError, ProblemError

from .benchmark import Benchmark, Generated, Hub, Published
from .problem import Problem
from .tables import rows_of

_MOST_NOTES = 20
"""Of bad rows that are told one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    """What was left out and why, for people."""
    source: str
    """Where the problems come from, for a run's config."""


def load(benchmark: Benchmark, *, data: Path | None = None, limit: int | None = None, seed: int | None = None) -> Loaded:
    """The problems of `benchmark`.

    Args:
        data: a file in place of the benchmark's home: .jsonl, .json (a list), .csv or .parquet, also with .gz.
        limit: problems at most; the first ones, in the order of the file.
        seed: of generated problems, which (None is 0); of others, a sample of `limit` in place of the first ones.

    Raises `ConfigError` when there is no problem to be had: it says which file to give, what to install, or what is wrong.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"a limit must be positive, got {limit}")
    if data is None and isinstance(benchmark.home, Generated):
        made = enumerate(islice(benchmark.home.make(seed or 0), limit or benchmark.size), 1)
        return _read(benchmark, ((f"row {place}", row) for place, row in made), "made here", limit=limit, seed=None)
    if data is not None:
        with closing(rows_of(data)) as rows:
            return _read(benchmark, rows, str(data), limit=limit, seed=seed)
    assert not isinstance(benchmark.home, Generated)
    if isinstance(benchmark.home, Published):
        raise ConfigError(_by_hand(benchmark, benchmark.home))
    place = f"huggingface.co/datasets/{benchmark.home.id}, split {benchmark.home.split}"
    return _read(benchmark, _from_hub(benchmark, benchmark.home), place, limit=limit, seed=seed)


def _read(
    benchmark: Benchmark, rows: Iterable[tuple[str, Mapping[str, Any]]], source: str, *, limit: int | None, seed: int | None
) -> Loaded:
    problems: dict[str, Problem] = {}
    bad: list[str] = []
    twice: list[str] = []
    others = 0
    for place, row in rows:
        try:
            if not isinstance(row, Mapping):
                raise ProblemError(f"it must be an object, got {row!r:.60}")
            if benchmark.keep is not None and not benchmark.keep(row):
                others += 1
                continue
            problem = benchmark.read(row)
            id = problem.id
        except ProblemError as error:
            bad.append(f"{place}: {error}")
            continue
        except UnicodeEncodeError:
            bad.append(f"{place}: it holds half of a character (a lone surrogate), which no model can be sent")
            continue
        if id in problems:
            twice.append(place)
            continue
        problems[id] = problem
        # What all problems share is found out from all of them, and a sample is drawn from all.
        if len(problems) == limit and seed is None and benchmark.shared is None:
            break
    if not problems:
        reasons = f" ({bad[0]})" if bad else " (every row belongs to something else)" if others else " (it is empty)"
        raise ConfigError(f"{source} holds no problem of {benchmark.name}{reasons}. Its rows need {_fields(benchmark)}")
    found = list(problems.values())
    if benchmark.shared is not None:
        shared = benchmark.shared(found)
        found = [replace(problem, data={**problem.data, **shared}) for problem in found]
    if seed is not None and limit is not None:
        found = random.Random(f"{seed}").sample(found, min(limit, len(found)))
    return Loaded(problems=tuple(found[:limit]), notes=tuple(_notes(bad, twice)), source=source)


def _notes(bad: list[str], twice: list[str]) -> Iterator[str]:
    yield from (f"left out {reason}" for reason in bad[:_MOST_NOTES])
    if len(bad) > _MOST_NOTES:
        yield f"left out {len(bad) - _MOST_NOTES:,} further rows that are no problems"
    if twice:
        more = " and others" if len(twice) > 5 else ""
        yield f"left out {len(twice):,} that stand in the file before, word for word: {', '.join(twice[:5])}{more}"


def _from_hub(benchmark: Benchmark, home: Hub) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise ConfigError(
            f'{benchmark.name} is {_where(home)} and needs `pip install "orchestra[evals]"`; or {_or_a_file(benchmark)}'
        ) from error
    try:
        dataset = load_dataset(home.id, home.config, split=home.split, revision=home.revision)
    except Exception as error:  # the library's and its clients', of many kinds: no network, no such dataset, no access
        raise ConfigError(
            f"{benchmark.name} could not be had from {_where(home)} ({type(error).__name__}: {str(error)[:300]}). "
            f"Without the network, {_or_a_file(benchmark)}"
        ) from error
    for place, row in enumerate(dataset, 1):
        yield f"row {place}", row


def _where(home: Hub) -> str:
    config = f", config {home.config}" if home.config else ""
    return f"the dataset {home.id} of the Hugging Face Hub (split {home.split}{config})"


def _or_a_file(benchmark: Benchmark) -> str:
    kinds = ".jsonl, .json, .csv, .parquet, or one of these with .gz"
    return f"give a file of it with `--data FILE` ({kinds}), whose rows have {_fields(benchmark)}"


def _by_hand(benchmark: Benchmark, home: Published) -> str:
    return (
        f"{benchmark.name} is not on the Hub and may not be shipped: fetch {home.path} of https://{home.repository} "
        f"(licence: {benchmark.licence}) and give it with `--data FILE`; its rows have {_fields(benchmark)}"
    )


def _fields(benchmark: Benchmark) -> str:
    return ", ".join(benchmark.fields)
