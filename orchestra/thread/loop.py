"""The fork–join loop: runs one problem's threads on an engine, by the rules of a protocol.

Life of a fork: the parent's request stops at the protocol's fork token → the protocol says what each child sees → every child is a task of
one task group → the join policy decides when waiting is over and cancels the rest → the protocol says what the parent gets to see →
the parent goes on with an ordinary request on its shared prefix.
"""

from __future__ import annotations

import asyncio
import dataclasses
import zlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..engine import Completion, Engine, Request, Sampling, Scores
from ..errors import EngineError, first_cause
from .budget import Limits, TokenBudget
from .protocols import Branches, Finish, Splice, ThreadProtocol
from .tree import Fork, Join, RunTree, Status, Thread


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a thread. Observers get it as it happens."""

    kind: Literal["started", "tokens", "joined", "ended"]
    thread: Thread
    token_ids: Sequence[int] = ()
    """Newly sampled tokens, for "tokens"."""
    scores: Scores | None = None
    """Theirs, when `Sampling.top_logprobs` asks for them and the engine has them."""


Observer = Callable[[Event], None]


async def run_tree(
    engine: Engine,
    protocol: ThreadProtocol,
    prompt: Sequence[int],
    *,
    sampling: Sampling,
    limits: Limits,
    join: Join = "all",
    session: str = "",
    observer: Observer | None = None,
    on_start: Callable[[RunTree], None] | None = None,
    traceparent: str | None = None,
) -> RunTree:
    """Run one problem to its end and return everything it caused.

    `sampling.max_tokens` caps each request; its stop ids are the protocol's. Engine failures are recorded in the tree (`RunTree.error`), and
    running out of `limits.seconds` cancels what runs and sets `RunTree.timed_out`. Cancelling the caller cancels every thread; on the way
    out nothing keeps running. `on_start` gets the tree before anything is sampled, so that who cancels the run still has it: its account
    is complete once this has returned or raised. `traceparent` is the root thread's. Any other exception, from a protocol or an observer, ends
    the run and is raised as it was.
    """
    tree = RunTree(
        session=session, protocol=protocol.name, join=join, root=Thread("0", traceparent=traceparent), started=engine.now()
    )
    tree.root.inject(prompt)
    run = Run(
        engine, protocol, sampling=sampling, limits=limits, join=join, session=session, depth=tree.root.depth, observer=observer
    )
    if on_start:
        on_start(tree)
    await to_its_end(tree, run.thread(tree.root), engine=engine, seconds=limits.seconds)
    return tree


async def to_its_end(tree: RunTree, work: Awaitable[None], *, engine: Engine, seconds: float | None) -> None:
    """Await `work`, for so many seconds at most, and close `tree`, whatever becomes of it."""
    try:
        async with asyncio.timeout(seconds) as deadline:
            await work
    except TimeoutError:
        if not deadline.expired():
            raise
        tree.timed_out = True
    except ExceptionGroup as group:
        raise first_cause(group) from group
    finally:
        tree.finished = engine.now()


async def run_children(
    fork: Fork,
    run: Callable[[Thread], Coroutine[Any, Any, None]],
    *,
    succeeded: Callable[[Thread], bool],
    cancelled: Callable[[Thread], None],
) -> None:
    """Run all children that no limit has refused; in a "first" join the first that has succeeded ends the others.

    Nothing runs afterwards, also when this is cancelled. `cancelled` gets the children that were before their task took its first step.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = {group.create_task(run(child), name=child.id): child for child in fork.children if child.status == "running"}
            pending = set(tasks)
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                if fork.join == "first" and (winners := [c for t, c in tasks.items() if t in done and succeeded(c)]):
                    fork.winner = min(winners, key=lambda child: child.finished or 0.0)
                    for task in pending:
                        task.cancel()
                    return
    finally:
        for child in fork.children:
            if child.status == "running":
                cancelled(child)


