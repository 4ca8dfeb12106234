"""From a node that may run to its outcome: journal, cache, retries, timeouts and hedging around one attempt."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Container, Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ..errors import ConfigError, JournalError, ToolError
from ..plan.node import Node, NodeBase, ToolCall
from ..tools.context import idempotency_key
from .entry import Entry
from .events import NodeHedged, NodeRetried, NodeStarted, RunEvent
from .funds import Funds
from .kept import Restore, Unkeepable, bring_back, fingerprint, keep
from .outcome import NOTHING, ONE_CALL, Outcome, SubPlanFailed, Usage
from .runtime import Runtime
from .steps import Steps


class Attempts:
    """Makes calls until they succeed or may not be tried again."""

    def __init__(
        self,
        steps: Steps,
        runtime: Runtime,
        funds: Funds,
        scope: str,
        tell: Callable[[RunEvent], None] | None,
        left_behind: list[str],
        ids: Container[str],
    ) -> None:
        """`ids`: of the nodes that the plan has."""
        self._steps = steps
        self._runtime = runtime
        self._funds = funds
        self._scope = scope
        self._tell = tell
        self._left_behind = left_behind
        self._known = _Scoped(scope, ids)
        self._now = asyncio.get_running_loop().time
        # When a tool in a journaled run starts a run without one, the key that it finds is its own, and not for the calls of that run.
        foreign = runtime.journal is None and idempotency_key.get() is not None
        self._bare = runtime.journal is None and runtime.cache is None and not foreign

    def outcome(self, entry: Entry, inputs: Any) -> Coroutine[Any, Any, Outcome]:
        """Cancellation comes through; everything else is in the outcome."""
        facts = entry.facts
        # Sub-plans and aggregates make no calls: their parts are journaled.
        if facts.wanted is NOTHING or (self._bare and facts.effect != "pure"):
            return self._tried(entry, inputs)
        return self._known_or_tried(entry, inputs)

    async def _known_or_tried(self, entry: Entry, inputs: Any) -> Outcome:
        journal = self._runtime.journal
        pure = entry.facts.effect == "pure" and isinstance(entry.node, ToolCall)
        if journal is None:
            idempotency_key.set(None)
        try:
            key = content_key(entry.node, inputs)
        except Unkeepable as error:
            if journal is None:  # only a journal needs to know the call again
                return await self._tried(entry, inputs)
            return Outcome("failed", error=f"the journal cannot tell this call from others by its inputs: {error}", source="none")
        if journal is None:
            return await (self._shared(entry, inputs, key) if pure else self._tried(entry, inputs))
        id = self._scope + entry.node.id
        past = journal.past(id, key)
        if past is None and entry.facts.effect == "once":
            past = journal.orphan(key, self._known)
        if past is not None:
            if past.outcome is not None:
                return replace(past.outcome, value=bring_back(past.outcome.value, _restore(entry)))
            if entry.facts.effect == "once" and not await self._cleared(entry.node, key):
                return Outcome("uncertain", error=_UNCERTAIN, source="journal")
        idempotency_key.set(journal.begin(id, key, entry.facts.effect))
        outcome = await (self._shared(entry, inputs, key) if pure else self._tried(entry, inputs))
        if outcome.ok:
            try:
                # What follows sees the value as it comes back from a journal: its own calls are known by it.
                form, outcome.value = keep(outcome.value, _restore(entry))
                journal.finish(id, key, outcome if form is outcome.value else replace(outcome, value=form))
            except (Unkeepable, JournalError) as error:
                return replace(outcome, status="failed", value=None, error=_UNKEPT.format(error=error))
        return outcome

    async def _shared(self, entry: Entry, inputs: Any, key: str) -> Outcome:
        """From the cache, or from an identical call in flight, or by calling."""
        runtime = self._runtime
        started = self._now()
        if runtime.cache is not None and (hit := runtime.cache.get(key)) is not None:
            return Outcome("succeeded", bring_back(hit[0], _restore(entry)), started=started, source="cache")
        while (flight := runtime.flights.get(key)) is not None:
            await asyncio.wait([flight])
            if not flight.cancelled():  # when the one in front was cancelled, that was its own matter
                leader = flight.result()
                return Outcome(leader.status, leader.value, leader.error, started, source="shared")
        flight = runtime.flights[key] = asyncio.get_running_loop().create_future()
        try:
            outcome = await self._tried(entry, inputs)
            if outcome.ok and runtime.cache is not None:
                with suppress(Unkeepable):
                    runtime.cache.put(key, keep(outcome.value, _restore(entry))[0])
            flight.set_result(outcome)
            return outcome
        finally:
            del runtime.flights[key]
            flight.cancel()

    async def _tried(self, entry: Entry, inputs: Any) -> Outcome:
        now = self._now
        started = at = now()
        facts = entry.facts
        spent = NOTHING
        attempt = 0
        while True:
            attempt += 1
            traceparent = None
            if self._tell is not None:
                self._tell(event := NodeStarted(self._scope + entry.node.id, attempt, at))
                traceparent = event.traceparent
            try:
                if facts.timeout_s is not None or self._runtime.hedge is not None:
                    value, usage = await self._bounded(entry, inputs, traceparent)
                elif facts.tool is not None and facts.tool.usage is None:  # the commonest way, without another frame
                    value, usage = await facts.tool.call(inputs), ONE_CALL
                else:
                    value, usage = await self._steps.run(entry.node, inputs, cheapest=entry.cheapest, traceparent=traceparent)
            except Exception as error:  # noqa: BLE001 - the node's boundary: a failure is data for those that wait for it
                spent += error.usage if isinstance(error, SubPlanFailed) else (ONE_CALL if facts.wanted.calls else NOTHING)
                wait_s = self._wait(error, attempt, entry)
                if wait_s is None:
                    return Outcome("failed", None, words(error), started, now(), attempt, "run", spent)
                if self._tell is not None:
                    self._tell(NodeRetried(self._scope + entry.node.id, attempt, words(error), wait_s, now()))
                await asyncio.sleep(wait_s)
                at = now()
            else:
                finished = now()
                self._runtime.durations.observe(facts.kind, finished - at)
                return Outcome(
                    "succeeded", value, None, started, finished, attempt, "run", usage if spent is NOTHING else spent + usage
                )

    def _wait(self, error: Exception, attempt: int, entry: Entry) -> float | None:
        """Seconds before another attempt; None when there is none."""
        retry = self._runtime.retry
        if attempt >= retry.attempts or not isinstance(error, retry.on):
            return None
        # A plan inside a plan may hold effects that happen once; its own nodes are retried one by one.
        if entry.facts.effect == "once" or entry.facts.waits or not self._funds.another(entry):
            return None
        longest: float = min(retry.wait_s * 2 ** (attempt - 1), retry.max_wait_s)
        return random.uniform(0.5, 1.0) * longest

    async def _bounded(self, entry: Entry, inputs: Any, traceparent: str | None) -> tuple[Any, Usage]:
        """One attempt in tasks of its own, so that it can be given up although it ignores being cancelled."""
        loop = asyncio.get_running_loop()
        facts = entry.facts
        started = loop.time()
        deadline = None if facts.timeout_s is None else started + facts.timeout_s
        hedge_s = self._hedge_after(entry)
        hedge_at = None if hedge_s is None else started + hedge_s
        tasks = [self._start(entry, inputs, traceparent)]
        try:
            while True:
                due = [moment for moment in (deadline, hedge_at) if moment is not None]
                running = [task for task in tasks if not task.done()]
                timeout = max(min(due) - loop.time(), 0) if due else None
                done, _ = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                if won := next((task for task in done if not task.cancelled() and not task.exception()), None):
                    value, usage = won.result()
                    return value, usage if len(tasks) == 1 else usage + ONE_CALL
                if all(task.done() for task in tasks):
                    return tasks[0].result()  # raises what it failed of
                now = loop.time()
                if deadline is not None and now >= deadline:
                    raise TimeoutError(f"no answer within {facts.timeout_s:g} s")
                if hedge_at is not None and now >= hedge_at:
                    hedge_at = None
                    if not self._funds.another(entry):
                        continue
                    tasks.append(self._start(entry, inputs, traceparent))
                    if self._tell is not None:
                        self._tell(NodeHedged(self._scope + entry.node.id, now - started, now))
        finally:
            await stop(dict.fromkeys(tasks, self._scope + entry.node.id), self._runtime.grace_s, self._left_behind)

    def _start(self, entry: Entry, inputs: Any, traceparent: str | None) -> asyncio.Task[tuple[Any, Usage]]:
        call = self._steps.run(entry.node, inputs, cheapest=entry.cheapest, traceparent=traceparent)
        return asyncio.create_task(call, name=self._scope + entry.node.id)

    def _hedge_after(self, entry: Entry) -> float | None:
        hedge, kind = self._runtime.hedge, entry.facts.kind
        if (
            hedge is None
            or entry.facts.effect == "once"
            or entry.facts.waits
            or self._runtime.durations.count(kind) < hedge.min_calls
        ):
            return None
        usual = self._runtime.durations.quantile(kind, hedge.quantile)
        return None if usual is None else usual * hedge.factor

    async def _cleared(self, node: Node, key: str) -> bool:
        """Whether somebody knows that the effect, begun by an earlier process, did not happen."""
        ask = self._runtime.on_uncertain
        return ask is not None and await ask(node, key) == "did not happen"


class _Scoped:
    """The ids of a graph as a journal writes them."""

    def __init__(self, scope: str, entries: Container[str]) -> None:
        self._scope = scope
        self._entries = entries

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and id.startswith(self._scope) and id.removeprefix(self._scope) in self._entries


_NOT_CONTENT = set(NodeBase.model_fields)
_UNCERTAIN = (
    "an earlier process began this and died before it knew the result, and it must not be done twice. Find out whether it happened and"
    " say so with `orchestra journal resolve` (or `Journal.resolve`), then resume"
)
_UNKEPT = (
    "it was done, but the journal cannot keep its output: {error}. Let the tool return JSON values, or a type that its return annotation"
    " names (a pydantic model, a dataclass, a date, a set)"
)


def _restore(entry: Entry) -> Restore | None:
    return None if entry.facts.tool is None else entry.facts.tool.restore


async def stop(tasks: Mapping[asyncio.Task[Any], str], grace_s: float, left_behind: list[str]) -> None:
    """Cancels `tasks` and waits until they have ended; what ignores it for `grace_s` is named in `left_behind`."""
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    if running:
        _, deaf = await asyncio.wait(running, timeout=grace_s)
        left_behind += (tasks[task] for task in deaf)
    for task in tasks:
        task.add_done_callback(_look)


def _look(task: asyncio.Task[Any]) -> None:
    """Takes notice of its exception, which asyncio would otherwise report as never retrieved."""
    if not task.cancelled():
        task.exception()


def content_key(node: Node, inputs: Any) -> str:
    """Equal for calls of the same thing with the same inputs (arguments in any order). Raises `Unkeepable` for inputs without content."""
    if isinstance(node, ToolCall):
        return fingerprint(node.tool, inputs if len(inputs) < 2 else dict(sorted(inputs.items())))
    # No tool has such a name.
    return fingerprint(node.model_dump_json(exclude=_NOT_CONTENT), inputs)


def words(error: BaseException) -> str:
    """What went wrong; our own errors say it without their type."""
    if isinstance(error, ToolError | ConfigError):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
