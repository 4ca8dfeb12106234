"""The account of a run tree: what was sampled, injected, cached, prefilled and wasted, and how long it took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .tree import Fork, RunTree, Segment, Thread


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Counts are tokens unless they say otherwise. Names follow `DESIGN.md`; other papers' names are in the README's glossary."""

    work: int
    """All sampled tokens, cancelled ones included."""
    span: int
    """Sampled tokens on the critical path: through the winner of a "first" join, through the longest child of an "all" join."""
    injected: int
    """Tokens that we wrote: prompts, headers, joined text."""
    wasted: int
    """Sampled tokens of cancelled threads, of all that those had called, and of attempts that were lost and retried."""
    unobserved: int
    """Upper bound on tokens that the engine may have sampled before or after an abort and never reported; not part of `work`."""
    cached: int | None
    """Prompt tokens served from the prefix cache; None when the engine does not say. Aborted requests count where it says so of them (over
    HTTP it does not)."""
    prefilled: int | None
    """Prompt tokens of the same requests that had to be computed."""
    requests: int
    children: int
    """Threads below the root that were started."""
    refused: int
    """Children that a limit kept from starting."""
    engine_seconds: float
    """Sum over requests of the time between submission and end."""
    wall_seconds: float

    @property
    def parallelism(self) -> float:
        """work / span; 1.0 for a serial run."""
        return self.work / self.span if self.span else 1.0

    @property
    def cached_share(self) -> float | None:
        """Share of all prompt tokens that came from the prefix cache."""
        if self.cached is None or self.prefilled is None:
            return None
        return self.cached / (self.cached + self.prefilled) if self.cached + self.prefilled else 0.0


def critical_child(fork: Fork) -> Thread | None:
    """The child that the join had to wait for: the winner of a "first" join, else the child with the longest span."""
    return fork.winner or max(fork.children, key=span, default=None)


def span(thread: Thread) -> int:
    """Sampled tokens on the critical path of `thread`, in its own segments and through one child of each of its forks."""
    total = 0
    for item in thread.items:
        if isinstance(item, Segment):
            total += len(item.token_ids) if item.sampled else 0
        elif (child := critical_child(item)) is not None:
            total += span(child)
    return total


def critical_path(thread: Thread) -> Iterator[tuple[Thread, Segment]]:
    """The sampled segments whose tokens `span` counts, in order, each with its thread."""
    for item in thread.items:
        if isinstance(item, Segment):
            if item.sampled:
                yield thread, item
        elif (child := critical_child(item)) is not None:
            yield from critical_path(child)


def ledger(tree: RunTree) -> Ledger:
    """Account for a tree that has ended."""
    threads = tree.threads
    completions = list(tree.requests())
    answered = [(context, completion) for context, completion in completions if completion.cached_tokens is not None]
    known = all(completion.cached_tokens is not None or completion.finish == "abort" for _, completion in completions)
    sampled = [(thread, segment) for thread in threads for segment in thread.segments if segment.sampled]
    return Ledger(
        work=sum(len(completion.token_ids) for _, completion in completions),
        span=span(tree.root),
        injected=sum(len(segment.token_ids) for thread in threads for segment in thread.segments if not segment.sampled),
        wasted=_wasted(tree.root),
        unobserved=sum(segment.granted - len(segment.token_ids) for _, segment in sampled if segment.aborted),
        cached=sum(completion.cached_tokens or 0 for _, completion in answered) if known else None,
        prefilled=sum(len(context) - (completion.cached_tokens or 0) for context, completion in answered) if known else None,
        requests=len(completions),
        children=sum(thread.depth > 0 and thread.status != "refused" for thread in threads),
        refused=sum(thread.status == "refused" for thread in threads),
        engine_seconds=sum(completion.timings.seconds for _, completion in completions),
        wall_seconds=(tree.finished or tree.started) - tree.started,
    )


def _wasted(thread: Thread, *, lost: bool = False) -> int:
    """Tokens that led nowhere: of lost attempts, of cancelled threads, and of all that those had called. Of a root that its caller cancelled,
    what children had found stays."""
    cancelled = lost or thread.status == "cancelled"
    own = sum(len(segment.token_ids) for segment in thread.segments if segment.sampled and (cancelled or segment.aborted))
    below = cancelled and thread.depth > 0
    return own + sum(_wasted(child, lost=below) for fork in thread.forks for child in fork.children)
