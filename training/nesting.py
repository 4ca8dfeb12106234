"""Forks that fit any window: a child that would run out of room asks children of its own for the rest of its search.

    root     <call> a op b <call> … <wait>                     as many calls as its window holds
    child    <1> a op b = r x y <2> … : … <2> … : …            a few states itself, the most promising first,
             <call> c op d <call> … <wait>                     and the others by children; the block is replaced by their results
    below    <1> a op b = r x y <2> c op d = s z : …           one state each

With the plain promising order and joins at the first success the scripted player (`orchestra.countdown.player`), which does the same, solves all of 150
validation problems in a window of 92 tokens, by 1,131 sampled tokens with a critical path of 135; where children may not fork, 135 of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from orchestra.countdown import notation, search
from orchestra.countdown.problem import Problem
from orchestra.countdown.rules import Operation

_ALL = 1_000


@dataclass(frozen=True)
class Child:
    """A child's whole life: the states that it searched itself, and those that it called others for."""

    prompt: tuple[int, ...]
    operation: Operation
    own: tuple[int, ...]
    """What it wrote of its search, endings and calls excluded."""
    found: tuple[Operation, ...] | None
    """The path that it found itself."""
    called: tuple[Operation, ...] = ()
    below: tuple[search.Trace, ...] = ()
    """One for each call."""

    @cached_property
    def written(self) -> tuple[int, ...]:
        """What it writes in its first turn: up to its end, or its fork."""
        return (*self.own, *(search.calling_block(self.called) if self.called else search.final_answer([self.found])))

    @cached_property
    def last(self) -> search.Trace:
        """Its last words, as its parent sees them."""
        path = self.found or next((trace.path for trace in self.below if trace.path), None)
        return search.Trace(search.final_answer([path]), path)

    @property
    def span(self) -> float:
        """Token steps until it ends, if each thread writes one a step and the first success ends a fork."""
        if not self.called:
            return len(self.written)
        ends = [len(trace.token_ids) for trace in self.below if trace.path] or [max(len(trace.token_ids) for trace in self.below)]
        return len(self.written) + min(ends) + len(self.last.token_ids)


def child(
    problem: Problem,
    operation: Operation,
    *,
    parent: Sequence[int],
    window: int,
    looks: int,
    visits: search.Visits = search.promising,
) -> Child:
    """The child that the root of a problem with four numbers called for `operation`.

    It searches `looks` states itself, fewer where the calls for all others would no longer fit, and all of them where there is room.
    """
    prompt = notation.child_prompt(parent, notation.call(operation))
    after = search.state_after(problem.numbers, operation)
    states = [successor for successor, _ in visits(after, problem.target, _ALL)]
    traces = [search.child(problem, operation, state, beam=1) for state in states]
    head = notation.visit(1, operation, search.rest(operation, after))
    looked = [trace.searched[len(head) :] for trace in traces]
    alone = len(prompt) + len(head) + sum(map(len, looked)) + search.PATH + 1 <= window
    own, place = head, 0
    while place < len(states):
        grown = (*own, *looked[place])
        left = states[place + 1 :]
        if not alone and (place >= looks or search.fitting(left, window - len(prompt) - len(grown)) != left):
            break
        own, place = grown, place + 1
        if path := traces[place - 1].path:
            return Child(prompt, operation, own, path)
    called = search.fitting(states[place:], window - len(prompt) - len(own))
    return Child(prompt, operation, own, None, tuple(called), tuple(traces[place : place + len(called)]))
