"""How an eval is getting on: a live bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from .row import Row

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts finished rows. Rows that an earlier run has finished count as done, not as speed."""

    def __init__(self, console: Console, *, label: str, total: int, done: int, correct: int = 0) -> None:
        """`done` and `correct`: of earlier runs, as far as they are part of `total`."""
        self._console = console
        self._label = label
        self._total = total
        self._finished = done
        self._correct = correct
        self._errors = self._retries = 0
        self._tokens = 0
        self._started = self._printed = time.monotonic()
        self._bar: Bar | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
            )
            self._bar = Bar(*columns, TextColumn("{task.fields[facts]}"), console=self._console)
            self._bar.start()
            self._task = self._bar.add_task(escape(self._label), total=self._total, completed=self._finished, facts="")
        else:
            self._say(f"{self._label}: {self._total - self._finished} to do, {self._finished} done before")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, row: Row) -> None:
        self._finished += 1
        self._correct += row.correct
        self._errors += row.error is not None
        self._retries += row.retries
        self._tokens += row.work
        now = time.monotonic()
        if self._bar:
            self._bar.update(self._task, completed=self._finished, facts=self._facts(now))
        elif now - self._printed > _SECONDS_BETWEEN_LINES or self._finished == self._total:
            self._printed = now
            self._say(f"{self._label}: {self._finished}/{self._total}, {self._facts(now)}")

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)

    def _facts(self, now: float) -> str:
        scored = self._finished - self._errors
        accuracy = f"{100 * self._correct / scored:.1f} % correct" if scored else "nothing scored"
        speed = f"{self._tokens / max(now - self._started, 1e-9):,.0f} tok/s"
        trouble = [
            *([f"{self._retries} retries"] if self._retries else []),
            *([f"{self._errors} engine errors"] if self._errors else []),
        ]
        return ", ".join([accuracy, speed, *trouble])
