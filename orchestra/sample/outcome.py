"""What came out of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .account import Account
from .decisions import Decision
from .events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One event and what the policy made of it: the log from which `decide_again` checks that a policy is pure."""

    event: Event
    decisions: Sequence[Decision]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of one run of a policy."""

    answer: str | None
    """Canonical; None when nothing readable was found, or when every trace was lost (then `error` says why)."""
    trace: int | None
    """The trace whose words are the answer."""
    why: str
    """The stop's reason, for people."""
    posterior: float | None
    account: Account
    error: str | None = None
    """Set when engine failures left nothing to answer from. An errored run is never scored."""
    turns: Sequence[Turn] = field(default=(), repr=False)
    """Everything that was told and decided, where it was asked for."""
