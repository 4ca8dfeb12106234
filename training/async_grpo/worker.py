"""The rollout worker of TRL's asynchronous trainer: samples rounds of rollouts in a thread of its own, while the trainer learns from earlier ones.

The thread has an event loop, which owns the engine from `with Worker(…)` to `stop`. A round is what `Domain.rollouts` returns: whole groups,
which are scored together, so that advantages compare what belongs together; its rows go to the trainer at once. No more than `ahead`
rounds are being sampled or waiting to be taken, which bounds how old a row can be.

Problems depend on the number of the round alone. A run that was broken off goes on with the oldest round whose rows had not all been taken by
the trainer, so no problem is passed over, but for rows that it held and had not learned; a later round that was taken before it is sampled a second time, with newer weights.

Whatever goes wrong in the thread reaches the trainer: as the error of its next row, of its next weight transfer, or of `check_health`.

It implements TRL 1.16's `RolloutWorkerProtocol` and does not import TRL.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from orchestra.engine import Engine
from orchestra.errors import ConfigError, EngineError, first_cause

from ..advantage import Baseline
from ..checkpoint import Interrupted
from ..grpo.credit import Credit
from ..grpo.domain import Domain
from ..grpo.lesson import Normalise, make_lesson
from ..rewards import Reward
from ..rollout import scorable
from .buffer import Buffer
from .gate import Gate
from .rows import Figure, figures_of, rows_of

T = TypeVar("T")
THREAD = "orchestra rollouts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Teaching:
    """How rollouts become rows."""

    reward: Reward
    baseline: Baseline = "centred"
    normalise: Normalise = "token"
    credit: Credit = "rollout"
    thread_price: float = 0.0
    max_silent: int = 512
    """Groups in a row without any difference, after which the run stops: nothing would ever reach the trainer."""


class _Stopped(Exception):
    """Leaves the task group of the worker's thread."""


