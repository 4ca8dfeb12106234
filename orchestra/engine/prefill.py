"""Which prompts go through the model together: alike in length, and not too many tokens at once."""

# Shapes: R rows, Q tokens of the longest.

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .shapes import LEAST_TOKENS

PREFILL_CHUNK = 512
"""Most tokens of a row in one pass: bounds the memory of its attention mask."""
PREFILL_TOKENS = 8192
"""Most tokens of a group with its padding, unless a single row has more."""
MOST_FILLED = 4 * PREFILL_TOKENS
"""More numbers than `Group.filled` gives: it has less than twice as many rows, and less than twice as many tokens."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows, the longest first, whose tokens are padded on the right."""

    places: list[int]
    lengths: list[int]
    ids: NDArray[np.int64]
    """R x Q."""

    def longer_than(self, start: int) -> int:
        """How many of the rows have tokens behind their first `start`: they come first."""
        return sum(length > start for length in self.lengths)

    def filled(self, num_rows: int, num_tokens: int) -> NDArray[np.int64]:
        """Places and token ids, `num_rows` x (1 + `num_tokens`). What is added to the rows is the last one again, which does no harm in its place."""
        filled = np.zeros((num_rows, 1 + num_tokens), dtype=np.int64)
        filled[: len(self.places), 0] = self.places
        filled[: len(self.places), 1 : 1 + self.ids.shape[1]] = self.ids
        filled[len(self.places) :] = filled[len(self.places) - 1]
        return filled


def groups(prompts: Sequence[Sequence[int]], places: Sequence[int]) -> Iterator[Group]:
    """Every prompt that is not empty, with its place, in one group. At most half of a group is padding."""
    order = sorted((index for index, prompt in enumerate(prompts) if prompt), key=lambda index: -len(prompts[index]))
    start = 0
    while start < len(order):
        longest = len(prompts[order[start]])
        stop = start + 1
        while (
            stop < len(order)
            and (stop + 1 - start) * max(longest, LEAST_TOKENS) <= PREFILL_TOKENS
            and 2 * len(prompts[order[stop]]) >= longest
        ):
            stop += 1
        members = order[start:stop]
        ids = np.zeros((len(members), longest), dtype=np.int64)
        for row, index in enumerate(members):
            ids[row, : len(prompts[index])] = prompts[index]
        yield Group([places[index] for index in members], [len(prompts[index]) for index in members], ids)
        start = stop
