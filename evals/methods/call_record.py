"""Calls of a chat model as threads: what a timeline draws of a model whose token ids nobody knows.

Calls of which each began after the other's end are one thread; others are the children of one fork.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from orchestra.thread import Ledger, Status
from orchestra.trace.record import CompletionRecord, ForkRecord, Item, SegmentRecord, ThreadRecord, TraceRecord

from ..method import Costs
from .calls import Call, critical

UNKNOWN = -1
"""Stands for the id of a token that is only counted."""


def record_of_calls(
    calls: Sequence[Call], costs: Costs, *, title: str, session: str, facts: Mapping[str, str], error: str | None = None
) -> TraceRecord | None:
    """None where nothing was asked. Times are seconds since the first call."""
    if not calls:
        return None
    began = min(call.started for call in calls)
    chain = critical(calls)
    ordered = sorted(calls, key=lambda call: call.started)
    if all(before.finished <= after.started for before, after in pairwise(ordered)):
        items = tuple(item for call in ordered for item in _items(call, began))
        threads: tuple[ThreadRecord, ...] = (_thread("0", items, ordered, began),)
        path = tuple(("0", 2 * place + 1) for place in range(len(ordered)))
    else:
        children = tuple(_thread(f"0.{number}", _items(call, began), [call], began) for number, call in enumerate(calls))
        end = max(call.finished for call in calls) - began
        fork = ForkRecord(children=tuple(child.id for child in children), join="all", winner=None, started=0.0, finished=end)
        threads = (_thread("0", (fork,), calls, began), *children)
        path = tuple((f"0.{place}", 1) for place in chain)
    return TraceRecord(
        title=title,
        facts=dict(facts),
        session=session,
        protocol="chat",
        join="all",
        status="failed" if error else threads[0].status,
        timed_out=False,
        error=error,
        threads=threads,
        ledger=_ledger(costs, children=len(threads) - 1),
        critical_path=path,
    )


def _thread(id: str, items: Sequence[Item], calls: Sequence[Call], began: float) -> ThreadRecord:
    status: Status = "cut" if calls[-1].cut else "finished"
    if len(calls) == 1 and not calls[0].ended:
        status = "cancelled"
    return ThreadRecord(
        id=id,
        parent=id.rpartition(".")[0] or None,
        status=status,
        error=None,
        started=min(call.started for call in calls) - began,
        finished=max(call.finished for call in calls) - began,
        items=tuple(items),
    )


def _items(call: Call, began: float) -> tuple[SegmentRecord, SegmentRecord]:
    """What was asked and what was said. What is asked replaces what stood in the context before."""
    completion = CompletionRecord(
        submitted=call.started - began,
        first_token=None if call.first is None else call.first - began,
        finished=call.finished - began,
        finish="abort" if not call.ended else "length" if call.cut else "stop",
        cached_tokens=call.cached,
        logprob_mean=None,
    )
    return (
        SegmentRecord(text=call.asked, token_ids=(UNKNOWN,) * (call.prompt or 0), keep=0, completion=None),
        SegmentRecord(text=call.said, token_ids=(UNKNOWN,) * call.sampled, keep=None, completion=completion),
    )


def _ledger(costs: Costs, *, children: int) -> Ledger:
    return Ledger(
        work=costs.work,
        span=costs.span,
        injected=costs.injected,
        wasted=costs.wasted,
        unobserved=costs.unobserved,
        cached=costs.cached,
        prefilled=costs.prefilled,
        requests=costs.requests,
        children=children,
        refused=0,
        engine_seconds=costs.engine_seconds,
        wall_seconds=costs.wall_seconds,
    )
