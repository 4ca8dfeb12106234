"""A pool in which the first words of a trace give its answer away, so that a judge has something to learn."""

from __future__ import annotations

import random

from orchestra.countdown import notation
from orchestra.countdown.source import spelled
from orchestra.sample.pool import Pool, PooledProblem, Recorded


def telling_pool(problems: int = 24, traces: int = 6, *, seed: int = 0) -> Pool:
    """Traces of 12 numbers in the Countdown language, as texts and as token ids; all numbers of a trace are its answer."""
    rng = random.Random(seed)

    def trace(answer: int) -> Recorded:
        ids = notation.numbers([answer] * 12)
        return Recorded(tokens=12, answer=str(answer), correct=answer == 10, text=spelled(ids), token_ids=ids)

    return Pool(
        "telling",
        [
            PooledProblem(
                id=f"p{number}",
                text="<target> 24 <numbers> 3 5 7 11",
                gold="10",
                traces=[trace(rng.choice((10, 20))) for _ in range(traces)],
            )
            for number in range(problems)
        ],
    )
