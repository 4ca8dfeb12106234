"""Geometry of the thread timeline: where the lanes, bars and links of a record lie.

Horizontal positions are percentages of a time scale that all records of a page share, so that the eye compares them; vertical ones are
lane indices. Nothing here knows about HTML.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import floor, log10
from typing import Literal

from .record import ForkRecord, SegmentRecord, ThreadRecord, TraceRecord

BarKind = Literal["decode", "prefill", "children", "siblings"]
"""decode: tokens come · prefill: submitted, no token yet · children: waits for its children · siblings: has ended, the join waits for others"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A stretch of a thread's time."""

    kind: BarKind
    left: float
    width: float
    tooltip: str
    critical: bool = False
    aborted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One thread."""

    thread: ThreadRecord
    bars: Sequence[Bar]
    critical: bool
    winner: bool
    cut_at: float | None
    """Where its last request was aborted, where it was stopped before its children had joined, or where it ended without having started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A vertical line between a parent's lane and its children's."""

    kind: Literal["fork", "join"]
    x: float
    parent: int
    children: Sequence[int]
    """Lanes that the line reaches."""
    critical: int | None
    """The one of `children` on the critical path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One record, laid out."""

    record: TraceRecord
    lanes: Sequence[Lane]
    links: Sequence[Link]
    concurrency: Sequence[tuple[float, int]]
    """Steps (position, number of threads that decode from there on): a silhouette whose area is the engine's time."""
    end: float

    @property
    def peak(self) -> int:
        """Most threads that decoded at once."""
        return max((running for _, running in self.concurrency), default=0)


def lay_out(records: Sequence[TraceRecord]) -> list[Timeline]:
    """Timelines of `records` on one time scale."""
    scale = extent(records)
    return [_Layout(record, scale).timeline() for record in records]


def extent(records: Sequence[TraceRecord]) -> float:
    """Seconds that the full width stands for."""
    return max((record.ledger.wall_seconds for record in records), default=0.0) or 1.0


def ticks(scale: float, *, at_most: int = 8) -> list[tuple[float, str]]:
    """(Position, label) of round moments on a scale of `scale` seconds."""
    magnitude = 10.0 ** floor(log10(scale / at_most))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude * at_most >= scale)
    moments = [step * index for index in range(floor(scale / step + 1e-9) + 1)]
    return [(100 * moment / scale, f"{moment:,.10g} s" if scale >= 1 else f"{1000 * moment:.10g} ms") for moment in moments]


def seconds(value: float) -> str:
    """A duration, for people."""
    if value < 1:
        return f"{1000 * value:.3g} ms"
    return f"{value:.3g} s" if value < 100 else f"{value:,.0f} s"


class _Layout:
    """One record on a scale."""

    def __init__(self, record: TraceRecord, scale: float) -> None:
        self._record = record
        self._scale = scale
        self._end = record.ledger.wall_seconds
        self._index = {thread.id: index for index, thread in enumerate(record.threads)}
        self._critical = set(record.critical_path)
        self._critical_threads = {thread for thread, _ in record.critical_path}
        self._joined_at = {child: fork.finished for thread in record.threads for fork in thread.forks for child in fork.children}

    def timeline(self) -> Timeline:
        return Timeline(
            record=self._record,
            lanes=[self._lane(thread) for thread in self._record.threads],
            links=[link for thread in self._record.threads for fork in thread.forks for link in self._links(thread, fork)],
            concurrency=self._concurrency(),
            end=self._x(self._end),
        )

    def _x(self, moment: float) -> float:
        return 100 * moment / self._scale

    def _bar(self, kind: BarKind, start: float, end: float, what: str, *, critical: bool = False, aborted: bool = False) -> Bar:
        tooltip = f"{what}, {seconds(start)} to {seconds(end)}"
        return Bar(kind=kind, left=self._x(start), width=self._x(end - start), tooltip=tooltip, critical=critical, aborted=aborted)

    def _lane(self, thread: ThreadRecord) -> Lane:
        bars: list[Bar] = []
        cut_at = self._x(thread.finished) if thread.started is None and thread.finished is not None else None
        for position, item in enumerate(thread.items):
            if isinstance(item, ForkRecord):
                what = f"waits for {len(item.children)} children"
                ended = item.finished
                if ended is None:  # nobody joined them
                    ended = self._end if thread.finished is None else thread.finished
                    cut_at = self._x(ended)
                bars.append(self._bar("children", item.started, ended, what))
            elif item.completion:
                bars += self._request(item, critical=(thread.id, position) in self._critical)
                if item.aborted:
                    cut_at = self._x(item.completion.finished)
        joined_at = self._joined_at.get(thread.id)
        if (
            thread.status in ("finished", "cut", "failed")
            and thread.finished is not None
            and joined_at
            and joined_at > thread.finished
        ):
            bars.append(self._bar("siblings", thread.finished, joined_at, "has ended, waits for its siblings"))
        return Lane(
            thread=thread,
            bars=bars,
            critical=thread.id in self._critical_threads,
            winner=thread.id in self._record.winners,
            cut_at=cut_at,
        )

    def _request(self, segment: SegmentRecord, *, critical: bool) -> Iterator[Bar]:
        request = segment.completion
        assert request is not None
        first = request.first_token
        if first is None:  # the whole request waited, unless tokens came and the engine could not tell when
            first = request.submitted if segment.token_ids else request.finished
        if first > request.submitted:
            yield self._bar(
                "prefill", request.submitted, first, "waits for its first token", critical=critical, aborted=segment.aborted
            )
        if segment.token_ids:
            what = f"{len(segment.token_ids)} tokens {'sampled, then aborted' if segment.aborted else 'sampled'}"
            yield self._bar("decode", first, request.finished, what, critical=critical, aborted=segment.aborted)

    def _links(self, thread: ThreadRecord, fork: ForkRecord) -> Iterator[Link]:
        threads = {child: self._record.threads[self._index[child]] for child in fork.children}
        started = [child for child in fork.children if threads[child].started is not None]
        if not fork.children:  # a fork that called nobody
            return
        yield self._link("fork", thread, fork.started, started or fork.children)
        if fork.finished is not None and (returned := [child for child in started if threads[child].status != "cancelled"]):
            yield self._link("join", thread, fork.finished, returned)

    def _link(self, kind: Literal["fork", "join"], parent: ThreadRecord, moment: float, children: Sequence[str]) -> Link:
        return Link(
            kind=kind,
            x=self._x(moment),
            parent=self._index[parent.id],
            children=[self._index[child] for child in children],
            critical=next((self._index[child] for child in children if child in self._critical_threads), None),
        )

    def _concurrency(self) -> list[tuple[float, int]]:
        requests = [item.completion for thread in self._record.threads for item in thread.segments if item.completion]
        changes = sorted([(r.submitted, 1) for r in requests] + [(r.finished, -1) for r in requests])
        running = accumulate(change for _, change in changes)
        # Of several changes at one moment only the last counts.
        return list({self._x(moment): number for (moment, _), number in zip(changes, running, strict=True)}.items())
