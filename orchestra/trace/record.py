"""A run tree as plain data: what goes to disk, comes back equal, and is drawn.

A record adds two things to the tree it was made from, text and the critical path, and leaves out what only a running engine needs. Its
threads form a flat list in tree order, each with its items in the order in which they happened; a fork names its children by id. All times
are seconds since the run started.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from ..engine import Completion, Finish
from ..errors import ConfigError
from ..thread import Fork, Join, Ledger, RunTree, Segment, Status, Thread, ledger
from ..thread.ledger import critical_path
from .files import write_text

Decode = Callable[[Sequence[int]], str]
"""Token ids to the text that people read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRecord:
    """The engine's account of one request."""

    submitted: float
    first_token: float | None
    """None when no token came, or when the engine cannot tell."""
    finished: float
    finish: Finish
    cached_tokens: int | None
    """Prompt tokens served from the prefix cache; None when the engine does not say."""
    logprob_mean: float | None
    """None when nothing was sampled, or when the engine has no log-probabilities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRecord:
    """Tokens added to a thread at one go."""

    kind: Literal["segment"] = "segment"
    text: str
    token_ids: tuple[int, ...]
    keep: int | None
    """How many tokens of the context stay before an injected segment; None keeps all."""
    completion: CompletionRecord | None
    """None when the tokens were injected."""

    @property
    def sampled(self) -> bool:
        return self.completion is not None

    @property
    def aborted(self) -> bool:
        return self.completion is not None and self.completion.finish == "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkRecord:
    """Child threads that a thread started, and how it joined them."""

    kind: Literal["fork"] = "fork"
    children: tuple[str, ...]
    join: Join
    winner: str | None
    started: float
    finished: float | None
    """None when the tree was left before the join."""


Item = Annotated[SegmentRecord | ForkRecord, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadRecord:
    """One sequence that was decoded."""

    id: str
    parent: str | None
    status: Status
    error: str | None
    started: float | None
    """None when it never started."""
    finished: float | None
    items: tuple[Item, ...]

    @property
    def depth(self) -> int:
        return self.id.count(".")

    @property
    def segments(self) -> list[SegmentRecord]:
        return [item for item in self.items if isinstance(item, SegmentRecord)]

    @property
    def forks(self) -> list[ForkRecord]:
        return [item for item in self.items if isinstance(item, ForkRecord)]

    @property
    def num_sampled(self) -> int:
        return sum(len(segment.token_ids) for segment in self.segments if segment.sampled)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRecord:
    """One run of one problem."""

    title: str
    facts: dict[str, str] = field(default_factory=dict)
    """What the caller wants people to know about the run, such as the problem, the answer and the model."""
    session: str
    protocol: str
    join: Join
    status: Status
    """The root thread's."""
    timed_out: bool
    error: str | None
    threads: tuple[ThreadRecord, ...]
    """Parents before children, children in the order of the calls; the root is the first."""
    ledger: Ledger
    critical_path: tuple[tuple[str, int], ...]
    """The sampled segments that the span counts: (thread id, index into its items)."""

    @property
    def winners(self) -> set[str]:
        """The children whose success ended a "first" join."""
        return {fork.winner for thread in self.threads for fork in thread.forks if fork.winner is not None}


def record(tree: RunTree, *, decode: Decode, title: str, facts: Mapping[str, str] | None = None) -> TraceRecord:
    """Record a tree that has ended."""
    return TraceRecord(
        title=title,
        facts=dict(facts or {}),
        session=tree.session,
        protocol=tree.protocol,
        join=tree.join,
        status=tree.root.status,
        timed_out=tree.timed_out,
        error=tree.error,
        threads=tuple(_thread(thread, decode, tree.started) for thread in tree.threads),
        ledger=ledger(tree),
        critical_path=tuple((thread.id, _position(thread, segment)) for thread, segment in critical_path(tree.root)),
    )


def write_records(records: Sequence[TraceRecord], path: Path) -> None:
    """One line of JSON a record; an existing file is replaced at once."""
    write_text(path, "".join(_RECORD.dump_json(record).decode() + "\n" for record in records))


def read_records(path: Path) -> list[TraceRecord]:
    """What `write_records` wrote."""
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if line:
            try:
                records.append(_RECORD.validate_json(line))
            except ValidationError as error:
                raise ConfigError(f"{path}:{number} is no trace record; write it again with `write_records`: {error}") from error
    return records


_RECORD = TypeAdapter(TraceRecord)


def _thread(thread: Thread, decode: Decode, start: float) -> ThreadRecord:
    return ThreadRecord(
        id=thread.id,
        parent=thread.id.rpartition(".")[0] or None,
        status=thread.status,
        error=thread.error,
        started=_since(start, thread.started),
        finished=_since(start, thread.finished),
        items=tuple(_segment(item, decode, start) if isinstance(item, Segment) else _fork(item, start) for item in thread.items),
    )


def _segment(segment: Segment, decode: Decode, start: float) -> SegmentRecord:
    return SegmentRecord(
        text=decode(segment.token_ids),
        token_ids=tuple(segment.token_ids),
        keep=segment.keep,
        completion=_completion(segment.completion, start) if segment.completion else None,
    )


def _completion(completion: Completion, start: float) -> CompletionRecord:
    logprobs = completion.logprobs
    return CompletionRecord(
        submitted=completion.timings.submitted - start,
        first_token=_since(start, completion.timings.first_token),
        finished=completion.timings.finished - start,
        finish=completion.finish,
        cached_tokens=completion.cached_tokens,
        logprob_mean=sum(logprobs) / len(logprobs) if logprobs else None,
    )


def _fork(fork: Fork, start: float) -> ForkRecord:
    return ForkRecord(
        children=tuple(child.id for child in fork.children),
        join=fork.join,
        winner=fork.winner.id if fork.winner else None,
        started=fork.started - start,
        finished=_since(start, fork.finished),
    )


def _since(start: float, moment: float | None) -> float | None:
    return None if moment is None else moment - start


def _position(thread: Thread, segment: Segment) -> int:
    # By identity: two requests of a thread may have sampled the same tokens.
    return next(index for index, item in enumerate(thread.items) if item is segment)
