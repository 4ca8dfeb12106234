"""Replays policies on many random orders of each problem's recorded traces, the same orders for every policy, in several processes.

A resample is a permutation of all traces of a problem, fixed by the seed, the problem and its number alone: a policy takes as many from its
front as it launches. So two policies differ by what they decide and not by what they drew, and adding a policy changes no other's numbers.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from orchestra.errors import ConfigError
from orchestra.sample.account import Account
from orchestra.sample.policy import Policy
from orchestra.sample.pool import Pool, PooledProblem, Recorded
from orchestra.sample.replay import Rules, recorded_reward, replay

from .majority import vote

COUNTS = ("kept", "aborted", "probe", "judge", "judge_read", "launched", "finished")
"""What is reported of an `Account` beside work, span and seconds."""


@dataclass(frozen=True, slots=True)
class Played:
    """One policy on one problem: an entry a resample."""

    right: bytes
    work: list[int]
    span: list[int]
    seconds: list[float]
    means: Mapping[str, float]
    """Over the resamples, of the counts in `COUNTS`."""


@dataclass(frozen=True, slots=True)
class Majority:
    """Plain majorities on one problem: `right[k - 1]` has an entry a resample, the other lists hold means over them for each k."""

    right: list[bytes]
    work: list[float]
    span: list[float]
    seconds: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """What to replay, and how."""

    pool: Pool
    policies: Sequence[Policy]
    rules: Rules = field(default_factory=Rules)
    resamples: int = 200
    seed: int = 0

    def order(self, problem: PooledProblem, number: int) -> list[int]:
        """The permutation of resample `number`."""
        traces = len(problem.traces)
        return Random(f"{self.seed} {problem.id} {number}").sample(range(traces), traces)

    def play(self, policy: Policy, problem: PooledProblem, *, tick: Callable[[], None] = lambda: None) -> Played:
        """`tick` is called before each resample, and what it raises ends the play."""
        right = right_answers(problem)
        verdicts = bytearray()
        accounts: list[Account] = []
        for number in range(self.resamples):
            tick()
            outcome = replay(policy, self.pool, problem, self.order(problem, number), rules=self.rules)
            verdicts.append(outcome.answer in right)
            accounts.append(outcome.account)
        return Played(
            right=bytes(verdicts),
            work=[account.work for account in accounts],
            span=[account.span for account in accounts],
            seconds=[account.seconds for account in accounts],
            means={name: sum(getattr(account, name) for account in accounts) / len(accounts) for name in COUNTS},
        )

    def vote(self, problem: PooledProblem) -> Majority:
        right = right_answers(problem)
        draws = []
        for number in range(self.resamples):
            traces = [problem.traces[index] for index in self.order(problem, number)]
            draws.append(vote(plain(traces), right, slots=self.rules.slots))
        depth = range(len(draws[0].right))
        return Majority(
            right=[bytes(draw.right[k] for draw in draws) for k in depth],
            work=[sum(draw.work[k] for draw in draws) / len(draws) for k in depth],
            span=[sum(draw.span[k] for draw in draws) / len(draws) for k in depth],
            seconds=[sum(draw.seconds[k] for draw in draws) / len(draws) for k in depth],
        )


def right_answers(problem: PooledProblem) -> frozenset[str]:
    """What counts as right: the gold answer, and every answer that was recorded as right (tasks such as Countdown have many)."""
    recorded = {trace.answer for trace in problem.traces if trace.correct and trace.answer is not None}
    return frozenset(recorded | ({problem.gold} if problem.gold is not None else set()))


def plain(traces: Sequence[Recorded]) -> list[Recorded]:
    """Those of the main arm, or all where it has none."""
    return [trace for trace in traces if not trace.arm] or list(traces)


@dataclass(frozen=True, slots=True)
class Results:
    played: list[list[Played]]
    """By policy, then by problem."""
    majority: list[Majority]
    """By problem."""


def run(resampling: Resampling, *, processes: int = 1, advance: Callable[[], None] = lambda: None) -> Results:
    """Replay everything; `advance` is called `steps(resampling)` times. Raises what a replay raises, and `ConfigError` when a process dies.

    Workers are spawned, not forked, so that threads of this process do no harm; each gets the pool once. Leaving early, by Ctrl-C or by an
    error, leaves no worker.
    """
    _check(resampling, processes)
    count = len(resampling.pool.problems)
    tasks = [(policy, problem) for policy in range(-1, len(resampling.policies)) for problem in range(count)]
    played: dict[tuple[int, int], Played] = {}
    majority: dict[int, Majority] = {}

    def keep(task: tuple[int, int], result: Played | Majority) -> None:
        if isinstance(result, Majority):
            majority[task[1]] = result
        else:
            played[task] = result
        advance()

    if processes == 1:
        for task in tasks:
            keep(task, _work_on(resampling, *task))
    else:
        with _workers(resampling, processes) as workers:
            with _interrupts_held():
                futures = {workers.submit(_work, *task): task for task in tasks}
            for future in _as_they_end(futures):
                keep(futures[future], future.result())
    return Results(
        [[played[policy, problem] for problem in range(count)] for policy in range(len(resampling.policies))],
        [majority[problem] for problem in range(count)],
    )


def steps(resampling: Resampling) -> int:
    return (len(resampling.policies) + 1) * len(resampling.pool.problems)


def _check(resampling: Resampling, processes: int) -> None:
    if resampling.resamples < 1 or processes < 1:
        raise ConfigError(f"at least one resample and one process are needed, got {resampling.resamples} and {processes}")


def _lean(resampling: Resampling) -> Resampling:
    """Without texts and token ids, which only judges read, since each worker gets a copy."""
    if set(resampling.rules.judges.values()) - {recorded_reward}:
        return resampling
    problems = [
        replace(problem, text="", traces=[replace(trace, text=None, token_ids=None) for trace in problem.traces])
        for problem in resampling.pool.problems
    ]
    return replace(resampling, pool=replace(resampling.pool, problems=problems))


@contextmanager
def _workers(resampling: Resampling, processes: int) -> Iterator[ProcessPoolExecutor]:
    spawn = get_context("spawn")
    leaving = spawn.Event()
    with TemporaryDirectory(prefix="orchestra-replay-") as folder:
        # Through a file: the pipe to a worker that dies before it has read so much would block for ever.
        file = Path(folder) / "resampling.pickle"
        file.write_bytes(pickle.dumps(_lean(resampling)))
        workers = ProcessPoolExecutor(
            min(processes, steps(resampling)), mp_context=spawn, initializer=_begin, initargs=(file, leaving)
        )
        try:
            yield workers
        except BrokenProcessPool as error:
            raise ConfigError("a replay process died, perhaps for want of memory: try again with `--processes 1`") from error
        finally:
            leaving.set()  # asked, not killed: the executor waits for ever for the rest of a result that a killed worker has half written
            workers.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits until all workers are started. They inherit this, so that none prints a traceback or dies while others start, which the
    executor does not survive."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _as_they_end(futures: Collection[Future[Played | Majority]]) -> Iterator[Future[Played | Majority]]:
    left = set(futures)
    while left:
        ended, left = wait(left, return_when=FIRST_COMPLETED)
        yield from ended


@dataclass(frozen=True, slots=True)
class _Worker:
    resampling: Resampling
    leaving: Event

    def tick(self) -> None:
        if self.leaving.is_set():
            raise _Left


class _Left(Exception):
    """The parent waits for no result any more."""


_worker: _Worker | None = None
"""Of a worker process; set once, when it starts."""


def _begin(file: Path, leaving: Event) -> None:
    global _worker
    _worker = _Worker(pickle.loads(file.read_bytes()), leaving)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group, and ending the workers is the parent's part
    if parent := parent_process():
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: BaseProcess) -> None:
    """A killed parent leaves no orphans."""
    parent.join()
    os._exit(1)


def _work(policy: int, problem: int) -> Played | Majority:
    assert _worker is not None
    return _work_on(_worker.resampling, policy, problem, tick=_worker.tick)


def _work_on(resampling: Resampling, policy: int, problem: int, *, tick: Callable[[], None] = lambda: None) -> Played | Majority:
    """`policy` -1 stands for the plain majorities."""
    where = resampling.pool.problems[problem]
    return resampling.vote(where) if policy < 0 else resampling.play(resampling.policies[policy], where, tick=tick)
