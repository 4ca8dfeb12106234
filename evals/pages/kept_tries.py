"""Kept tries as the page carries them: each compressed by itself, so that the browser unpacks only what is looked at."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestra.trace.record import CompletionRecord, ForkRecord, Item, TraceRecord

from ..method import Kept
from .columns import Place
from .drawing import drawing
from .safe_json import compact, moment
from .shown import Shown

_LEVEL = 6
_NOTHING = Kept()


@dataclass
class KeptTries:
    """Gives the page's text of kept tries, piece by piece; what it says of them is known when the last piece has been taken."""

    runs: Sequence[Shown]
    limit: int
    """Characters that all tries of a page may have. Runs share it evenly; what one leaves over goes to the next."""
    places: list[dict[tuple[str, int], Place]] = field(init=False)
    """Where each try lies, by run."""
    left_out: list[int] = field(init=False)
    """Tries that the page lacks because it is full, by run: those not read any more are taken to have been kept."""

    def __post_init__(self) -> None:
        self.places = [{} for _ in self.runs]
        self.left_out = [0] * len(self.runs)

    def pieces(self) -> Iterator[str]:
        """Base64 of zlib-compressed JSON (`plain`), one after the other without anything between them."""
        offset = 0
        for number, run in enumerate(self.runs):
            end = offset + (self.limit - offset) // (len(self.runs) - number)
            wanted = {row.key for row in run.rows}
            for key, kept in run.kept():
                if key not in wanted or replace(kept, problem=None) == _NOTHING:
                    continue
                piece = base64.b64encode(zlib.compress(compact(plain(kept)).encode(), _LEVEL)).decode()
                if offset + len(piece) > end:
                    # What comes after is not even read: a page of large runs takes no longer than a full one.
                    self.left_out[number] = len(wanted - self.places[number].keys())
                    break
                self.places[number][key] = offset, len(piece)
                offset += len(piece)
                yield piece


def plain(kept: Kept) -> dict[str, Any]:
    """What the page shows of a try: texts and moments, but no token ids, only how many there are."""
    return {
        "problem": kept.problem,
        "text": kept.text,
        "tree": _tree(kept.tree) if kept.tree else None,
        "plan": drawing(kept.plan, kept.outcomes) if kept.plan else None,
    }


def _tree(record: TraceRecord) -> dict[str, Any]:
    return {
        "title": record.title,
        "facts": record.facts,
        "protocol": record.protocol,
        "join": record.join,
        "status": record.status,
        "timed_out": record.timed_out,
        "error": record.error,
        "wall": moment(record.ledger.wall_seconds),
        "critical": record.critical_path,
        "threads": [
            {
                "id": thread.id,
                "parent": thread.parent,
                "status": thread.status,
                "error": thread.error,
                "started": moment(thread.started),
                "finished": moment(thread.finished),
                "items": [_item(item) for item in thread.items],
            }
            for thread in record.threads
        ],
    }


def _item(item: Item) -> dict[str, Any]:
    if isinstance(item, ForkRecord):
        return {
            "kind": "fork",
            "children": item.children,
            "join": item.join,
            "winner": item.winner,
            "started": moment(item.started),
            "finished": moment(item.finished),
        }
    return {
        "kind": "segment",
        "text": item.text,
        "tokens": len(item.token_ids),
        "keep": item.keep,
        "request": _request(item.completion) if item.completion else None,
    }


def _request(completion: CompletionRecord) -> dict[str, Any]:
    return {
        "submitted": moment(completion.submitted),
        "first": moment(completion.first_token),
        "finished": moment(completion.finished),
        "finish": completion.finish,
        "cached": completion.cached_tokens,
        "logprob": None if completion.logprob_mean is None else round(completion.logprob_mean, 4),
    }
