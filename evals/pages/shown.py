"""The runs of a page: what the report says of each, and the folders that hold it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..method import Kept
from ..report import Report, Reported
from ..row import Row
from ..run import Run
from ..summary import Summary


@dataclass(frozen=True)
class Shown:
    """One run: a folder, or its shards."""

    reported: Reported
    shards: Sequence[Run]

    @property
    def summary(self) -> Summary:
        return self.reported.summary

    @property
    def label(self) -> str:
        """As the terminal calls it."""
        return self.summary.run

    @property
    def name(self) -> str:
        """Method and label, where that is more."""
        method = self.summary.method
        return self.label if self.label.startswith(method) else f"{method} ({self.label})"

    @cached_property
    def rows(self) -> list[Row]:
        return [row for shard in self.shards for row in shard.rows]

    def kept(self) -> Iterator[tuple[tuple[str, int], Kept]]:
        for shard in self.shards:
            yield from shard.kept()


def shown_in(report: Report, runs: Sequence[Run]) -> list[Shown]:
    """In the order of the report. Of `runs` those are taken that it names: what they have read is not read again."""
    known = {str(run.folder): run for run in runs}
    return [Shown(reported, [known.get(folder) or Run(Path(folder)) for folder in reported.folders]) for reported in report.runs]
