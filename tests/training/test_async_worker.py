"""The rollout worker: rows are the units of executed trees, errors never reach the trainer as rows, and nothing is left running."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from orchestra.training.advantage import Baseline, advantages
from orchestra.training.async_grpo.gate import Gate
from orchestra.training.async_grpo.rows import Row
from orchestra.training.async_grpo.worker import THREAD, Teaching, Worker
from orchestra.training.checkpoint import Interrupted
from orchestra.training.grpo.countdown import Countdown
from orchestra.training.grpo.domain import Answer
from orchestra.training.rewards import read_reward
from orchestra.training.rollout import Facts, Rollout, Unit

from orchestra.countdown import Setup, notation
from orchestra.engine import Completion, Engine, Request, Sampling
from orchestra.engine.scripted import ScriptedEngine
from orchestra.errors import ConfigError, EngineError

PATIENCE_S = 30
"""Far more than anything here takes: a test that would wait for ever fails instead."""


def rollout(group: str, correct: bool, *, units: int = 1, error: str | None = None) -> Rollout:
    made = tuple(Unit((1, 2, number), (3, 4), (-0.5, -1.5), "0") for number in range(units))
    facts = Facts(correct=correct, answer="1+2" if correct else None, ended="finished", work=2 * units, span=2)
    return Rollout(problem="p", group=group, units=made, facts=facts, error=error)


class Told:
    """A domain whose rounds are given by a function of their number; `begun` counts them."""

    held_out: Sequence[str] = ()

    def __init__(self, round_: Callable[[int], list[Rollout]]) -> None:
        self._round = round_
        self.begun: list[int] = []

    async def rollouts(self, engine: Engine, *, step: int, seed: int | None) -> list[Rollout]:
        self.begun.append(step)
        return self._round(step)

    async def answers(self, engine: Engine, split: str) -> list[Answer]:
        raise AssertionError("nothing is held out")


class Hanging(Told):
    """Its requests never end."""

    def __init__(self) -> None:
        super().__init__(lambda step: [])
        self.waiting = threading.Event()

    async def rollouts(self, engine: Engine, *, step: int, seed: int | None) -> list[Rollout]:
        self.waiting.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError("it is only ever cancelled")


class Kept:
    """A scripted engine that knows whether it has been left."""

    def __init__(self) -> None:
        self.left = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Engine]:
        async with ScriptedEngine(lambda prompt: [notation.NONE, notation.END]) as engine:
            yield engine
        self.left = True


def worker_of(domain: Any, **options: Any) -> Worker:
    teaching = options.pop("teaching", None) or Teaching(reward=read_reward("correct"))
    return Worker(options.pop("open_engine", Kept().open), domain, teaching, **options)


def take(worker: Worker, number: int) -> list[Row]:
    return [worker.rollout_buffer.get(timeout=PATIENCE_S) for _ in range(number)]


def test_a_broken_run_goes_on_with_the_oldest_round_that_was_not_taken() -> None:
    domain = Told(lambda step: [rollout(f"{step}/0", True), rollout(f"{step}/0", False)])
    with worker_of(domain, ahead=3, first_round=5) as worker:
        assert worker.next_round == 5
        worker.start()
        take(worker, 1)
        assert worker.next_round == 5, "a row of it still waits"
        take(worker, 3)
        assert worker.next_round == 7


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert THREAD not in [thread.name for thread in threading.enumerate()]


def mixed(step: int) -> list[Rollout]:
    return [rollout(f"{step}/{place}", correct) for place in range(2) for correct in (True, False, False)]


@pytest.mark.parametrize("baseline", ["centred", "centred_std", "leave_one_out", "batch"])
def test_advantages_compare_the_whole_groups_of_a_round(baseline: Baseline) -> None:
    teaching = Teaching(reward=read_reward("correct"), baseline=baseline)
    with worker_of(Told(mixed), teaching=teaching) as worker:
        worker.start()
        rows = take(worker, 6)
    wanted = advantages([1.0, 0.0, 0.0] * 2, ["a"] * 3 + ["b"] * 3, baseline).values
    assert sorted(row.advantage for row in rows) == pytest.approx(sorted(wanted))
    assert Counter(row.group_id for row in rows) == {rows[0].group_id: 3, rows[-1].group_id: 3}


def test_a_rollout_of_several_requests_becomes_as_many_rows_with_one_advantage() -> None:
    domain = Told(lambda step: [rollout("g", True, units=3), rollout("g", False, units=2)])
    with worker_of(domain) as worker:
        worker.start()
        rows = take(worker, 5)
    assert Counter(row.advantage for row in rows) == {0.5: 3, -0.5: 2}
    assert rows[0].input_ids.tolist() == [1, 2, 0, 3, 4] and rows[0].completion_mask.tolist() == [0, 0, 0, 1, 1]
    assert rows[0].old_log_probs.tolist() == [0, 0, 0, -0.5, -1.5]


def test_rollouts_of_a_failed_engine_are_dropped_and_counted_and_no_baseline_knows_them() -> None:
    failed = rollout("g", False, error="the engine is gone")
    with worker_of(Told(lambda step: [rollout("g", True), failed, rollout("g", False)])) as worker:
        worker.start()
        rows = take(worker, 2)
        figures = worker.metrics_queue.get(timeout=PATIENCE_S)
    assert sorted(row.advantage for row in rows) == [-0.5, 0.5]
    assert figures["dropped_total"] == 1 and figures["rollouts_total"] == 2 and figures["accuracy"] == (1.0, 2.0)


def test_rows_say_with_which_weights_their_round_began() -> None:
    with worker_of(Told(mixed), ahead=1) as worker:
        worker.update_model_version(7)
        worker.start()
        first = take(worker, 6)
        worker.update_model_version(8)
        take(worker, 6)  # this round may have begun before
        assert {row.model_version for row in first} == {7}
        assert {row.model_version for row in take(worker, 6)} == {8}


def test_no_more_rounds_begin_than_may_be_ahead_of_the_trainer() -> None:
    domain = Told(mixed)

    async def settle() -> int:
        while True:
            before = len(domain.begun)
            for _ in range(20):
                await asyncio.sleep(0)
            if len(domain.begun) == before:
                return before

    with worker_of(domain, ahead=2, first_round=5) as worker:
        worker.start()
        assert worker.call(settle) == 2
        take(worker, 5)
        assert worker.call(settle) == 2
        take(worker, 1)
        assert worker.call(settle) == 3
        assert domain.begun == [5, 6, 7] and worker.next_round == 6


def test_leaving_cancels_what_is_sampled_and_leaves_the_engine() -> None:
    domain, kept = Hanging(), Kept()
    with worker_of(domain, open_engine=kept.open) as worker:
        worker.start()
        assert domain.waiting.wait(PATIENCE_S)
    assert kept.left
    worker.stop()
    with pytest.raises(EngineError, match="has stopped"):
        worker.pause()


def test_a_dead_engine_is_the_error_of_the_next_row_of_the_next_transfer_and_of_the_health_check() -> None:
    def dead(prompt: Sequence[int]) -> Sequence[int]:
        raise EngineError("the server is gone")

    domain = Countdown(Setup(), size=3, problems=1, group=2, seed=0)
    died = pytest.raises(EngineError, match="all 2 rollouts .*the server is gone")
    with died, worker_of(domain, open_engine=lambda: ScriptedEngine(dead)) as worker:
        worker.start()
        for ask in (lambda: take(worker, 1), lambda: take(worker, 1), lambda: worker.check_health(1e9), worker.pause):
            with pytest.raises(EngineError, match="the server is gone"):
                ask()


def test_what_was_sampled_before_the_engine_died_is_still_there() -> None:
    def second_fails(step: int) -> list[Rollout]:
        return mixed(step) if step == 1 else [rollout("g", False, error="gone")]

    with pytest.raises(EngineError, match="all 1 rollouts of round 2"), worker_of(Told(second_fails)) as worker:
        worker.start()
        assert len(take(worker, 6)) == 6
        take(worker, 1)


def test_an_engine_that_does_not_start_is_an_error_of_entering() -> None:
    @asynccontextmanager
    async def refused() -> AsyncIterator[Engine]:
        raise ConfigError("no such model")
        yield

    with pytest.raises(ConfigError, match="no such model"), worker_of(Told(mixed), open_engine=refused):
        raise AssertionError("it must not be entered")


def test_a_worker_that_gets_nowhere_is_unhealthy() -> None:
    domain = Hanging()
    with worker_of(domain) as worker:
        worker.start()
        assert domain.waiting.wait(PATIENCE_S)
        worker.check_health(1e9)
        with pytest.raises(EngineError, match="--ahead"):
            worker.check_health(-1)


def test_groups_that_never_differ_stop_the_run_instead_of_keeping_the_trainer_waiting() -> None:
    teaching = Teaching(reward=read_reward("correct"), max_silent=3)
    with (
        pytest.raises(ConfigError, match="3 groups in a row .*--temperature"),
        worker_of(Told(lambda step: [rollout("g", True)] * 2), teaching=teaching) as worker,
    ):
        worker.start()
        take(worker, 1)


def test_no_request_runs_while_the_worker_is_paused_and_none_is_lost() -> None:
    class Slow:
        """An engine whose requests end when they are told to."""

        def __init__(self) -> None:
            self.ends: list[asyncio.Future[None]] = []

        async def generate(self, request: Request) -> Completion:
            end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.ends.append(end)
            await end
            return await ScriptedEngine(lambda prompt: [notation.END]).generate(request)

    async def scenario() -> None:
        slow: Any = Slow()
        gate = Gate(slow)
        request = Request(prompt=[1], sampling=Sampling(max_tokens=1))

        async def let_run() -> None:
            for _ in range(5):
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(gate.generate(request))
            await let_run()
            shutting = tasks.create_task(gate.shut())
            await let_run()
            second = tasks.create_task(gate.generate(request))
            await let_run()
            assert len(slow.ends) == 1 and not shutting.done()
            slow.ends[0].set_result(None)
            await shutting
            await let_run()
            assert first.done() and len(slow.ends) == 1
            await gate.open()
            await let_run()
            slow.ends[1].set_result(None)
            assert (await second).token_ids == [notation.END]

    asyncio.run(scenario())


def test_ctrl_c_before_the_first_step_ends_the_run_and_later_ones_are_the_trainers() -> None:
    heard: list[bool] = []
    with worker_of(Told(mixed), heard=heard) as worker:
        worker.update_model_version(1)
        worker.check_health(PATIENCE_S)
        heard.append(True)
        with pytest.raises(Interrupted, match="before the first step"):
            worker.check_health(PATIENCE_S)
        worker.update_model_version(2)
        worker.check_health(PATIENCE_S)


def test_the_status_says_what_came_of_the_sampling() -> None:
    worker = worker_of(
        Told(lambda step: [rollout(f"{step}/{place}", place + turn > 1) for place in range(2) for turn in range(2)]), ahead=1
    )
    assert worker.status() == "the engine is not up"
    with worker:
        worker.start()
        take(worker, 1)
        assert worker.status().startswith(
            "1 rounds sampled, 1 open; 2 groups, 1 of them without a difference; 1 rows wait, 5 tokens taken"
        )
