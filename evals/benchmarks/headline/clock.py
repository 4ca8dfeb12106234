"""Wall clock on one GPU: the methods' tries in turn, at each load, round by round, in one process with both engines.

One problem at a time the methods change after every problem, so that a slow moment of the machine hits all of them; at higher loads they
change after every burst.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestra.countdown.attempt import Setup, attempt
from orchestra.countdown.problem import Problem
from orchestra.engine import Engine
from orchestra.errors import EngineError

from .measure import at_most
from .record import Timed

LOADS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_LEAST = 16
"""Problems of a burst at a low load: fewer would make its median a matter of luck."""


@dataclass(frozen=True, slots=True)
class Contender:
    """Tries one after the other until one is right, each with its engine."""

    tries: Sequence[tuple[Engine, Setup]]

    @classmethod
    def of(cls, engine: Engine, *setups: Setup) -> Contender:
        return cls([(engine, setup) for setup in setups])

    async def solve(self, problem: Problem) -> tuple[bool, int]:
        """Whether it was solved, and the tokens sampled."""
        work = 0
        for engine, setup in self.tries:
            done = await attempt(engine, problem, setup)
            if done.error is not None:
                raise EngineError(f"a timed try at {problem.key} failed: {done.error}; run the part again")
            work += done.ledger.work
            if done.correct:
                return True, work
        return False, work


async def race(
    contenders: Mapping[str, Contender], problems: Sequence[Problem], *, alone: int, loads: Sequence[int], rounds: int
) -> list[Timed]:
    """Each round takes the problems that follow those of the round before at its load, the same ones for all contenders; after the last
    problem the first one comes again (`repeated`).

    Args:
        alone: problems of a round that run one at a time; at other loads it is as many as run at once, and 16 at least.
    """
    for contender in contenders.values():  # kernels, caches of compiled shapes
        await _burst("warm-up", contender, problems[:_LEAST], load=_LEAST, number=-1)
    timed: list[Timed] = []
    for number in range(rounds):
        for load in loads:
            count = _count(load, alone)
            taken = [problems[(number * count + index) % len(problems)] for index in range(count)]
            if load == 1:
                bursts: dict[str, list[Timed]] = {name: [] for name in contenders}
                for index, problem in enumerate(taken):
                    for name in _turned(list(contenders), number + index):
                        bursts[name].append(await _burst(name, contenders[name], [problem], load=1, number=number))
                timed += map(_together, bursts.values())
            else:
                for name in _turned(list(contenders), number):
                    timed.append(await _burst(name, contenders[name], taken, load=load, number=number))
    return timed


def repeated(problems: int, *, alone: int, loads: Sequence[int], rounds: int) -> list[int]:
    """The loads at which some of so many problems are timed more than once: their rounds are not independent of each other."""
    return [load for load in loads if rounds * _count(load, alone) > problems]


def _count(load: int, alone: int) -> int:
    """Problems of a round."""
    return alone if load == 1 else max(_LEAST, load)


def _turned(names: list[str], by: int) -> list[str]:
    by %= len(names)
    return names[by:] + names[:by]


async def _burst(name: str, contender: Contender, problems: Sequence[Problem], *, load: int, number: int) -> Timed:
    results: dict[int, tuple[float, bool, int]] = {}

    async def one(index: int) -> None:
        started = time.perf_counter()
        solved, work = await contender.solve(problems[index])
        results[index] = (round(time.perf_counter() - started, 6), solved, work)

    started = time.perf_counter()
    await at_most(load, range(len(problems)), one)
    total = time.perf_counter() - started
    rows = [results[index] for index in range(len(problems))]
    return Timed(
        name=name,
        at_once=load,
        round=number,
        tries=len(contender.tries),
        window=contender.tries[0][1].effective_window,
        seconds=[seconds for seconds, _, _ in rows],
        correct=[solved for _, solved, _ in rows],
        work=[work for _, _, work in rows],
        total_seconds=round(total, 6),
    )


def _together(bursts: Sequence[Timed]) -> Timed:
    return bursts[0].model_copy(
        update={
            "seconds": [seconds for burst in bursts for seconds in burst.seconds],
            "correct": [correct for burst in bursts for correct in burst.correct],
            "work": [work for burst in bursts for work in burst.work],
            "total_seconds": round(sum(burst.total_seconds for burst in bursts), 6),
        }
    )