class Run:
    """Threads of one protocol on one engine, in a run that may have others beside them.

    Args:
        depth: of the thread that they begin with; `limits` count from there.
        budget: where others draw on it, too; by default one of their own.
    """

    def __init__(
        self,
        engine: Engine,
        protocol: ThreadProtocol,
        *,
        sampling: Sampling,
        limits: Limits,
        join: Join,
        session: str,
        depth: int,
        budget: TokenBudget | None = None,
        observer: Observer | None,
    ) -> None:
        self._engine = engine
        self._protocol = protocol
        self._sampling = dataclasses.replace(sampling, stop_token_ids=protocol.stop_token_ids)
        self._limits = limits
        self._join = join
        self._session = session
        self._deepest = depth + limits.max_depth
        self._budget = budget or TokenBudget(limits.tree_tokens)
        self._observer = observer
        context = engine.capabilities.context
        self._window = min(limits.window, context) if context else limits.window

    async def thread(self, thread: Thread) -> None:
        """Decode `thread` until it ends. Whatever happens, it has a status afterwards."""
        try:
            await self._decode(thread)
        except EngineError as error:
            self._end(thread, "failed", str(error))
        except asyncio.CancelledError:
            self._end(thread, "cancelled")
            raise
        except Exception as error:  # the thread's boundary: a bug elsewhere is raised, but leaves no thread without an end
            if thread.status == "running":  # else an observer has failed of its end
                self._end(thread, "failed", repr(error))
            raise

    async def _decode(self, thread: Thread) -> None:
        forks = 0
        while True:
            room = min(self._window - len(thread.context), self._sampling.max_tokens)
            if room < 1:
                return self._end(thread, "cut")
            granted = await self._budget.reserve(room)
            if not granted:
                reason = f"the tree may sample {self._budget.cap} tokens"
                return self._end(thread, "cut" if thread.started is not None else "refused", reason)
            completion = await self._sample(thread, granted)
            if completion.finish == "length":
                return self._end(thread, "cut")
            match self._protocol.after(thread, completion):
                case Finish():
                    return self._end(thread, "finished")
                case Splice(token_ids, keep):
                    thread.inject(token_ids, keep=keep)
                case Branches(prompts):
                    forks += 1
                    refusal = f"a thread may fork {self._limits.max_forks} times" if forks > self._limits.max_forks else None
                    await self._fork(thread, prompts, refusal)
                    if refusal:
                        return self._end(thread, "cut")

    async def _sample(self, thread: Thread, granted: int) -> Completion:
        """One request of at most `granted` tokens, which are settled whatever becomes of it."""
        if thread.started is None:
            thread.started = self._engine.now()
            self._tell("started", thread)
        used = 0

        def record(completion: Completion) -> None:
            nonlocal used
            used += len(completion.token_ids)
            thread.record(completion, granted=granted)

        scores: Scores | None = None

        def hold(new: Scores) -> None:
            nonlocal scores
            scores = new

        request = Request(
            prompt=list(thread.context),
            sampling=dataclasses.replace(self._sampling, max_tokens=granted, seed=self._seed(thread)),
            session=self._session,
            # A resumed parent is on the critical path of everything below it: ahead of fresh children.
            priority=thread.depth,
            traceparent=thread.traceparent,
            on_tokens=(lambda token_ids: self._tell("tokens", thread, token_ids, scores)) if self._observer else None,
            on_scores=hold if self._observer and self._sampling.top_logprobs else None,
            on_abort=record,
        )
        try:
            completion = await self._engine.generate(request)
            record(completion)
            return completion
        finally:
            # A retried request may have sampled more than one attempt's grant; the surplus was the engine's, not the run's.
            self._budget.settle(granted, min(used, granted))

    def _seed(self, thread: Thread) -> int | None:
        """A seed for each request of each thread: siblings with one seed would draw alike."""
        if self._sampling.seed is None:
            return None
        return zlib.crc32(f"{self._sampling.seed}/{self._session}/{thread.id}/{len(thread.items)}".encode())

    async def _fork(self, thread: Thread, prompts: Sequence[Sequence[int]], refusal: str | None) -> None:
        """Start a child for each prompt, wait as the join policy says, and splice what they return into `thread`."""
        fork = Fork(children=[], join=self._join, started=self._engine.now())
        thread.items.append(fork)
        siblings = sum(len(earlier.children) for earlier in thread.forks)
        if thread.depth >= self._deepest:
            refusal = refusal or f"threads may be nested {self._limits.max_depth} deep"
        for index, prompt in enumerate(prompts):
            child = Thread(f"{thread.id}.{siblings + index}", thread.depth + 1, traceparent=thread.traceparent)
            child.inject(prompt)
            fork.children.append(child)
            if refusal or index >= self._limits.max_children:
                self._end(child, "refused", refusal or f"a fork may have {self._limits.max_children} children")
        await run_children(
            fork, self.thread, succeeded=self._protocol.succeeded, cancelled=lambda child: self._end(child, "cancelled")
        )
        fork.finished = self._engine.now()
        splice = self._protocol.join(thread, fork.children)
        thread.inject(splice.token_ids, keep=splice.keep)
        self._tell("joined", thread)

    def _end(self, thread: Thread, status: Status, error: str | None = None) -> None:
        thread.end(status, at=self._engine.now(), error=error)
        self._tell("ended", thread)

    def _tell(
        self,
        kind: Literal["started", "tokens", "joined", "ended"],
        thread: Thread,
        token_ids: Sequence[int] = (),
        scores: Scores | None = None,
    ) -> None:
        if self._observer:
            self._observer(Event(kind, thread, token_ids, scores))
