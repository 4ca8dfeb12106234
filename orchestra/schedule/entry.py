"""A node in a run: what it still waits for, who waits for it, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..plan.node import Effect, Node
from ..plan.ref import refs
from ..tools.tool import Tool
from .claims import Claim
from .outcome import NOTHING, ONE_CALL, Outcome, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about a node's call before its inputs are."""

    kind: str
    """What durations are learned by: "tool:search", "model:small"."""
    effect: Effect = "pure"
    resource: str | None = None
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    wanted: Usage = ONE_CALL
    """Reserved from the budget before it starts."""
    timeout_s: float | None = None
    tool: Tool | None = None
    """For tool calls."""
    waits: bool = False
    """It only waits for nodes of its own (a sub-plan), so that it takes no slot and nothing of the budget itself."""


@dataclass(slots=True, eq=False)
class Entry:
    """Mutable; `Graph` and `Flow` change it."""

    node: Node
    facts: Facts
    number: int
    """In order of adding, which is an order in which every node comes after those that it waits for."""
    grant: Callable[[Entry], None]
    """What `granted` tells."""
    seconds: float | None = None
    """What planner or tool expect it to take."""
    claims: tuple[Claim, ...] = ()
    priority: float = 0.0
    """Expected seconds from its start to the end of everything that depends on it."""
    upstream: Sequence[Entry] = ()
    dependents: Sequence[Entry] = ()
    unmet: int = 0
    """Nodes that it waits for and that have not ended."""
    succeeded: int = 0
    """Of those that have ended."""
    state: Literal["waiting", "ready", "running", "ended"] = "waiting"
    """`outcome` says how it ended."""
    task: asyncio.Task[None] | None = None
    outcome: Outcome | None = None
    reserved: Usage = NOTHING
    """Of the budget, from when it is ready until it has ended."""
    cheapest: bool = False
    """The budget wants it done by the cheapest model."""
    began: float | None = None
    """When its task took its first step."""
    life: int = 0
    """Grows when a patch lets it start anew: what was planned for an earlier life does not happen."""
    why_cancelled: str | None = None

    @property
    def withdrawn(self) -> bool:
        return self.state != "ready"

    def granted(self) -> None:
        self.grant(self)

    def needs(self, other: Entry) -> bool:
        """Whether it waits for `other` for its own sake, not only as a fallback for another."""
        node = self.node
        return other.node.id in node.depends_on or any(ref.node == other.node.id for value in node.values for ref in refs(value))
