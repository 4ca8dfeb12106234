"""Records as Chrome's trace events, which ui.perfetto.dev, chrome://tracing and speedscope open: no server and no package is needed.

Each record is a process and each of its threads a track. Requests are slices, split into the wait for the first token and the decoding; waiting
for children and for siblings are slices, too. Arrows lead from forks to children and from children to joins. A counter says how many requests
are under way. Times are microseconds since the run started.

Format: "Trace Event Format", docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import accumulate, count
from pathlib import Path
from typing import Any

from .files import write_text
from .record import CompletionRecord, ForkRecord, SegmentRecord, ThreadRecord, TraceRecord

SHOWN = 200
"""Characters of a text in a slice's arguments."""
Event = dict[str, Any]


def write_perfetto(records: Sequence[TraceRecord], path: Path) -> None:
    """Write the file; an existing one is replaced at once. Raises `ConfigError` when it cannot."""
    # A lone surrogate in what a model wrote has no UTF-8: escapes say it in ASCII.
    write_text(path, json.dumps(trace_events(records), separators=(",", ":")))


def trace_events(records: Sequence[TraceRecord]) -> dict[str, Any]:
    """The whole file as JSON: {"traceEvents": …, "displayTimeUnit": "ms"}."""
    arrows = count(1)
    events = [event for pid, record in enumerate(records, start=1) for event in _Process(record, pid, arrows).events()]
    return {"traceEvents": events, "displayTimeUnit": "ms"}


class _Process:
    """One record."""

    def __init__(self, record: TraceRecord, pid: int, arrows: Iterator[int]) -> None:
        self._record = record
        self._pid = pid
        self._arrows = arrows
        self._tid = {thread.id: number for number, thread in enumerate(record.threads, start=1)}
        self._thread = {thread.id: thread for thread in record.threads}
        self._critical = set(record.critical_path)
        self._slices: dict[str, list[tuple[int, int]]] = {thread.id: [] for thread in record.threads}
        """Begin and end of each thread's slices so far, in order: arrows stick to slices."""
        self._joined = {child: fork.finished for thread in record.threads for fork in thread.forks for child in fork.children}

    def events(self) -> Iterator[Event]:
        yield self._named("process_name", 0, self._record.title)
        for thread in self._record.threads:
            tid = self._tid[thread.id]
            yield self._named("thread_name", tid, f"{thread.id} {thread.status}")
            yield {**self._named("thread_sort_index", tid, ""), "args": {"sort_index": tid}}
            yield from self._lane(thread)
        for thread in self._record.threads:
            for fork in thread.forks:
                yield from self._links(thread, fork)
        yield from self._live()

    def _named(self, what: str, tid: int, name: str) -> Event:
        return {"ph": "M", "name": what, "pid": self._pid, "tid": tid, "args": {"name": name}}

    def _lane(self, thread: ThreadRecord) -> Iterator[Event]:
        for position, item in enumerate(thread.items):
            if isinstance(item, ForkRecord):
                end = self._record.ledger.wall_seconds if item.finished is None else item.finished
                args = {"children": len(item.children), "join": item.join, **({"winner": item.winner} if item.winner else {})}
                yield from self._slice(thread, f"waits for {len(item.children)} children", item.started, end, args)
            elif item.completion is not None:
                yield from self._request(thread, item, item.completion, critical=(thread.id, position) in self._critical)
        joined = self._joined.get(thread.id)
        if thread.started is not None and thread.finished is not None and joined is not None and thread.status != "cancelled":
            yield from self._slice(thread, "waits for siblings", thread.finished, joined, {})

    def _request(
        self, thread: ThreadRecord, segment: SegmentRecord, request: CompletionRecord, *, critical: bool
    ) -> Iterator[Event]:
        first = request.first_token
        if first is None:  # it waited to its end, unless tokens came and the engine could not tell when
            first = request.submitted if segment.token_ids else request.finished
        if segment.token_ids and _us(first) >= _us(request.finished):
            first = request.submitted  # its tokens came all at its end: no slice would be left to show them
        args = {
            "tokens": len(segment.token_ids),
            "cached": request.cached_tokens,
            "finish": request.finish,
            "critical": critical,
            "logprob_mean": request.logprob_mean,
            "text": segment.text[:SHOWN],
        }
        known = {name: value for name, value in args.items() if value is not None}
        yield from self._slice(
            thread, "waits for its first token", request.submitted, first, {"cached": known.get("cached", "unknown")}
        )
        if segment.token_ids:
            yield from self._slice(
                thread, "sampled, then aborted" if segment.aborted else "sampled", first, request.finished, known
            )

    def _links(self, thread: ThreadRecord, fork: ForkRecord) -> Iterator[Event]:
        for id in fork.children:
            child = self._thread[id]
            if child.started is None or child.finished is None:
                continue
            yield from self._arrow("fork", (thread, self._before(thread, fork.started)), (child, self._after(child, child.started)))
            if fork.finished is not None and child.status != "cancelled":
                end = self._after(thread, fork.finished)
                end = self._before(thread, fork.finished) if end is None else end
                yield from self._arrow("join", (child, self._before(child, child.finished)), (thread, end))

    def _before(self, thread: ThreadRecord, moment: float) -> int | None:
        """Where an arrow leaves at `moment`: in the last slice that began before it. A slice does not hold its own end."""
        at = _us(moment)
        return next((min(at, end - 1) for start, end in reversed(self._slices[thread.id]) if start < at), None)

    def _after(self, thread: ThreadRecord, moment: float) -> int | None:
        """Where an arrow arrives that comes at `moment`: in the first slice that ends after it."""
        at = _us(moment)
        return next((max(at, start) for start, end in self._slices[thread.id] if end > at), None)

    def _slice(self, thread: ThreadRecord, name: str, start: float, end: float, args: dict[str, Any]) -> Iterator[Event]:
        # Whole microseconds: slices of a track that touch do not overlap then.
        ts, stop = _us(start), _us(end)
        if stop > ts:
            self._slices[thread.id].append((ts, stop))
            tid = self._tid[thread.id]
            yield {"ph": "X", "name": name, "cat": "thread", "pid": self._pid, "tid": tid, "ts": ts, "dur": stop - ts, "args": args}

    def _arrow(self, name: str, begin: tuple[ThreadRecord, int | None], end: tuple[ThreadRecord, int | None]) -> Iterator[Event]:
        if begin[1] is None or end[1] is None:
            return
        id = next(self._arrows)
        for ph, (thread, ts), more in (("s", begin, {}), ("f", end, {"bp": "e"})):
            yield {"ph": ph, "name": name, "cat": name, "id": id, "pid": self._pid, "tid": self._tid[thread.id], "ts": ts, **more}

    def _live(self) -> Iterator[Event]:
        requests = [item.completion for thread in self._record.threads for item in thread.segments if item.completion]
        changes = sorted([(_us(r.submitted), 1) for r in requests] + [(_us(r.finished), -1) for r in requests])
        running = accumulate(change for _, change in changes)
        # Of several changes at one moment only the last counts.
        for ts, number in dict(zip((ts for ts, _ in changes), running, strict=True)).items():
            yield {"ph": "C", "name": "live threads", "pid": self._pid, "ts": ts, "args": {"threads": number}}


def _us(seconds: float) -> int:
    return round(1e6 * seconds)
