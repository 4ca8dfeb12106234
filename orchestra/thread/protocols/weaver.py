"""Prefix-context threads in the manner of ThreadWeaver (2025, arXiv 2512.07843): children see all that their parent saw.

    parent   prompt … PARALLEL OUTLINES OUTLINE 1 words OUTLINE 2 words … OUTLINES_END           it stops there
    child    the parent's context, THREAD 1 | … THREAD_END                                       siblings are invisible
    parent   … OUTLINES_END THREAD 1 … THREAD_END THREAD 2 … THREAD_END PARALLEL_END | …         it concludes in its own words

The join adds every thread's words as they were sampled and takes nothing away, so a parent's window has to hold all of them. A thread without
an end of its own gets one, after a marker that says why: THREAD 2 … CUT THREAD_END, THREAD 3 CANCELLED THREAD_END, THREAD 4 REFUSED
THREAD_END. A block counts when its outlines are numbered 1, 2, …, none is empty and none holds a marker; any other is a fork without children,
in which the parent sees REFUSED PARALLEL_END.

PARALLEL_END is ours, as in the paper (its released code lets the model write it). Left out: closing tags of outlines, which say nothing that
the next one does not, and decoding without an orchestrator. Ours: "first" joins; blocks inside threads, which `Limits.max_depth` allows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field

from ...engine import Completion
from ..tree import Status, Thread
from .base import Branches, Finish, Move, Splice


@dataclass(frozen=True, slots=True, kw_only=True)
class WeaverMarkers:
    """Token ids of the control markers; each is a single token."""

    parallel: int
    parallel_end: int
    outlines: int
    outlines_end: int
    outline: int
    thread: int
    thread_end: int
    goal: int
    """Somewhere in the words of a thread that reached its goal: what a "first" join waits for."""
    cancelled: int
    refused: int
    cut: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weaver:
    """Outlines, threads that see the prefix, and a conclusion that the model writes. `label` gives the tokens of a thread's number, from 1."""

    markers: WeaverMarkers
    label: Callable[[int], Sequence[int]] = field(repr=False)
    name: str = "weaver"

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        return (self.markers.outlines_end, self.markers.thread_end, self.markers.end)

    def after(self, thread: Thread, completion: Completion) -> Move:
        if completion.stop_token != self.markers.outlines_end:
            return Finish()
        outlines = self.outlines(completion.token_ids) or ()
        return Branches([(*thread.context, *self.header(number)) for number in range(1, len(outlines) + 1)])

    def succeeded(self, child: Thread) -> bool:
        words = child.last_words
        return child.status == "finished" and self.markers.goal in words and words[-1] == self.markers.thread_end

    def join(self, thread: Thread, children: Sequence[Thread]) -> Splice:
        return Splice(self.block([(child.status, child.context[len(child.prompt) :]) for child in children]))

    def outlines(self, token_ids: Sequence[int]) -> list[tuple[int, ...]] | None:
        """What each outline of the last block asks for, without its number; None unless `token_ids` end in a well-formed block."""
        marker, ids = self.markers, list(token_ids)
        if marker.parallel not in ids:
            return None
        block = ids[len(ids) - 1 - ids[::-1].index(marker.parallel) :]
        if block[1:3] != [marker.outlines, marker.outline] or block[-1] != marker.outlines_end:
            return None
        found: list[list[int]] = []
        for token in block[2:-1]:
            if token == marker.outline:
                found.append([])
            else:
                found[-1].append(token)
        specs: list[tuple[int, ...]] = []
        for number, words in enumerate(found, start=1):
            label = list(self.label(number))
            if words[: len(label)] != label or len(words) == len(label) or not set(words).isdisjoint(astuple(marker)):
                return None
            specs.append(tuple(words[len(label) :]))
        return specs

    def header(self, number: int) -> tuple[int, ...]:
        """What opens the thread of a number, from 1."""
        return (self.markers.thread, *self.label(number))

    def block(self, children: Sequence[tuple[Status, Sequence[int]]]) -> tuple[int, ...]:
        """What a parent sees after its outlines: of each child how it ended and the words in its context."""
        marker = self.markers
        if not children:
            return (marker.refused, marker.parallel_end)
        ids: list[int] = []
        for number, (status, words) in enumerate(children, start=1):
            ids += (*self.header(number), *self._shown(status, words), marker.thread_end)
        return (*ids, marker.parallel_end)

    def _shown(self, status: Status, words: Sequence[int]) -> tuple[int, ...]:
        marker = self.markers
        match status:
            case "finished":
                # END inside a thread is a mistake, which must not look like the parent's own end.
                return tuple(words[:-1] if words and words[-1] in (marker.thread_end, marker.end) else words)
            case "cut":
                return (*words, marker.cut)
            case "refused":
                return (marker.refused,)
            case _:
                return (marker.cancelled,)
