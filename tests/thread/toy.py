"""A toy task for the fork–join loop: APR markers over a vocabulary of small integers, and models that babble in it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from orchestra.thread.protocols import Apr, AprMarkers

CALL, WAIT, RESULTS, RESULTS_END, GOAL, NONE, CANCELLED, REFUSED, CUT, END = range(1, 11)
PARENT, CHILD = 11, 12
WORDS = range(20, 50)

APR = Apr(
    markers=AprMarkers(
        call=CALL,
        wait=WAIT,
        results=RESULTS,
        results_end=RESULTS_END,
        goal=GOAL,
        none=NONE,
        cancelled=CANCELLED,
        refused=REFUSED,
        cut=CUT,
        end=END,
    ),
    child_prompt=lambda prompt, spec: (CHILD, *spec),
)

Answer = Callable[[Sequence[int]], Sequence[int]]


def script(answers: dict[tuple[int, ...], Sequence[int]]) -> Answer:
    """A model that gives these answers to these prompts, and fails the test for any other."""
    return lambda prompt: answers[tuple(prompt)]


def babbler(seed: int) -> Answer:
    """A model that does anything the format allows, and much that it does not: a fixed function of the prompt."""

    def answer(prompt: Sequence[int]) -> list[int]:
        rng = random.Random(f"{seed}/{tuple(prompt)}")
        words = rng.choices(WORDS, k=rng.randint(0, 8))
        shape = rng.random()
        if shape < 0.35:
            calls = [token for _ in range(rng.randint(0, 4)) for token in (CALL, *rng.choices(WORDS, k=rng.randint(0, 3)))]
            return [*words, *calls, WAIT]
        if shape < 0.6:
            return [*words, GOAL, *rng.choices(WORDS, k=rng.randint(0, 4)), END]
        if shape < 0.9:
            return [*words, NONE, END]
        return [*words, *rng.choices(range(1, 50), k=rng.randint(1, 40))]

    return answer