class Worker:
    """Use it in a `with` block around the trainer: entering starts the thread and the engine, leaving stops both.

    Args:
        open_engine: what to enter, in the worker's thread, for the engine to sample with.
        domain: where rollouts come from. Its "step" is the number of the round here.
        seed: of the rollouts; None: the engine's.
        ahead: rounds that are sampled or wait, at most.
        first_round: for a run that goes on.
        heard: gets an element when the run is to end (Ctrl-C).
    """

    def __init__(
        self,
        open_engine: Callable[[], AbstractAsyncContextManager[Engine]],
        domain: Domain,
        teaching: Teaching,
        *,
        seed: int | None = None,
        ahead: int = 4,
        first_round: int = 1,
        heard: Sequence[bool] = (),
    ) -> None:
        if ahead < 1:
            raise ConfigError(f"--ahead must be at least 1, got {ahead}")
        self.rollout_buffer = Buffer(self._over)
        self.metrics_queue: queue.Queue[dict[str, Figure]] = queue.Queue()
        self.model_version = 0
        self._next_round = first_round
        self._open_rounds: set[int] = set()
        self._heard, self._transfers = heard, 0
        self._rounds_sampled = self._groups = self._groups_silent = 0
        self._rounds_lock = threading.Lock()
        self._open_engine, self._domain, self._teaching, self._seed = open_engine, domain, teaching, seed
        self._group_ids: dict[str, int] = {}
        self._silent = 0
        self._progress = time.monotonic()
        self._error: Exception | None = None
        self._ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, name=THREAD)
        self._stopping, self._producing = asyncio.Event(), asyncio.Event()
        self._gate: Gate | None = None
        self._slots = asyncio.Semaphore(ahead)

    def __enter__(self) -> Self:
        """Raises what the engine could not start of."""
        self._thread.start()
        self._until(self._ready)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Raises what went wrong in the thread, unless something else is being raised."""
        self.stop()
        if error is None and self._error is not None:
            raise self._error

    def start(self) -> None:
        """Begin to sample."""
        self._tell(self._producing.set)

    def stop(self) -> None:
        """Cancel what is being sampled, leave the engine and end the thread. May be called again."""
        self._tell(self._stopping.set)
        self._thread.join()

    @property
    def next_round(self) -> int:
        """Where a run that is broken off now should go on: the first round that is not over."""
        with self._rounds_lock:
            return min(self._open_rounds, default=self._next_round)

    def update_model_version(self, model_version: int) -> None:
        """From now on the engine samples with these weights."""
        self.model_version = model_version
        self._transfers += 1

    def check_health(self, stale_after_s: float) -> None:
        """Raises what the worker failed of, `EngineError` when neither it nor the trainer has moved a round for `stale_after_s`, and `Interrupted` after
        a Ctrl-C before the first step: later ones are for the trainer, which saves."""
        if self._error is not None:
            raise self._error
        if self._heard and self._transfers <= 1:  # the first comes before any step
            raise Interrupted("stopped before the first step: there is nothing new to save, the same command begins again")
        if (idle := time.monotonic() - self._progress) > stale_after_s:
            raise EngineError(
                f"no round of rollouts has finished for {idle:.0f} s: is the engine overloaded? Lower --problems-per-round or --ahead, or raise"
                " --stale-after"
            )

    def status(self) -> str:
        """What has come of the sampling so far, for a line of a log. For any thread."""
        gate = self._gate
        if gate is None:
            return "the engine is not up"
        return (
            f"{self._rounds_sampled} rounds sampled, {len(self._open_rounds)} open; {self._groups} groups, {self._groups_silent} of them without a"
            f" difference; {self.rollout_buffer.qsize()} rows wait, {self.rollout_buffer.tokens_taken} tokens taken; {gate.answered} requests answered,"
            f" {gate.in_flight} in the engine"
        )

    def pause(self) -> None:
        """Returns when the engine is idle; it stays so until `resume`."""
        self.call(self._gated().shut)

    def resume(self) -> None:
        self.call(self._gated().open)

    @property
    def engine(self) -> Engine:
        """For use in coroutines given to `call`."""
        return self._gated()

    def call(self, make: Callable[[], Awaitable[T]]) -> T:
        """The result of a coroutine that runs in the worker's loop. Blocks; raises what it raises, or what the worker failed of."""
        answer: concurrent.futures.Future[T] = concurrent.futures.Future()

        async def run() -> None:
            try:
                answer.set_result(await make())
            except Exception as error:  # noqa: BLE001 - it is the caller's
                answer.set_exception(error)

        self._tell(lambda: self._calls.create_task(run()))
        self._until(answer)
        return answer.result()

    def _until(self, future: concurrent.futures.Future[Any]) -> None:
        """Returns when it has its result. Raises what the worker failed of when it never will."""
        either: list[concurrent.futures.Future[Any]] = [future, self._ended]
        concurrent.futures.wait(either, return_when=concurrent.futures.FIRST_COMPLETED)
        if not future.done():
            raise self._error or EngineError("the rollout worker has stopped")

    def _tell(self, what: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed: `_ended` says so
            self._loop.call_soon_threadsafe(what)

    def _over(self, number: int) -> None:
        """The trainer has a round's rows, or it has none."""
        with self._rounds_lock:
            self._open_rounds.discard(number)
        self._progress = time.monotonic()
        self._tell(self._slots.release)

    def _gated(self) -> Gate:
        assert self._gate is not None, "use the worker in a `with` block"
        return self._gate

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                runner.run(self._live())
        except Exception as error:  # noqa: BLE001 - the thread's boundary: the trainer's thread raises it
            cause = first_cause(error) if isinstance(error, BaseExceptionGroup) else error
            self._error = cause if isinstance(cause, Exception) else error
            self.rollout_buffer.fail(self._error)
        finally:
            self._ended.set_result(None)

    async def _live(self) -> None:
        async with self._open_engine() as engine:
            self._gate = Gate(engine)
            try:
                async with asyncio.TaskGroup() as self._calls:
                    self._calls.create_task(self._produce())
                    self._ready.set_result(None)
                    await self._stopping.wait()
                    raise _Stopped  # which cancels what is running
            except* _Stopped:
                pass

    async def _produce(self) -> None:
        await self._producing.wait()
        self._progress = time.monotonic()
        async with asyncio.TaskGroup() as rounds:
            for number in itertools.count(self._next_round):
                await self._slots.acquire()
                with self._rounds_lock:
                    self._open_rounds.add(number)
                    self._next_round = number + 1
                rounds.create_task(self._round(number))

    async def _round(self, number: int) -> None:
        version = self.model_version
        rollouts = await self._domain.rollouts(self._gated(), step=number, seed=self._seed)
        if not scorable(rollouts):
            raise EngineError(f"all {len(rollouts)} rollouts of round {number} failed")
        teaching = self._teaching
        # The version is the training step that these weights sample for: rewards that alternate go by it.
        lesson = make_lesson(
            rollouts,
            teaching.reward,
            step=max(1, version),
            baseline=teaching.baseline,
            normalise=teaching.normalise,
            credit=teaching.credit,
            thread_price=teaching.thread_price,
        )
        self._progress = time.monotonic()
        found = lesson.advantages
        self._rounds_sampled += 1
        self._groups, self._groups_silent = self._groups + found.groups, self._groups_silent + found.alone + found.equal
        self.metrics_queue.put(figures_of(rollouts, lesson))
        if rows := rows_of(lesson, version=version, group_ids=self._group_ids, now=time.time()):
            self._silent = 0
            self.rollout_buffer.put_round(number, rows)
            return
        self._over(number)
        self._silent += lesson.advantages.groups
        if self._silent >= teaching.max_silent:
            raise ConfigError(
                f"{self._silent} groups in a row earned the same within each, so there is nothing to learn from: raise --temperature or --group,"
                " or choose another --reward"
            )
