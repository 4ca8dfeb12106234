"""The state of a running plan, without time or tasks: who waits for whom, and what an end sets free."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import PlanError
from ..plan.node import INPUT, Node
from ..plan.ref import OMIT, Ref, follow, resolve
from .entry import Entry, Facts
from .estimates import Durations
from .outcome import Outcome


@dataclass(slots=True)
class Changed:
    """What a change set free."""

    ready: list[Entry] = field(default_factory=list)
    skipped: list[Entry] = field(default_factory=list)
    """Ended without having run, because of what they need."""


class Graph:
    """Entries by id. `arguments`: of the sub-plan that this is, for references to `input`."""

    def __init__(self, arguments: Mapping[str, Any] | None = None) -> None:
        self.entries: dict[str, Entry] = {}
        self.live = 0
        """Entries that have not ended."""
        self.arguments = arguments

    def add(self, entry: Entry) -> None:
        """Wire it up; `consider` tells what becomes of it. Raises `PlanError` for an id that is taken or a reference that leads nowhere."""
        id = entry.node.id
        if id in self.entries:
            raise PlanError(f"there is already a node {id!r}: patch the plan to replace it")
        self._wire(entry)
        self.entries[id] = entry
        self.live += 1

    def consider(self, entries: Iterable[Entry], now: float) -> Changed:
        """Which of `entries` may start, or can no longer."""
        changed = Changed()
        for entry in entries:
            if entry.state == "waiting" and (verdict := self._verdict(entry)) is not None:
                self._carry_out(entry, verdict, changed, now)
        return changed

    def end(self, entry: Entry, outcome: Outcome) -> Changed | None:
        """`entry` has ended so. Everything that this sets free or makes impossible, directly or not; None when nobody waited."""
        if entry.dependents:
            changed = Changed()
            self._end(entry, outcome, changed)
            return changed
        entry.state, entry.outcome = "ended", outcome
        self.live -= 1
        return None

    def replace(self, id: str, node: Node, facts: Facts) -> list[Entry]:
        """Another node in the place of one, which starts anew with whatever was skipped because of it; these are to be considered."""
        entry = self.entries[id]
        revived = self._skipped_after(entry)
        for upstream in entry.upstream:
            upstream.dependents = [other for other in upstream.dependents if other is not entry]
        entry.node, entry.facts, entry.seconds = node, facts, expected_seconds(node, facts)
        for again in revived:
            if again.state == "ended":
                self.live += 1
            again.state, again.outcome, again.why_cancelled, again.task = "waiting", None, None, None
            again.began = None
            again.life += 1
        self._wire(entry)
        for again in revived:
            if again is not entry:
                self._count(again)
            for dependent in again.dependents:
                if dependent.state == "waiting":
                    self._count(dependent)
        return revived

    def remove(self, id: str) -> Entry:
        """Take out one that nobody waits for any more."""
        entry = self.entries.pop(id)
        assert not entry.dependents, f"{[d.node.id for d in entry.dependents]} still wait for {id}"
        for upstream in entry.upstream:
            upstream.dependents = [other for other in upstream.dependents if other is not entry]
        if entry.state != "ended":
            self.live -= 1
        return entry

    def prioritise(self, durations: Durations) -> None:
        """Priority of every live entry: expected seconds to the end of the longest chain that begins with it."""
        order: list[Entry] = []
        unmet = {id: sum(upstream.state != "ended" for upstream in entry.upstream) for id, entry in self.entries.items()}
        queue = deque(entry for id, entry in self.entries.items() if not unmet[id])
        while queue:
            entry = queue.popleft()
            order.append(entry)
            if entry.state == "ended":
                continue
            for dependent in entry.dependents:
                unmet[dependent.node.id] -= 1
                if not unmet[dependent.node.id]:
                    queue.append(dependent)
        for entry in reversed(order):
            after = max((dependent.priority for dependent in entry.dependents if dependent.state != "ended"), default=0.0)
            entry.priority = durations.expected(entry.facts.kind, entry.seconds) + after

    def value(self, entry: Entry, ref: Ref) -> Any:
        """What `entry` gets for `ref`, by the policy of that edge. Raises `Missing` for a path that is not there."""
        if ref.node == INPUT:
            return follow(ref, self.arguments)
        outcome = self.entries[ref.node].outcome
        if outcome is not None and outcome.status == "succeeded":
            return follow(ref, outcome.value)
        edge = entry.node.edge(ref.node)
        if edge.on_failure == "optional":
            return OMIT
        if edge.on_failure == "fallback":
            return resolve(edge.fallback, lambda other: self.value(entry, other))
        if edge.on_failure == "continue" or entry.node.quorum is not None:
            return None
        raise PlanError(f"{ref.node} has no output to fall back on: {outcome.error if outcome else 'it has not ended'}")

    def _wire(self, entry: Entry) -> None:
        if not entry.node.waits_for:
            entry.upstream, entry.unmet, entry.succeeded = (), 0, 0
            return
        try:
            entry.upstream = [self.entries[needed] for needed in entry.node.waits_for]
        except KeyError as missing:
            message = f"node {entry.node.id} waits for {missing}, which is not there: add nodes after those that they wait for"
            raise PlanError(message) from missing
        for upstream in entry.upstream:
            if isinstance(upstream.dependents, list):
                upstream.dependents.append(entry)
            else:
                upstream.dependents = [entry]
        self._count(entry)

    def _count(self, entry: Entry) -> None:
        entry.unmet = sum(upstream.state != "ended" for upstream in entry.upstream)
        entry.succeeded = sum(upstream.outcome is not None and upstream.outcome.ok for upstream in entry.upstream)

    def _end(self, entry: Entry, outcome: Outcome, changed: Changed) -> None:
        ended: deque[tuple[Entry, Outcome]] = deque([(entry, outcome)])
        while ended:
            entry, outcome = ended.popleft()
            entry.state, entry.outcome = "ended", outcome
            self.live -= 1
            for dependent in entry.dependents:
                dependent.unmet -= 1
                dependent.succeeded += outcome.ok
                if dependent.state == "waiting" and (verdict := self._verdict(dependent, entry)) is not None:
                    if verdict == "ready":
                        dependent.state = "ready"
                        changed.ready.append(dependent)
                    else:
                        dependent.state = "ended"  # so that no other path finds it waiting
                        changed.skipped.append(dependent)
                        ended.append((dependent, Outcome("skipped", error=verdict, finished=outcome.finished, source="none")))

    def _carry_out(self, entry: Entry, verdict: str, changed: Changed, now: float) -> None:
        if verdict == "ready":
            entry.state = "ready"
            changed.ready.append(entry)
        else:
            changed.skipped.append(entry)
            self._end(entry, Outcome("skipped", error=verdict, finished=now, source="none"), changed)

    def _verdict(self, entry: Entry, cause: Entry | None = None) -> str | None:
        """ "ready", or why it can never start, or None while that is open. `cause` is the one that has just ended, if only one has."""
        if (quorum := entry.node.quorum) is not None:
            if entry.succeeded >= quorum:
                return "ready"
            if entry.succeeded + entry.unmet < quorum:
                return f"only {entry.succeeded} of the {quorum} results that it needs can come"
            return None
        if entry.succeeded + entry.unmet < len(entry.upstream):
            for upstream in entry.upstream if cause is None else (cause,):
                if upstream.outcome is not None and not upstream.outcome.ok:
                    policy = entry.node.edge(upstream.node.id).on_failure
                    if policy == "fail" and entry.needs(upstream):
                        return f"{upstream.node.id} {_became(upstream.outcome)}"
        return None if entry.unmet else "ready"

    def _skipped_after(self, entry: Entry) -> list[Entry]:
        """`entry` and what was skipped because of it, in an order of dependency."""
        found, seen = [entry], {id(entry)}
        for current in found:
            for dependent in current.dependents:
                if id(dependent) not in seen and dependent.outcome is not None and dependent.outcome.status == "skipped":
                    seen.add(id(dependent))
                    found.append(dependent)
        return found


def _became(outcome: Outcome) -> str:
    return {"failed": "failed", "skipped": "was skipped", "cancelled": "was cancelled", "uncertain": "is uncertain"}[outcome.status]


def expected_seconds(node: Node, facts: Facts) -> float | None:
    """What planner or tool expect a node to take; None when nobody said."""
    if node.estimate.seconds is not None:
        return node.estimate.seconds
    if facts.tool is not None:
        return facts.tool.spec.seconds
    return 0.0 if node.kind == "aggregate" else None
