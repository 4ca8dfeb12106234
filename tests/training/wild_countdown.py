"""Countdown run trees of models that do anything, on engines that may fail: material for the tests of what training makes of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from orchestra.countdown import notation, player, search
from orchestra.countdown.attempt import Attempt, Method, Setup, attempt
from orchestra.countdown.problem import Problem
from orchestra.engine import Request
from orchestra.engine.scripted import Script, ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import EngineError

PROBLEM = Problem((3, 5, 7, 11), 24)

SEEDS = st.integers(0, 10**6)


def _setups(methods: list[Method], windows: st.SearchStrategy[int]) -> st.SearchStrategy[Setup]:
    return st.builds(
        Setup,
        method=st.sampled_from(methods),
        join=st.sampled_from(["all", "first"]),
        beam=st.integers(1, 8),
        child_beam=st.integers(1, 5),
        window=windows,
        tree_tokens=st.none() | st.integers(20, 400),
        seconds=st.none() | st.floats(5, 200),
        logprobs=st.just(True),
    )


SETUPS = _setups(["fork", "serial"], st.integers(40, 200)) | _setups(["weave"], st.integers(60, 450))


def wild(seed: int, *, outages: bool = False) -> Callable[[Sequence[int]], Script]:
    """A perfect player most of the time, otherwise one that writes anything, legal calls among it; a fixed function of the prompt, so
    that equal siblings draw alike. With `outages`, connections drop in mid-stream."""

    def answer(prompt: Sequence[int]) -> Script:
        rng = random.Random(f"{seed}/{tuple(prompt)}")
        shape = rng.random()
        ids: Sequence[int] = rng.choices(range(len(notation.VOCABULARY)), k=rng.randint(0, 20))
        if shape < 0.6:
            try:
                ids = player.answer(prompt)
            except (AssertionError, StopIteration, ValueError):  # the player is not made for nonsense
                ids = (notation.NONE, notation.END)
        elif shape < 0.8:
            operation = rng.choice(search.calls(PROBLEM, beam=8))
            twice = notation.call(operation)
            ids = (*ids[:3], notation.CALL, *twice, notation.CALL, *twice, notation.CALL, *ids[3:], notation.WAIT)
            if prompt[1] == notation.WEAVE:
                ids = (notation.ID["7"], *search.outline_block([operation] * 3))
        error = EngineError("the connection dropped") if outages and rng.random() < 0.15 else None
        return Script(token_ids=ids, logprobs=[-rng.random() for _ in ids], error=error)

    return answer


def run(seed: int, setup: Setup, *, outages: bool = False) -> tuple[ScriptedEngine, Attempt]:
    def failure(request: Request) -> EngineError | None:
        refuses = outages and random.Random(f"{seed}+{request.prompt}").random() < 0.05
        return EngineError("no server", status=503) if refuses else None

    engine = ScriptedEngine(wild(seed, outages=outages), seconds_per_token=1.0, failures=failure)
    return engine, run_virtual(attempt(engine, PROBLEM, setup))
