"""Pools on disk: JSON lines, plain or gzipped.

    {"pool": 1, "name": "aime24", "probe_every": 500, "stride": 0, "notes": []}
    {"id": "aime24-0", "text": "…", "gold": "204", "group": "aime24", "answers": ["204", "150"],
     "tokens": [3856, 3331], "answer": [0, 0], "correct": [1, 1], "probes": [[1, 1, 0], [null, 0]]}

One line a problem, one array a property, one entry a trace. `answer` and `probes` point into `answers`; properties that no trace has are left
out; numbers that are measured keep five digits. `read_pool` also reads the formats of `pool_formats`.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import ConfigError
from .pool import Pool, PooledProblem
from .pool_formats import Count, ProbedLine, RewardedLine
from .pool_row import Row, dumped

VERSION = 1
_GZIP = b"\x1f\x8b"

Line = TypeVar("Line", bound=BaseModel)


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid")

    pool: int
    name: str
    probe_every: Count = 0
    stride: Count = 0
    notes: list[str] = []


def read_pool(path: Path) -> Pool:
    """The pool in a file of our own format or of those in `pool_formats`.

    Lines that cannot be used are left out and counted in `Pool.notes`. Raises `ConfigError` when no line can be used, or no answer be read.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder: give a pool file (.jsonl or .jsonl.gz)")
    reading = _Reading(path, name_of(path))
    for number, line in _lines(path):
        if isinstance(line, str):
            try:
                reading.take(line)
            except _BadLine as flaw:
                reading.flaws.append((number, str(flaw)))
            reading.lines += 1
        else:
            reading.flaws.append((number, str(line)))
    return reading.pool()


def write_pool(pool: Pool, path: Path) -> None:
    """Write `pool`, gzipped if the name ends in ".gz"; an existing file is replaced at once. Raises `ConfigError` when it cannot."""
    header = _Header(pool=VERSION, name=pool.name, probe_every=pool.probe_every, stride=pool.stride, notes=list(pool.notes))
    try:
        lines = [header.model_dump_json(), *(dumped(problem) for problem in pool.problems)]
    except ValueError as error:
        raise ConfigError(
            f"{path}: the pool {pool.name} holds a score that is no number ({error}); leave that trace out"
        ) from error
    data = "".join(line + "\n" for line in lines).encode()
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)  # the same pool is the same file
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; make room, or choose another place for it") from error


def name_of(path: Path) -> str:
    """ "aime24" of "data/aime24.jsonl.gz"."""
    return path.name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".json")


class _BadLine(ValueError):
    """Why a line cannot be used."""


@dataclass
class _Reading:
    path: Path
    name: str
    header: _Header | None = None
    probe_every: int = 0
    problems: dict[str, PooledProblem] = field(default_factory=dict)
    flaws: list[tuple[int, str]] = field(default_factory=list)
    lines: int = 0

    def take(self, line: str) -> None:
        value = _json(line)
        if "pool" in value:
            self._head(value)
        elif "branches" in value:
            row = _validated(ProbedLine, value)
            if row.probe_every != (self.probe_every or row.probe_every):
                raise _BadLine(f"`probe_every` is {row.probe_every} here and {self.probe_every} above: put them into two files")
            self.probe_every = row.probe_every
            self._add(row.pooled(self.name))
        elif "preds" in value:
            self._add(_pooled_with_scores(_validated(RewardedLine, value), self.name))
        elif "tokens" in value:
            if self.header is None:
                raise _BadLine('there is no header line above it: {"pool": 1, "name": …, "probe_every": …, "stride": …}')
            self._add(_validated(Row, value).problem())
        else:
            raise _BadLine("it has none of the fields `tokens`, `branches` and `preds`, one of which every known format has")

    def _head(self, value: dict[str, Any]) -> None:
        header = _validated(_Header, value)
        if header.pool != VERSION:
            raise ConfigError(
                f"{self.path} is a pool of version {header.pool}, and this is orchestra for version {VERSION}: update it"
            )
        if self.header is not None:
            raise _BadLine("a second header: put each pool into a file of its own")
        self.header = header

    def _add(self, problem: PooledProblem) -> None:
        if problem.id in self.problems:
            raise _BadLine(f"the problem {problem.id!r} is there already: put all its traces into one line")
        self.problems[problem.id] = problem

    def pool(self) -> Pool:
        header = self.header or _Header(pool=VERSION, name=self.name, probe_every=self.probe_every)
        if not self.problems:
            number, why = self.flaws[0] if self.flaws else (1, "the file holds no problem; one JSON line a problem is expected")
            raise ConfigError(f"{self.path}:{number}: {why}")
        blank = [problem.id for problem in self.problems.values() if all(trace.answer is None for trace in problem.traces)]
        if len(blank) == len(self.problems):
            raise ConfigError(
                f"{self.path}: no trace of any problem has an answer that can be read; check what was recorded as answers"
            )
        notes = list(header.notes)
        if self.flaws:
            number, why = self.flaws[0]
            notes.append(f"{self.path}: {len(self.flaws)} of {self.lines} lines left out, the first is line {number}: {why}")
        if blank:
            notes.append(
                f"{self.path}: no trace has a readable answer in {len(blank)} of {len(self.problems)} problems, such as {blank[0]}; "
                "they count as wrong"
            )
        return Pool(header.name, list(self.problems.values()), header.probe_every, header.stride, notes)


def _lines(path: Path) -> Iterator[tuple[int, str | _BadLine]]:
    """Lines with their numbers; a flaw in the place of what cannot be read. Blank lines are passed over."""
    number = 0
    try:
        with path.open("rb") as start:
            zipped = start.read(2) == _GZIP
        with gzip.open(path) if zipped else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    yield number, line.decode()
                except UnicodeDecodeError:
                    yield number, _BadLine("it is not UTF-8 text; is it a pool?")
    except FileNotFoundError as error:
        raise ConfigError(f"there is no pool {path}; give a .jsonl or .jsonl.gz file") from error
    except (EOFError, gzip.BadGzipFile, zlib.error):
        yield number + 1, _BadLine("the gzip data are cut short or damaged here: fetch the file again")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error


def _json(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _BadLine(f"it is not JSON ({error}): remove or mend it") from error
    if not isinstance(value, dict):
        raise _BadLine(f"a JSON object is expected, got {line[:40]!r}")
    return value


def _validated(kind: type[Line], value: dict[str, Any]) -> Line:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "line"
        raise _BadLine(f"`{where}`: {first['msg']}") from error


def _pooled_with_scores(row: RewardedLine, group: str) -> PooledProblem:
    try:
        return row.pooled(group)
    except ValueError as error:  # columns of different lengths
        raise _BadLine(f"`preds`, `correct`, `rm_score` and `outputs` must be equally long ({error})") from error
