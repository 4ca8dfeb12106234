"""A pool that is still being sampled: finished problems in a file beside it, so that a run that was cut off goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from orchestra.errors import ConfigError
from orchestra.sample.pool import Pool, PooledProblem
from orchestra.sample.pool_file import name_of, read_pool, write_pool
from orchestra.sample.pool_row import Row, dumped
from orchestra.trace.files import write_text


class Part:
    """The finished problems of a pool that is still being sampled, in OUT.part: how it is sampled, then a line a problem."""

    def __init__(self, out: Path, *, note: str, stride: int) -> None:
        self.out = out
        self.path = out.with_name(f"{out.name}.part")
        self.done: dict[str, PooledProblem] = {}
        self._note = note
        self._stride = stride

    def __enter__(self) -> Self:
        """Takes over what an earlier run has finished. Raises `ConfigError` when that was sampled in another way."""
        if self.path.exists():
            self._resume()
        elif self.out.exists():
            earlier = read_pool(self.out)
            self._check(self.out, earlier.notes[0] if earlier.notes else "unknown")
            self.done = {problem.id: problem for problem in earlier.problems}
        try:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            lines = [self._note, *(dumped(problem) for problem in self.done.values())]
            write_text(self.path, "".join(line + "\n" for line in lines))  # torn lines go
            self._file = self.path.open("a", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"cannot write to {self.path}: {error.strerror}; choose another --out") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def add(self, problem: PooledProblem) -> None:
        self.done[problem.id] = problem
        self._file.write(dumped(problem) + "\n")
        self._file.flush()

    def finish(self, order: Sequence[str]) -> Pool:
        """Write the pool with the problems of `order`, and remove the part."""
        pool = Pool(name_of(self.out), [self.done[key] for key in order], stride=self._stride, notes=[self._note])
        write_pool(pool, self.out)
        self.path.unlink()
        return pool

    def _resume(self) -> None:
        note, *lines = self.path.read_text(encoding="utf-8").split("\n")
        self._check(self.path, note)
        for line in lines:
            try:
                problem = Row.model_validate_json(line).problem()
            except ValidationError:
                continue  # torn when the process died, or the empty one at the end: owed again
            self.done[problem.id] = problem

    def _check(self, path: Path, note: str) -> None:
        if note != self._note:
            raise ConfigError(f"{path} holds another pool ({note}), not {self._note}: choose another --out, or remove it")
