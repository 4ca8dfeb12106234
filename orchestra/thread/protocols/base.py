"""The grammar of a fork–join format, as seen by the loop. A new format is one small file that implements `ThreadProtocol`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ...engine import Completion
from ..tree import Thread


@dataclass(frozen=True, slots=True)
class Finish:
    """The thread has said what it had to say."""


@dataclass(frozen=True, slots=True)
class Branches:
    """The thread forks: one child for each prompt."""

    prompts: Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Splice:
    """Tokens of ours to add to a thread's context, after cutting it to its first `keep` tokens (None: keep all)."""

    token_ids: Sequence[int]
    keep: int | None = None


Move = Finish | Branches | Splice


class ThreadProtocol(Protocol):
    """Says which tokens fork, what a child sees, when a thread stops and how results come back. Stateless: one object serves all
    threads of all problems."""

    @property
    def name(self) -> str: ...

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        """Ids that end a request, because the loop has to act there."""
        ...

    def after(self, thread: Thread, completion: Completion) -> Move:
        """What follows a completion that is already part of `thread.context`. `Splice` lets the thread go on after tokens of ours."""
        ...

    def succeeded(self, child: Thread) -> bool:
        """Whether a child that has ended reached its goal: a "first" join stops waiting then."""
        ...

    def join(self, thread: Thread, children: Sequence[Thread]) -> Splice:
        """What `thread` gets to see of its children, which have all ended, in the order in which it called them."""
        ...
