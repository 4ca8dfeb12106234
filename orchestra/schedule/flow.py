"""From ready to ended: what starts when, who pays for it, and what follows from its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from .attempts import Attempts, stop, words
from .entry import Entry
from .events import LimitReached, NodeFinished
from .graph import Changed, Graph
from .outcome import NOTHING, Outcome
from .runtime import Runtime
from .steps import Steps

_AT_ONCE = 256
"""Starts in one turn of the loop; more follow in the next. With ten thousand at once each would wait until all others had been made, and
their memory would be held at the same time."""


class Flow:
    """The moving part of an execution. It owns every task; nothing in it waits on the clock."""

    def __init__(self, runtime: Runtime, graph: Graph, steps: Steps, scope: str) -> None:
        self._runtime = runtime
        self._graph = graph
        self._steps = steps
        self._attempts = Attempts(steps, runtime, scope)
        self._scope = scope
        self._observer = runtime.observer
        self._budget = runtime.budget
        self._loop = asyncio.get_running_loop()
        self._revision = -1
        """Of the durations that priorities were made of."""
        self._unfunded: list[Entry] = []
        self._unwritten: list[Entry] = []
        self._orphans: set[asyncio.Task[None]] = set()
        self._waiters: list[asyncio.Future[None]] = []
        self._counting: list[asyncio.Future[None]] = []
        self._broken: BaseException | None = None
        self._left = False
        self.completed = 0
        """Nodes that have ended after having been started."""
        self.stopped: str | None = None
        """The limit that ended the run early."""

    def consider(self, entries: Iterable[Entry]) -> None:
        """Start those of new or changed `entries` that can."""
        self._revision = -1
        self.proceed(self._graph.consider(entries, self._loop.time()))

    async def idle(self) -> None:
        """Returns when every entry has ended. Raises what an observer raised."""
        while self._graph.live and self._broken is None:
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            await waiter
        if self._broken is not None:
            raise self._broken

    async def completions(self, count: int) -> None:
        """Returns when `completed` has reached `count`, or when every entry has ended."""
        while self.completed < count and self._graph.live and self._broken is None:
            waiter = self._loop.create_future()
            self._counting.append(waiter)
            await waiter
        if self._broken is not None:
            raise self._broken

    async def leave(self) -> None:
        """Nothing runs any more when this returns, but for what ignores being cancelled."""
        self._left = True
        running = [entry for entry in self._graph.entries.values() if entry.state == "running"]
        for entry in running:
            entry.why_cancelled = "the run was left before it ended"
        for entry in self._graph.entries.values():
            if entry.state == "ready":
                self.drop(entry)
        tasks = [entry.task for entry in running if entry.task is not None]
        await stop([*tasks, *self._orphans], self._runtime, self._scope + running[0].node.id if running else self._scope)
        self._guarded(self.flush)

    def proceed(self, changed: Changed) -> None:
        """Start what is ready, or put it in line; tell of what was skipped."""
        if changed.skipped and self._observer is not None:
            for entry in changed.skipped:
                assert entry.outcome is not None
                self._observer(NodeFinished(self._scope + entry.node.id, entry.outcome, entry.outcome.finished or 0.0))
        if ready := changed.ready:
            if any(entry.claims for entry in ready):
                if self._revision != self._runtime.durations.revision:
                    self._graph.prioritise(self._runtime.durations)
                    self._runtime.resources.reorder()
                    self._revision = self._runtime.durations.revision
                ready.sort(key=_by_priority)
            self._start(ready)
        if not self._graph.live:
            self._notify()

    def _start(self, ready: list[Entry]) -> None:
        if self._left:
            return
        if len(ready) > _AT_ONCE:
            self._soon(self._start, ready[_AT_ONCE:])
            del ready[_AT_ONCE:]
        for entry in ready:
            if entry.state == "ready" and self._funded(entry):
                if entry.claims:
                    self._runtime.resources.request(entry)
                else:
                    self.granted(entry)

    def _funded(self, entry: Entry) -> bool:
        """Whether the budget holds what it may use; if not, it waits for others to give back, or is skipped."""
        budget, wanted = self._budget, entry.facts.wanted
        if budget is None or wanted is NOTHING:
            return True
        if entry.cheapest:
            wanted = self._steps.cheapest(entry.node, wanted)
        if budget.reserve(wanted):
            entry.reserved = wanted
            return True
        limit = budget.short_of(wanted)
        if limit is None:
            self._unfunded.append(entry)
        elif budget.at_limit == "degrade" and not entry.cheapest and self._steps.cheapest(entry.node, wanted) != wanted:
            self.limit(limit, "degrade")
            entry.cheapest = True
            return self._funded(entry)
        else:
            self.limit(limit, "stop" if budget.at_limit == "stop" else "partial")
            # Later, because a long chain of such ends must not nest.
            outcome = Outcome("skipped", error=f"the budget of {limit} leaves no room for it", source="none")
            self._soon(self._end, entry, outcome)
            if budget.at_limit == "stop":
                self.cancel_all()
        return False

    def granted(self, entry: Entry) -> None:
        entry.state = "running"
        entry.task = self._loop.create_task(self._run(entry), name=entry.node.id)

    async def _run(self, entry: Entry) -> None:
        task = entry.task
        try:
            try:
                inputs = self._steps.inputs(entry.node, partial(self._graph.value, entry))
                outcome = await self._attempts.outcome(entry, inputs)
            except asyncio.CancelledError:
                if entry.task is not task:  # it was orphaned: the entry has a new life
                    raise
                outcome = Outcome("cancelled", error=entry.why_cancelled or "cancelled", attempts=1)
            except Exception as error:  # noqa: BLE001 - inputs that are not there: the node's own failure
                outcome = Outcome("failed", error=words(error))
            if entry.task is task and entry.state == "running":
                self._end(entry, outcome)
        except Exception as error:  # noqa: BLE001 - from an observer, or a bug: whoever waits for the run gets it
            self._break(error)

    def _end(self, entry: Entry, outcome: Outcome) -> None:
        if entry.state == "ended":
            return
        if outcome.finished is None:
            outcome.finished = self._loop.time()
        if entry.reserved is not NOTHING and self._budget is not None:
            reserved, entry.reserved = entry.reserved, NOTHING
            self._budget.settle(reserved, outcome.usage)
        journal = self._runtime.journal
        if journal is not None and outcome.ok and outcome.source != "journal" and entry.facts.wanted is not NOTHING:
            entry.outcome = outcome
            self._unwritten.append(entry)
            if len(self._unwritten) == 1:
                self._soon(self.flush)
        else:
            self._ended(entry, outcome)

    def flush(self) -> None:
        """What has ended in this turn of the loop is written with one commit, and only then does anything follow from it."""
        if not self._unwritten or self._runtime.journal is None:
            return
        self._runtime.journal.flush()
        written, self._unwritten = self._unwritten, []
        for entry in written:
            assert entry.outcome is not None
            self._ended(entry, entry.outcome)

    def _ended(self, entry: Entry, outcome: Outcome) -> None:
        if self._observer is not None:
            self._observer(NodeFinished(self._scope + entry.node.id, outcome, outcome.finished or 0.0))
        was_running = entry.state == "running"
        entry.task = None
        self.completed += 1
        if self._counting:
            self._wake(self._counting)
        changed = self._graph.end(entry, outcome)
        if changed is not None:
            self.proceed(changed)
        elif not self._graph.live:
            self._notify()
        # After what is ready now stands in line: it may be more urgent than what waited there.
        if was_running and entry.claims:
            if entry.facts.wanted.tokens:
                self._runtime.resources.used_tokens(entry.facts.resource, entry.facts.wanted.tokens, outcome.usage.tokens)
            self._runtime.resources.release(entry.claims)

    def cancel(self, entry: Entry, why: str) -> None:
        if entry.state == "running" and entry.task is not None:
            if entry.why_cancelled is None:
                entry.why_cancelled = why
                entry.task.cancel()
                self._loop.call_later(self._runtime.grace_s, self._guarded, self._abandon, entry, entry.task)
        elif entry.state != "ended":
            self._end(entry, Outcome("skipped" if entry.state == "waiting" else "cancelled", error=why, source="none"))

    def _abandon(self, entry: Entry, task: asyncio.Task[None]) -> None:
        """Its time to end is over. If it ignores that it was cancelled, the run goes on without it."""
        if entry.task is task and entry.state == "running" and entry.outcome is None:
            self._runtime.left_behind.append(self._scope + entry.node.id)
            self._orphan(task)
            entry.task = None
            self._end(entry, Outcome("cancelled", error=f"{entry.why_cancelled}; it ignores being cancelled", attempts=1))

    def cancel_all(self) -> None:
        for entry in list(self._graph.entries.values()):
            self.cancel(entry, f"stopped: {self.stopped}")

    def halt(self, entry: Entry) -> None:
        """What a patch replaces or removes does not go on; its task, if it has one, ends by itself."""
        if entry.state == "ready":
            self.drop(entry)
        elif entry.state == "running":
            assert entry.task is not None
            self._orphan(entry.task)
            entry.task.cancel()
            entry.task = None
            self.drop(entry)
            self._runtime.resources.release(entry.claims)

    def _orphan(self, task: asyncio.Task[None]) -> None:
        self._orphans.add(task)
        task.add_done_callback(self._orphans.discard)

    def drop(self, entry: Entry) -> None:
        """It stands in line no more and wants nothing of the budget."""
        entry.state = "waiting"
        if entry in self._unfunded:
            self._unfunded.remove(entry)
        if entry.reserved is not NOTHING and self._budget is not None:
            reserved, entry.reserved = entry.reserved, NOTHING
            self._budget.settle(reserved, NOTHING)

    def room_again(self) -> None:
        """The budget got something back."""
        if self._unfunded:
            waiting, self._unfunded = sorted(self._unfunded, key=_by_priority), []
            self._soon(self.proceed, Changed(ready=waiting))

    def limit(self, limit: str, action: str) -> None:
        if self.stopped is None or action == "stop":
            first, self.stopped = self.stopped is None, limit
            if first and self._observer is not None:
                self._observer(LimitReached(limit, action, self._loop.time()))

    def _soon(self, step: Callable[..., None], *given: Any) -> None:
        self._loop.call_soon(self._guarded, step, *given)

    def _guarded(self, step: Callable[..., None], *given: Any) -> None:
        """Outside every task, where nobody else would hear of an observer that raises or of a journal that cannot be written."""
        try:
            step(*given)
        except Exception as error:  # noqa: BLE001 - whoever waits for the run gets it
            self._break(error)

    def _break(self, error: BaseException) -> None:
        self._broken = self._broken or error
        self._notify()

    def _notify(self) -> None:
        self._wake(self._waiters)
        self._wake(self._counting)

    @staticmethod
    def _wake(waiters: list[asyncio.Future[None]]) -> None:
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        waiters.clear()


def _by_priority(entry: Entry) -> tuple[float, int]:
    return -entry.priority, entry.number
