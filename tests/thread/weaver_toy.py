"""A toy task for the weaver: its markers over a vocabulary of small integers, and models that babble in it."""

from __future__ import annotations

import random
from collections.abc import Sequence

from orchestra.thread.protocols.weaver import Weaver, WeaverMarkers

from .toy import WORDS, Answer

PARALLEL, PARALLEL_END, OUTLINES, OUTLINES_END, OUTLINE, THREAD, THREAD_END = range(1, 8)
GOAL, CANCELLED, REFUSED, CUT, END = range(8, 13)
PROMPT = 13
LABELS = 50

WEAVER = Weaver(
    markers=WeaverMarkers(
        parallel=PARALLEL,
        parallel_end=PARALLEL_END,
        outlines=OUTLINES,
        outlines_end=OUTLINES_END,
        outline=OUTLINE,
        thread=THREAD,
        thread_end=THREAD_END,
        goal=GOAL,
        cancelled=CANCELLED,
        refused=REFUSED,
        cut=CUT,
        end=END,
    ),
    label=lambda number: (LABELS + number,),
)


def outlines(*specs: Sequence[int]) -> tuple[int, ...]:
    """A well-formed block of outlines."""
    ids = [PARALLEL, OUTLINES]
    for number, spec in enumerate(specs, start=1):
        ids += (OUTLINE, LABELS + number, *spec)
    return (*ids, OUTLINES_END)


def header(number: int) -> tuple[int, int]:
    return (THREAD, LABELS + number)


def babbler(seed: int) -> Answer:
    """A model that does anything the format allows, and much that it does not: a fixed function of the prompt."""

    def answer(prompt: Sequence[int]) -> list[int]:
        rng = random.Random(f"{seed}/{tuple(prompt)}")
        words = rng.choices(WORDS, k=rng.randint(0, 8))
        ending = rng.choices((THREAD_END, END), weights=(len(prompt) > 3, 1))[0]
        shape = rng.random()
        if shape < 0.35:
            return [*words, *outlines(*(rng.choices(WORDS, k=rng.randint(1, 3)) for _ in range(rng.randint(1, 4))))]
        if shape < 0.55:
            return [*words, GOAL, *rng.choices(WORDS, k=rng.randint(0, 4)), ending]
        if shape < 0.8:
            return [*words, ending]
        return [*words, *rng.choices(range(1, 55), k=rng.randint(1, 40))]

    return answer
