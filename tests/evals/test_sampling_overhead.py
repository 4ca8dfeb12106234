"""The overhead benchmark's own conduct: whose time it counts, and that it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from orchestra.evals.benchmarks import own_time
from orchestra.evals.benchmarks.own_time import OwnTime, factory, run_timed
from orchestra.evals.benchmarks.sampling_overhead import abort_latency, main, policies

from orchestra.countdown import player
from orchestra.countdown.attempt import Setup
from orchestra.countdown.problem import Problem
from orchestra.engine.scores import Scores
from orchestra.engine.scripted import ScriptedEngine
from orchestra.sample.decisions import Decision, Launch, Stop
from orchestra.sample.events import Begun, Event, Finished
from orchestra.sample.policy import Decider, Needs, Standing
from orchestra.sample.source import Ending, LiveTrace, Usage


class Clock:
    """Goes only where it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(own_time, "thread_time", clock)
    return clock


@dataclass
class Slow:
    """A source whose every step takes 100 s of the processor."""

    clock: Clock

    def now(self) -> float:
        return 0.0

    async def run(self, trace: LiveTrace) -> Ending:
        for _ in range(3):
            self.clock.now += 100
            await asyncio.sleep(0)
            self.clock.now += 100
            if trace.on_tokens is not None:
                trace.on_tokens(1, Scores(20))
        trace.usage = Usage(sampled=3, span=3)
        return Ending(answer="7")

    async def probe(self, trace: LiveTrace) -> tuple[str | None, Usage]:
        raise NotImplementedError

    def words(self, trace: LiveTrace, tokens: int | None) -> str:
        return ""


@dataclass
class Thinker:
    """A policy that takes 1 s for its first decision, and 10 s for each end."""

    clock: Clock
    n: int = 2

    @property
    def most(self) -> int:
        return self.n

    @property
    def needs(self) -> Needs:
        return Needs()

    def decider(self) -> Decider:
        return _Thinking(self)


@dataclass
class _Thinking:
    policy: Thinker
    ends: int = 0

    def on(self, event: Event) -> Iterable[Decision]:
        if isinstance(event, Begun):
            self.policy.clock.now += 1
            return [Launch(self.policy.n)]
        assert isinstance(event, Finished)
        self.policy.clock.now += 10
        self.ends += 1
        return [Stop("7", "all")] if self.ends == self.policy.n else []

    def standing(self) -> Standing:
        return Standing(answer="7")


def test_a_sources_time_is_not_the_policys(clock: Clock) -> None:
    own = OwnTime()

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(factory(own))
        await run_timed(Thinker(clock), Slow(clock), own, session="", traces=[])

    asyncio.run(main())
    assert (own.policy, own.total, own.events) == (21, 21, 3)


def test_a_failure_of_a_timed_run_is_raised_as_it_was(clock: Clock) -> None:
    class Broken(Slow):
        async def run(self, trace: LiveTrace) -> Ending:
            raise ZeroDivisionError

    async def main() -> None:
        own = OwnTime()
        asyncio.get_running_loop().set_task_factory(factory(own))
        await run_timed(Thinker(clock), Broken(clock), own, session="", traces=[])

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())


def test_aborts_are_timed_until_the_engine_holds_fewer() -> None:
    async def main() -> dict[str, object]:
        async with ScriptedEngine(player.answer, seconds_per_token=0.001) as engine:
            return await abort_latency(engine, Problem((1, 1, 1, 1), 99), Setup(method="serial"), traces=8, victims=3, rounds=2)

    row = asyncio.run(main())
    assert (row["aborted"], row["of"], row["rounds"]) == (3, 8, 2)
    assert isinstance(row["all_ms"], list) and len(row["all_ms"]) == 2


def test_traces_that_end_before_the_abort_leave_nothing_to_wait_for() -> None:
    async def main() -> dict[str, object]:
        async with ScriptedEngine(lambda prompt: [1]) as engine:
            return await abort_latency(engine, Problem((1, 1, 1, 1), 99), Setup(method="serial"), traces=3, victims=3, rounds=1)

    assert asyncio.run(main())["engine_step_ms"] is None


def test_the_program_measures_every_policy_and_writes_it_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "overhead.json"
    options = ["--engine", "scripted", "--traces", "16", "--rounds", "1", "--abort-rounds", "1", "--out", str(out)]
    assert main(options) == 0
    result = json.loads(out.read_text())
    assert result["policies"].keys() == policies(16).keys()
    assert all(row["asked_otherwise"] == 0 for row in result["policies"].values())
    assert [row["aborted"] for row in result["aborts"]] == [1, 8, 16]
    assert "own share" in capsys.readouterr().out
