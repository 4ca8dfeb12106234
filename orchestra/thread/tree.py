"""The run tree: everything that one problem caused, thread by thread, token by token.

A thread is a list of segments and forks in the order in which they happened. Its context at any moment is a replay of that list, so the
exact ids that the engine saw for each sampled token are never stored twice and never re-tokenised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..engine import Completion

Join = Literal["all", "first"]
"""When a fork is over: all children have ended (the papers), or the first one has succeeded (its siblings are cancelled)."""

Status = Literal["running", "finished", "cut", "cancelled", "refused", "failed"]
"""cut: ran out of its window or of the tree's tokens · cancelled: by a policy, the caller or the tree's deadline · refused: never started, a
limit forbade it · failed: the engine failed, which says nothing about the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Tokens added to a thread at one go: sampled by the model, or injected by us (prompt, header, joined text)."""

    token_ids: Sequence[int]
    completion: Completion | None = None
    """The engine's account of sampled tokens; None when they were injected."""
    granted: int = 0
    """`max_tokens` of the request that sampled them; 0 when they were injected."""
    keep: int | None = None
    """How many tokens of the context stay before an injected segment (APR replaces its calling block); None keeps all."""

    @property
    def sampled(self) -> bool:
        return self.completion is not None

    @property
    def aborted(self) -> bool:
        """Sampled, paid for, and no part of any context: its request ended without a result."""
        return self.completion is not None and self.completion.finish == "abort"


@dataclass(slots=True, kw_only=True)
class Fork:
    """Child threads that a thread started, and how it joined them."""

    children: list[Thread]
    join: Join
    started: float
    finished: float | None = None
    """None while it runs, and for ever when the tree was left before the join."""
    winner: Thread | None = None
    """The child whose success ended a "first" join."""


@dataclass(slots=True)
class Thread:
    """One sequence being decoded, with its own context."""

    id: str
    """Path from the root: "0" is the root, "0.2" its third child."""
    depth: int = 0
    items: list[Segment | Fork] = field(default_factory=list)
    status: Status = "running"
    error: str | None = None
    """Why it failed or was refused, for people."""
    started: float | None = None
    finished: float | None = None
    traceparent: str | None = field(default=None, compare=False)
    """Goes with its requests (`engine.Request.traceparent`). Children begin with their parent's; an observer that traces sets it when the
    thread starts."""
    context: list[int] = field(default_factory=list)
    """The ids that the next request would send. Read only: `inject` and `record` change it."""

    def inject(self, token_ids: Sequence[int], *, keep: int | None = None) -> None:
        """Add tokens of ours, after cutting the context to its first `keep` tokens."""
        if keep is not None:
            assert 0 <= keep <= len(self.context), (keep, len(self.context))
            del self.context[keep:]
        self.items.append(Segment(token_ids=tuple(token_ids), keep=keep))
        self.context.extend(token_ids)

    def record(self, completion: Completion, *, granted: int) -> None:
        """Add what one request sampled. Aborted work is kept for the account but does not become context."""
        segment = Segment(token_ids=completion.token_ids, completion=completion, granted=granted)
        self.items.append(segment)
        if not segment.aborted:
            self.context.extend(completion.token_ids)

    def end(self, status: Status, *, at: float, error: str | None = None) -> None:
        assert self.status == "running", f"thread {self.id} has already ended: {self.status}"
        self.status, self.finished, self.error = status, at, error

    @property
    def prompt(self) -> Sequence[int]:
        """The first injected segment."""
        first = self.items[0]
        assert isinstance(first, Segment) and not first.sampled
        return first.token_ids

    @property
    def segments(self) -> Iterator[Segment]:
        return (item for item in self.items if isinstance(item, Segment))

    @property
    def forks(self) -> Iterator[Fork]:
        return (item for item in self.items if isinstance(item, Fork))

    @property
    def sampled_ids(self) -> list[int]:
        """All tokens this thread sampled, aborted ones included, in order."""
        return [token for segment in self.segments if segment.sampled for token in segment.token_ids]

    @property
    def last_words(self) -> Sequence[int]:
        """What its last request that ended well has sampled; empty when there is none."""
        return next((s.token_ids for s in reversed(list(self.segments)) if s.sampled and not s.aborted), ())

    def requests(self) -> Iterator[tuple[list[int], Completion]]:
        """Each request of this thread as (exact context ids, completion), by replaying its segments."""
        context: list[int] = []
        for segment in self.segments:
            if segment.completion is not None:
                yield list(context), segment.completion
            if segment.keep is not None:
                del context[segment.keep :]
            if not segment.aborted:
                context.extend(segment.token_ids)

    def walk(self) -> Iterator[Thread]:
        """This thread and all below it, parents first, children in the order of the calls."""
        yield self
        for fork in self.forks:
            for child in fork.children:
                yield from child.walk()


@dataclass(slots=True, kw_only=True)
class RunTree:
    """One run of one problem."""

    session: str
    protocol: str
    join: Join
    root: Thread
    started: float
    finished: float | None = None
    timed_out: bool = False

    @property
    def threads(self) -> list[Thread]:
        return list(self.root.walk())

    @property
    def silent_root(self) -> bool:
        """Whether the root only holds others together, as in a race: it was asked for nothing."""
        return not any(segment.token_ids for segment in self.root.segments) and any(fork.children for fork in self.root.forks)

    @property
    def num_threads(self) -> int:
        """Threads that were started, without a silent root."""
        return sum(thread.status != "refused" for thread in self.threads) - self.silent_root

    @property
    def winner(self) -> Thread | None:
        """Of a race, the runner that succeeded first; None where none did, and of other runs."""
        return next(self.root.forks).winner if self.silent_root else None

    @property
    def speaker(self) -> Thread:
        """Whose last words are the run's: the root, or, where that is silent, the winner; where nobody won, the first runner."""
        return self.winner or (next(self.root.forks).children[0] if self.silent_root else self.root)

    @property
    def error(self) -> str | None:
        """The first engine failure anywhere in the tree. An errored run is never scored, right or wrong: scoring it only when it is right
        would make an outage look like skill."""
        return next((f"thread {t.id}: {t.error}" for t in self.threads if t.status == "failed"), None)

    def requests(self) -> Iterator[tuple[list[int], Completion]]:
        """Every request of the tree with its exact context, thread by thread."""
        for thread in self.root.walk():
            yield from thread.requests()
