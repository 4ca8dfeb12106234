"""From ready to ended: what starts when, and what follows from its end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from functools import partial

from .attempts import Attempts, stop, words
from .entry import Entry
from .events import NodeFinished
from .funds import Funds
from .graph import Changed, Graph
from .outcome import NOTHING, ONE_CALL, Outcome, Usage
from .runtime import Runtime
from .signals import Signals
from .steps import Steps

_AT_ONCE = 256
"""Starts in one turn of the loop; more follow in the next. With ten thousand at once each would wait until all others had been made, and
their memory would be held at the same time."""


class Flow:
    """The moving part of an execution. It owns every task; nothing in it waits on the clock."""

    def __init__(self, runtime: Runtime, graph: Graph, steps: Steps, scope: str, outer: Flow | None = None) -> None:
        """`outer` is the flow of the plan that this one is a node of."""
        self._runtime = runtime
        self._graph = graph
        self._steps = steps
        self._scope = scope
        self._outer = outer
        self._signals: Signals = Signals(runtime.observer, outer._signals if outer is not None else None)
        self.left_behind: list[str] = outer.left_behind if outer is not None else []
        """Nodes whose calls ignored their cancellation."""
        tell = self._signals.tell if runtime.observer is not None else None
        self._funds = Funds(runtime.budget, steps, self._signals, self._refuse)
        self._attempts = Attempts(steps, runtime, self._funds, scope, tell, self.left_behind, graph.entries)
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._revision = -1
        """Of the durations that priorities were made of."""
        self._unwritten: list[Entry] = []
        self._ends: deque[tuple[Entry, Outcome]] = deque()
        """What has ended and has still to set others free. One loop takes them in turn: ends cause ends, and must not nest."""
        self._draining = False
        self._orphans: set[asyncio.Task[None]] = set()
        self._left = False
        self._stopping = False
        self.completed = 0
        """Nodes that have ended other than by having been skipped for what they need."""

    @property
    def stopped(self) -> str | None:
        """The limit that ended the run early."""
        return self._signals.stopped

    def consider(self, entries: Iterable[Entry]) -> None:
        """Start those of new or changed `entries` that can."""
        self._revision = -1
        self.proceed(self._graph.consider(entries, self._loop.time()))

    async def idle(self) -> None:
        """Returns when every entry has ended. Raises what an observer raised."""
        await self._signals.wait_while(lambda: bool(self._graph.live))

    async def completions(self, count: int) -> None:
        """Returns when `completed` has reached `count`, or when every entry has ended."""
        await self._signals.wait_while(lambda: self.completed < count and bool(self._graph.live), counting=True)

    async def leave(self) -> None:
        """Nothing runs any more when this returns, but for what ignores being cancelled."""
        self._left = True
        tasks = {}
        for entry in self._graph.entries.values():
            if entry.state == "running" and entry.task is not None:
                entry.why_cancelled = "the run was left before it ended"
                tasks[entry.task] = self._scope + entry.node.id
            elif entry.state == "ready":
                self.drop(entry)
        try:
            await stop(tasks | dict.fromkeys(self._orphans, "a node that was replaced"), self._runtime.grace_s, self.left_behind)
        finally:
            self._signals.guarded(self.flush)
            for entry in self._graph.entries.values():
                if entry.state == "running":  # it was cancelled before its first step, or is deaf
                    self.drop(entry)
                    self._runtime.resources.release(entry.claims)

    def proceed(self, changed: Changed) -> None:
        """Start what is ready, or put it in line; tell of what was skipped."""
        if self._tell is not None:
            for entry in changed.skipped:
                assert entry.outcome is not None
                self._tell(NodeFinished(self._scope + entry.node.id, entry.outcome, entry.outcome.finished or 0.0))
        if ready := changed.ready:
            if any(entry.claims for entry in ready):
                if self._revision != self._runtime.durations.revision:
                    self._graph.prioritise(self._runtime.durations)
                    self._runtime.resources.reorder()
                    self._revision = self._runtime.durations.revision
                ready.sort(key=_by_priority)
            if len(ready) > _AT_ONCE:
                self._signals.soon(self._start_later, [(entry, entry.life) for entry in ready[_AT_ONCE:]])
                del ready[_AT_ONCE:]
            self._start(ready)
        if not self._graph.live:
            self._signals.wake()

    def _start_later(self, waiting: list[tuple[Entry, int]]) -> None:
        """Those whose turn it is now. An entry that was patched meanwhile has another life, and is not started for the old one."""
        if len(waiting) > _AT_ONCE:
            self._signals.soon(self._start_later, waiting[_AT_ONCE:])
            del waiting[_AT_ONCE:]
        self._start([entry for entry, life in waiting if entry.life == life])

    def _start(self, ready: list[Entry]) -> None:
        if self._left:
            return
        for entry in ready:
            if entry.state != "ready":
                continue
            if self._stopping:
                self._end(entry, Outcome("skipped", error=f"stopped: {self.stopped}", source="none"))
            elif self._funds.reserve(entry):
                if entry.claims:
                    self._runtime.resources.request(entry)
                else:
                    self.granted(entry)

    def _refuse(self, entry: Entry, limit: str) -> None:
        assert self._runtime.budget is not None
        if self._runtime.budget.at_limit == "stop":
            self.stop(limit)
        else:
            self._signals.limit(limit, "partial")
        self._end(entry, Outcome("skipped", error=f"the budget of {limit} leaves no room for it", source="none"))

    def granted(self, entry: Entry) -> None:
        entry.state = "running"
        entry.task = self._loop.create_task(self._run(entry), name=entry.node.id)

    async def _run(self, entry: Entry) -> None:
        task = entry.task
        entry.began = self._loop.time()
        try:
            try:
                inputs = self._steps.inputs(entry.node, partial(self._graph.value, entry))
                outcome = await self._attempts.outcome(entry, inputs)
            except asyncio.CancelledError:
                if entry.task is not task:  # it was orphaned: the entry has a new life
                    raise
                outcome = self._cancelled(entry)
            except Exception as error:  # noqa: BLE001 - inputs that are not there: the node's own failure
                outcome = Outcome("failed", error=words(error))
            if entry.task is task and entry.state == "running":
                self._end(entry, outcome)
        except Exception as error:  # noqa: BLE001 - a bug, or a journal that cannot be written: whoever waits for the run gets it
            self._signals.fail(error)

    def _cancelled(self, entry: Entry, remark: str = "") -> Outcome:
        """What was begun is counted, although nobody will know all that it spent."""
        wanted = entry.facts.wanted
        calls = max(wanted.calls, entry.reserved.calls) if wanted is not NOTHING and entry.began is not None else 0
        error = f"{entry.why_cancelled or 'cancelled'}{remark}"
        return Outcome("cancelled", error=error, started=entry.began, attempts=1 if calls else 0, usage=Usage(calls=calls))

    def _end(self, entry: Entry, outcome: Outcome) -> None:
        if entry.state == "ended" or entry.outcome is not None:
            return
        if outcome.finished is None:
            outcome.finished = self._loop.time()
        self._funds.settle(entry, outcome.usage)
        entry.outcome = outcome
        journal = self._runtime.journal
        if journal is not None and outcome.ok and outcome.source != "journal" and entry.facts.wanted is not NOTHING:
            self._unwritten.append(entry)
            if len(self._unwritten) == 1:
                self._signals.soon(self.flush)
        else:
            self._ends.append((entry, outcome))
            if not self._draining:
                self._drain()

    def flush(self) -> None:
        """What has ended in this turn of the loop is written with one commit, and only then does anything follow from it."""
        if not self._unwritten or self._runtime.journal is None:
            return
        self._runtime.journal.flush()
        written, self._unwritten = self._unwritten, []
        self._ends.extend((entry, entry.outcome) for entry in written if entry.outcome is not None)
        if not self._draining:
            self._drain()

    def _drain(self) -> None:
        self._draining = True
        try:
            while self._ends:
                self._ended(*self._ends.popleft())
        finally:
            self._draining = False

    def _ended(self, entry: Entry, outcome: Outcome) -> None:
        if entry.state == "ended" or entry.outcome is not outcome:  # a patch has given it another life
            return
        was_running = entry.state == "running"
        entry.task = None
        self.completed += 1
        if self._signals.counting:
            self._signals.wake_counting()
        changed = self._graph.end(entry, outcome)
        if self._tell is not None:
            self._tell(NodeFinished(self._scope + entry.node.id, outcome, outcome.finished or 0.0))
        if changed is not None:
            self.proceed(changed)
        elif not self._graph.live:
            self._signals.wake()
        # After what is ready now stands in line: it may be more urgent than what waited there.
        if was_running and entry.claims:
            if outcome.usage is not ONE_CALL:
                used = outcome.usage.tokens + outcome.usage.prompt_tokens
                self._runtime.resources.used_tokens(entry.facts.resource, entry.facts.wanted.tokens, used)
            self._runtime.resources.release(entry.claims)

    def cancel(self, entry: Entry, why: str) -> None:
        if entry.state == "running" and entry.task is not None and entry.outcome is None:
            if entry.why_cancelled is None:
                entry.why_cancelled = why
                task = entry.task
                task.cancel()
                if entry.began is None:  # asyncio ends such a task without a step of ours
                    self._end(entry, self._cancelled(entry))
                else:
                    self._loop.call_later(self._runtime.grace_s, self._signals.guarded, self._abandon, entry, task)
        elif entry.state != "ended" and entry.outcome is None:
            in_line = entry.state == "ready"
            self._end(entry, Outcome("cancelled" if in_line else "skipped", error=why, source="none"))
            if in_line:
                self._runtime.resources.withdraw(entry.claims)

    def _abandon(self, entry: Entry, task: asyncio.Task[None]) -> None:
        """Its time to end is over. If it ignores that it was cancelled, the run goes on without it, and so do its slots."""
        if entry.task is task and entry.state == "running" and entry.outcome is None:
            self.left_behind.append(self._scope + entry.node.id)
            self._orphan(task)
            self._end(entry, self._cancelled(entry, "; it ignores being cancelled"))

    def stop(self, limit: str) -> None:
        """Nothing starts any more, and what runs is cancelled: here and in the plan that this one is a part of."""
        self._signals.limit(limit, "stop")
        if self._outer is not None:
            self._outer.stop(limit)
        if not self._stopping:
            self._stopping = True
            self._signals.soon(self._cancel_all)

    def _cancel_all(self) -> None:
        for entry in list(self._graph.entries.values()):
            self.cancel(entry, f"stopped: {self.stopped}")

    def halt(self, entry: Entry) -> None:
        """What a patch replaces or removes does not go on; its task, if it has one, ends by itself."""
        if entry.state == "ready":
            self.drop(entry)
        elif entry.state == "running":
            if entry.task is not None:
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
        in_line = entry.state == "ready"
        entry.state = "waiting"
        entry.life += 1
        self._funds.forget(entry)
        if in_line:
            self._runtime.resources.withdraw(entry.claims)

    def room_again(self) -> None:
        """The budget got something back."""
        if waiting := self._funds.recall():
            waiting.sort(key=_by_priority)
            self._signals.soon(self._start_later, [(entry, entry.life) for entry in waiting])


def _by_priority(entry: Entry) -> tuple[float, int]:
    return -entry.priority, entry.number
