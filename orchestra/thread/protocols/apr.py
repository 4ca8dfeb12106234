"""Adaptive Parallel Reasoning (Pan et al. 2025, arXiv 2504.15466, section 3): children with a fresh context; only results return.

    parent   prompt … CALL spec CALL spec … WAIT                            it stops at WAIT
    child    child_prompt(parent's prompt, spec) … GOAL path END  |  … NONE END
    parent   prompt … RESULTS outcome outcome … RESULTS_END …               the calling block is replaced, then it goes on

An outcome is GOAL and what the child wrote after it, or one marker that says why there is none. Left out: the paper's levels deeper
than one are a limit of the run (`Limits.max_depth`), not of the format. Ours: joins with cancelled, refused and cut children.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ...engine import Completion
from ..tree import Status, Thread
from .base import Branches, Finish, Move, Splice


@dataclass(frozen=True, slots=True, kw_only=True)
class AprMarkers:
    """Token ids of the control markers; each is a single token."""

    call: int
    wait: int
    results: int
    results_end: int
    goal: int
    none: int
    cancelled: int
    refused: int
    cut: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Apr:
    """APR over any task: `child_prompt` makes a child's context from its parent's prompt and the tokens of its call."""

    markers: AprMarkers
    child_prompt: Callable[[Sequence[int], Sequence[int]], Sequence[int]] = field(repr=False)
    max_paths: int = 4
    """Successes of one join that return their path; later ones return a bare GOAL, because a parent needs one path and every further
    one costs it window (of 200 problems with 18 children each, 4 had joins that no longer fitted)."""
    name: str = "apr"

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        return (self.markers.wait, self.markers.end)

    def after(self, thread: Thread, completion: Completion) -> Move:
        if completion.stop_token != self.markers.wait:
            return Finish()
        block = thread.context[self._block_start(thread) : -1]
        specs: list[list[int]] = []
        for token in block:
            if token == self.markers.call:
                specs.append([])
            else:
                specs[-1].append(token)
        return Branches([self.child_prompt(thread.prompt, spec) for spec in specs])

    def succeeded(self, child: Thread) -> bool:
        return child.status == "finished" and self.markers.goal in child.last_words

    def join(self, thread: Thread, children: Sequence[Thread]) -> Splice:
        outcomes = [self.outcome(child.status, child.last_words) for child in children]
        return Splice(self.results_block(outcomes), keep=self._block_start(thread))

    def outcome(self, status: Status, said: Sequence[int]) -> tuple[int, ...]:
        """What a parent sees of one child."""
        marker = self.markers
        match status:
            case "finished" if marker.goal in said:
                start = len(said) - 1 - list(reversed(said)).index(marker.goal)
                return tuple(token for token in said[start:] if token != marker.end)
            case "finished":
                return (marker.none,)
            case "cut":
                return (marker.cut,)
            case "refused":
                return (marker.refused,)
            case _:
                return (marker.cancelled,)

    def results_block(self, outcomes: Sequence[Sequence[int]]) -> tuple[int, ...]:
        ids, paths = [self.markers.results], 0
        for outcome in outcomes:
            succeeded = outcome[0] == self.markers.goal
            ids += outcome[:1] if succeeded and paths == self.max_paths else outcome
            paths += succeeded and paths < self.max_paths
        return (*ids, self.markers.results_end)

    def _block_start(self, thread: Thread) -> int:
        """Where the calling block begins: at the first call after the last results block; at WAIT when nothing was called."""
        context, marker = thread.context, self.markers
        start = len(thread.prompt)
        if marker.results_end in context[start:]:
            start = len(context) - list(reversed(context)).index(marker.results_end)
        return context.index(marker.call, start) if marker.call in context[start:] else len(context) - 1
