"""The rows of one eval run on disk: one JSON line a finished problem, appended at once, owned by one process at a time.

    DIR/config.json      what was asked for, resolved, with versions
    DIR/samples.jsonl    one `Sample` a line
    DIR/.lock            locked by the operating system while a process writes here; a killed process leaves no lock behind

A run is resumed by opening its folder again: finished rows stay, rows with an engine error and a torn last line are owed again.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestra.errors import ConfigError
from orchestra.trace.files import write_text

ROWS = "samples.jsonl"


class Sample(BaseModel):
    """One try at one problem. Token counts and times are those of its run tree; see `orchestra.thread.Ledger`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    problem: str
    """The problem's key: identity across runs, whatever the order of a file."""
    epoch: int = 0
    numbers: list[int]
    target: int
    answer: str | None
    """A verified arithmetic expression; None when there is none."""
    correct: bool
    error: str | None
    """An engine failure: such a row is neither right nor wrong, and is tried again by the next run."""
    flaw: str | None = None
    """Why the solution that the model claimed is none."""
    status: str
    """How the root thread ended."""
    timed_out: bool = False
    work: int
    span: int
    injected: int
    cached: int | None
    prefilled: int | None
    wasted: int
    unobserved: int
    explored: int
    """Operations whose result the model wrote: a measure of work that does not depend on the tokenizer."""
    requests: int
    children: int
    refused: int
    engine_seconds: float
    wall_seconds: float
    at_once: int
    """Problems that were running at once (the run's `--concurrency`): wall seconds of loaded runs do not compare with idle ones."""

    @property
    def key(self) -> tuple[str, int]:
        return self.problem, self.epoch


class SampleFolder:
    """Appends samples to a folder and knows which ones are already there. Use as a context manager: it holds the folder's lock."""

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path = path
        self._config = config
        self._lock: IO[str] | None = None
        self._file: IO[bytes] | None = None
        self.done: dict[tuple[str, int], Sample] = {}
        """Rows that need not run again."""

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / ".lock").open("w")
        except OSError as error:
            raise ConfigError(f"cannot write to {self.path}: {error.strerror}; choose another --out") from error
        if not _lock(self._lock):
            self._lock.close()
            raise ConfigError(f"another process is writing to {self.path}; wait for it, or choose another --out")
        try:
            self._check_config()
            kept = [sample for sample in read_samples(self.path) if sample.error is None]
            self.done = {sample.key: sample for sample in kept}
            # Torn and errored rows go, in one atomic step.
            write_text(self.path / ROWS, "".join(sample.model_dump_json() + "\n" for sample in self.done.values()))
            # Unbuffered: a row that did not fit on the disk must not come up again when the file is closed.
            self._file = (self.path / ROWS).open("ab", buffering=0)
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file:
            self._file.close()
        if self._lock:
            self._lock.close()

    def append(self, sample: Sample) -> None:
        """Write one row; it is in the operating system's hands when this returns, so that `kill -9` cannot lose it."""
        assert self._file is not None, "open the folder first"
        row = sample.model_dump_json().encode() + b"\n"
        size = os.fstat(self._file.fileno()).st_size
        try:
            if self._file.write(row) < len(row):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            os.ftruncate(self._file.fileno(), size)  # or the next row would be glued to half of this one
            raise ConfigError(
                f"cannot write to {self.path}: {error.strerror}. Rows written so far are safe: make room and run the same command again"
            ) from error
        if sample.error is None:
            self.done[sample.key] = sample

    def _check_config(self) -> None:
        """The same folder is the same experiment: what decides the results must not have changed."""
        path = self.path / "config.json"
        if path.exists():
            try:
                before = dict(json.loads(path.read_text())["experiment"])
            except (ValueError, KeyError, TypeError) as error:
                raise ConfigError(
                    f"{path} is damaged ({error}); choose another --out, or delete it to vouch for its rows"
                ) from error
            now = self._config["experiment"]
            changed = [
                f"{name}: {before.get(name)!r} → {now.get(name)!r}"
                for name in {**before, **now}
                if before.get(name) != now.get(name)
            ]
            if changed:
                raise ConfigError(f"{self.path} holds a different run ({'; '.join(changed)}); choose another --out")
        write_text(path, json.dumps(self._config, indent=1) + "\n")


def read_samples(folder: Path) -> Iterator[Sample]:
    """All rows of a run. A torn last line is skipped: its problem is owed again. Anything else that is no row is an error."""
    path = folder / ROWS
    if not path.exists():
        return
    lines = path.read_text().split("\n")
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            yield Sample.model_validate_json(line)
        except ValidationError as error:
            if number == len(lines):  # no newline after it: the process died in mid-write
                return
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "line"
            raise ConfigError(
                f"{path}:{number} is not a sample ({where}: {first['msg']}); was it edited? Remove the line to run it again"
            ) from error


def _lock(file: IO[str]) -> bool:
    """Take the operating system's exclusive lock on an open file; False when another process holds it."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
