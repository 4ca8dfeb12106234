"""Prefix-trie packing: units in rows in which a prefix that several of them share is forwarded once. numpy, no torch.

A row is a forest of tokens in depth-first order. A token sees itself and its ancestors, at the position that it had in its request
(its depth), so the model computes for it exactly what it computed when the unit was sampled.

Labels are apart from tokens: each says which packed token predicts which sampled token. One packed token may predict several different
ones (the branches of a fork), and the same one several times (siblings that drew alike); each is a term of the loss of its own. The last
token of a unit predicts nothing and is forwarded only where another unit goes on from it.

    rows = pack([unit for rollout in scorable(rollouts) for unit in rollout.units], budget=1024)

Shapes: T = packed tokens of a row, L = labels of a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from orchestra.errors import ConfigError

from .rollout import Unit

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Row:
    """Packed tokens and what they predict."""

    token_ids: Ints
    """[T]"""
    position: Ints
    """[T] Depth, from 0."""
    last: Ints
    """[T] Index of the last descendant, or of the token itself. `k` is `q` or its ancestor exactly when `k <= q <= last[k]`."""
    source: Ints
    """[L] Index of the packed token after which the label was sampled."""
    target: Ints
    """[L] The sampled token."""
    logprob: Floats
    """[L] As recorded when it was sampled; NaN in demonstrations, which nobody sampled."""
    weight: Floats
    """[L] Its unit's weight: an advantage, or 1."""
    unit: Ints
    """[L] Index of its unit among those that were packed."""

    def __post_init__(self) -> None:
        assert len(self.token_ids) == len(self.position) == len(self.last)
        assert len(self.source) == len(self.target) == len(self.logprob) == len(self.weight) == len(self.unit)

    def __len__(self) -> int:
        return len(self.token_ids)


def pack(units: Sequence[Unit], *, budget: int, weights: Sequence[float] | None = None, share: bool = True) -> list[Row]:
    """Rows of at most `budget` tokens that hold each unit exactly once. Units of one rollout or one group may come to lie in several rows:
    nothing that trains on them may depend on which.

    Sorting puts units with a common prefix side by side, so that filling rows in this order shares nearly all that there is to share; a
    row that is full ends between two units, and the next one forwards the prefix again. `share=False` puts units one after the other, in the
    given order, each with its own copy of its prefix.

    Raises `ConfigError` when a unit is longer than a row: leaving it out, or cutting it, would train something else than was sampled.
    """
    if weights is not None and len(weights) != len(units):
        raise ConfigError(f"give one weight a unit, got {len(weights)} for {len(units)}")
    inputs = [np.array((*unit.prompt, *unit.sampled[:-1]), dtype=">u4") for unit in units]
    longest = max(map(len, inputs), default=0)
    if longest > budget:
        raise ConfigError(
            f"a unit of {longest} tokens does not fit in rows of {budget}: raise `budget`, or sample with a smaller window"
        )
    # Big-endian bytes sort like the ids themselves, and comparing them is one memcmp.
    order = sorted(range(len(units)), key=lambda index: inputs[index].tobytes()) if share else range(len(units))
    rows: list[Row] = []
    growing = _Growing(units, weights)
    for index in order:
        shared = growing.shared(inputs[index]) if share else 0
        if growing.size + len(inputs[index]) - shared > budget:
            rows.append(growing.row())
            growing, shared = _Growing(units, weights), 0
        growing.add(index, inputs[index], shared)
    if growing.size:
        rows.append(growing.row())
    return rows


def batches(rows: Iterable[Row], *, slots: int) -> Iterator[list[Row]]:
    """Rows of like length together, longest first, so that a batch padded to its longest row has at most `slots` tokens. A row longer than that
    comes alone."""
    batch: list[Row] = []
    for row in sorted(rows, key=len, reverse=True):
        if batch and len(batch[0]) * (len(batch) + 1) > slots:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


class _Growing:
    """A row to which units are added in depth-first order."""

    def __init__(self, units: Sequence[Unit], weights: Sequence[float] | None) -> None:
        self._units = units
        self._weights = weights
        self.size = 0
        self._latest: npt.NDArray[np.unsignedinteger] = np.empty(0, dtype=">u4")
        self._path: Ints = np.empty(0, dtype=np.int64)
        """Where the tokens of the latest unit lie in the row."""
        self._closed: list[tuple[Ints, int]] = []
        """Tokens that get no further descendants, and the last that they have."""
        self._tokens: list[npt.NDArray[np.unsignedinteger]] = []
        self._positions: list[Ints] = []
        self._sources: list[Ints] = []
        self._members: list[int] = []

    def shared(self, token_ids: npt.NDArray[np.unsignedinteger]) -> int:
        """How many tokens `token_ids` and the latest unit begin with in common."""
        width = min(len(token_ids), len(self._latest))
        differs = token_ids[:width] != self._latest[:width]
        return int(differs.argmax()) if differs.any() else width

    def add(self, index: int, token_ids: npt.NDArray[np.unsignedinteger], shared: int) -> None:
        new = len(token_ids) - shared
        self._closed.append((self._path[shared:], self.size - 1))
        self._path = np.concatenate((self._path[:shared], np.arange(self.size, self.size + new)))
        self._latest = token_ids
        self._tokens.append(token_ids[shared:])
        self._positions.append(np.arange(shared, len(token_ids)))
        self._sources.append(self._path[len(self._units[index].prompt) - 1 :])
        self._members.append(index)
        self.size += new

    def row(self) -> Row:
        last = np.empty(self.size, dtype=np.int64)
        for tokens, end in (*self._closed, (self._path, self.size - 1)):
            last[tokens] = end
        members = [self._units[index] for index in self._members]
        lengths = [len(unit.sampled) for unit in members]
        weights = np.ones(len(members)) if self._weights is None else np.array([self._weights[index] for index in self._members])
        return Row(
            token_ids=np.concatenate(self._tokens).astype(np.int64),
            position=np.concatenate(self._positions),
            last=last,
            source=np.concatenate(self._sources),
            target=np.array([token for unit in members for token in unit.sampled], dtype=np.int64),
            logprob=np.array(
                [value for unit in members for value in unit.logprobs or (np.nan,) * len(unit.sampled)], dtype=np.float32
            ),
            weight=np.repeat(weights.astype(np.float32), lengths),
            unit=np.repeat(np.array(self._members, dtype=np.int64), lengths),
        )
