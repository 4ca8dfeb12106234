"""The batches of a training run: rows of one folder, or of several in proportions that may change on the way, in a seeded order.

A batch is a function of its step, so a run that was broken off, or is spread over several processes, sees the same ones.
Shapes: B = rows of a batch, T = row width.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile, is_zipfile

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from orchestra.errors import ConfigError

from .. import packing

Batch = tuple[Tensor, Tensor, Tensor]
"""token_ids, document, trained, [B, T] each."""


@dataclass(frozen=True, slots=True)
class Share:
    """A folder of rows and its weight at the first and the last step; in between it changes linearly."""

    folder: Path
    first: float
    last: float


def share(text: str) -> Share:
    """`DIR`, `DIR:WEIGHT` or `DIR:FIRST-LAST`. Weights of 0 stand for none given: then `Mixture` takes the number of rows."""
    folder, colon, weights = text.rpartition(":")
    if not colon:
        return Share(Path(text), 0, 0)
    first, _, last = weights.partition("-")
    try:
        found = Share(Path(folder), float(first), float(last or first))
    except ValueError:
        raise argparse.ArgumentTypeError(f"a weight is a number or FIRST-LAST, got {weights!r} in {text!r}") from None
    if min(found.first, found.last) < 0 or not 0 < found.first + found.last < float("inf"):
        raise argparse.ArgumentTypeError(f"weights are positive (one of two may be 0), got {text!r}")
    return found


def read_rows(folder: Path, *, vocabulary: int) -> packing.Rows:
    """All shards of a folder, or one shard. Raises `ConfigError` where there are no rows, damaged ones, or ids beyond the vocabulary."""
    paths = [folder] if folder.is_file() else sorted(folder.glob("*.npz"))
    if not paths:
        raise ConfigError(
            f"{folder} holds no .npz shards: make them with `python -m orchestra.training.countdown_demos --out {folder}`"
            f" or `python -m orchestra.training.planner.data --out {folder}`"
        )
    if cut := [path for path in paths if not is_zipfile(path)]:
        raise ConfigError(f"{cut[0]} is damaged: remove it and run the program that made it again")
    try:
        rows = packing.load(paths)
    except (ValueError, KeyError, EOFError, OSError, BadZipFile) as error:
        raise ConfigError(f"the shards of {folder} are damaged or of different widths ({error}): make them again") from error
    shapes = {array.shape for array in (rows.token_ids, rows.document, rows.trained)}
    if len(shapes) > 1 or rows.token_ids.ndim != 2:
        raise ConfigError(f"the shards of {folder} are no packed rows, their arrays have the shapes {shapes}: make them again")
    if not rows.trained.any():
        raise ConfigError(f"no token of {folder} is to be trained: make its shards again")
    if (largest := int(rows.token_ids.max())) >= vocabulary:
        raise ConfigError(f"{folder} holds token {largest}, the tokenizer has {vocabulary}: the rows were made with another one")
    return rows


class Source:
    """Rows of a folder as an endless seeded stream; each epoch has an order of its own."""

    def __init__(self, rows: packing.Rows, *, seed: int, per_epoch: int) -> None:
        self.rows = rows
        self._seed = seed
        self._per_epoch = per_epoch
        self._epoch: tuple[int, npt.NDArray[np.int64]] | None = None

    def places(self, start: int, count: int) -> npt.NDArray[np.int64]:
        """Of the rows `start` to `start + count` of the stream, sorted within an epoch."""
        found: list[npt.NDArray[np.int64]] = []
        while count:
            epoch, place = divmod(start, self._per_epoch)
            taken = self._order(epoch)[place : min(place + count, self._per_epoch)]
            found.append(np.sort(taken))
            start, count = start + len(taken), count - len(taken)
        return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)

    def _order(self, epoch: int) -> npt.NDArray[np.int64]:
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = epoch, np.random.default_rng([self._seed, epoch]).permutation(len(self.rows))
        return self._epoch[1]


class Mixture:
    """Batches of rows from one or several folders.

    A single folder drops the rows that fill no batch at the end of an epoch. Of several, each gives its share of every batch, to a row;
    what a batch cannot show of small shares, later ones make up for. Narrow rows are padded to the widest.
    """

    def __init__(
        self,
        shares: Sequence[Share],
        *,
        batch_tokens: int,
        seed: int,
        vocabulary: int,
        device: torch.device,
        few: bool = False,
    ) -> None:
        """With `few`, less than a batch of rows is a batch, too. Raises `ConfigError` for rows that cannot be trained on."""
        unweighted = [str(one.folder) for one in shares if not one.first + one.last]
        if 0 < len(unweighted) < len(shares):
            raise ConfigError(
                f"{unweighted[0]} has no weight and others have: write {unweighted[0]}:WEIGHT, or leave all weights out"
            )
        found = [read_rows(one.folder, vocabulary=vocabulary) for one in shares]
        self.width = max(rows.token_ids.shape[1] for rows in found)
        self.num_rows = sum(map(len, found))
        self.batch = max(1, batch_tokens // self.width)
        if few:
            self.batch = min(self.batch, self.num_rows)
        self.num_tokens = sum(rows.num_tokens for rows in found)
        self.per_epoch = self.num_rows // self.batch
        if not self.per_epoch:
            names = ", ".join(str(one.folder) for one in shares)
            raise ConfigError(
                f"{names} holds {self.num_rows} rows, fewer than a batch of {self.batch}: make more, or lower --batch-tokens"
            )
        alone = len(shares) == 1
        self._sources = [Source(rows, seed=seed, per_epoch=self.per_epoch * self.batch if alone else len(rows)) for rows in found]
        self._shares = (
            [Share(one.folder, len(rows), len(rows)) for one, rows in zip(shares, found, strict=True)]
            if unweighted
            else list(shares)
        )
        self._device = device
        self._starts: npt.NDArray[np.int64] | None = None

    @property
    def parts(self) -> list[packing.Rows]:
        """All rows, folder by folder."""
        return [source.rows for source in self._sources]

    def plan(self, steps: int) -> None:
        """Settle which rows each step of a run of so many sees."""
        if len(self._sources) == 1:
            counts = np.full((steps, 1), self.batch)
        else:
            counts = rows_a_step(self._shares, steps=steps, batch=self.batch)
        self._starts = np.concatenate([np.zeros((1, len(self._sources)), dtype=np.int64), np.cumsum(counts, axis=0)])

    def at(self, step: int) -> Rows:
        """The rows of a step of the plan."""
        assert self._starts is not None, "`plan` comes first"
        starts, ends = self._starts[step], self._starts[step + 1]
        parts = [
            _padded(_taken(source.rows, source.places(int(start), int(end - start))), self.width)
            for source, start, end in zip(self._sources, starts, ends, strict=True)
        ]
        return self._together(parts)

    def all(self) -> Iterator[Batch]:
        """Every row, in the order of the files. What is missing in the last batch is padding, so that all have one shape."""
        rows = [_padded(_taken(source.rows, np.arange(len(source.rows))), self.width) for source in self._sources]
        shape = (-self.num_rows % self.batch, self.width)
        padding = packing.Rows(
            token_ids=np.zeros(shape, np.uint16), document=np.zeros(shape, np.uint16), trained=np.zeros(shape, np.bool_)
        )
        whole = self._together([*rows, padding])
        for start in range(0, self.num_rows, self.batch):
            yield whole.part(slice(start, start + self.batch))

    def _together(self, parts: Sequence[packing.Rows]) -> Rows:
        token_ids, document, trained = (
            np.concatenate(arrays) for arrays in zip(*((p.token_ids, p.document, p.trained) for p in parts), strict=True)
        )
        return Rows(token_ids, document, trained, self._device)


@dataclass(frozen=True)
class Rows:
    """The rows of a batch in memory, [B, T] each."""

    token_ids: npt.NDArray[np.uint16]
    document: npt.NDArray[np.uint16]
    trained: npt.NDArray[np.bool_]
    device: torch.device

    @cached_property
    def num_tokens(self) -> int:
        """That are not padding."""
        return int((self.document > 0).sum())

    @cached_property
    def num_trained(self) -> int:
        """Those whose loss counts: the first of a row has nothing that predicts it."""
        return int(self.trained[:, 1:].sum())

    def part(self, chosen: slice) -> Batch:
        """Some rows, as tensors on the device."""
        arrays = (
            self.token_ids[chosen].astype(np.int64),
            self.document[chosen].astype(np.int32),
            np.ascontiguousarray(self.trained[chosen]),
        )
        token_ids, document, trained = (self._moved(torch.from_numpy(array)) for array in arrays)
        return token_ids, document, trained

    def _moved(self, tensor: Tensor) -> Tensor:
        if self.device.type != "cuda":
            return tensor
        # From memory that is not pinned a copy waits for the GPU, and the next step could not be launched meanwhile.
        return tensor.pin_memory().to(self.device, non_blocking=True)

    def save(self, path: Path) -> None:
        packing.Rows(token_ids=self.token_ids, document=self.document, trained=self.trained).save(path)


def rows_a_step(shares: Sequence[Share], *, steps: int, batch: int) -> npt.NDArray[np.int64]:
    """How many rows of each share a step gets, [steps, shares]. Each line sums to `batch`; the sums of a column stay within a few rows of
    what its weight asks for."""
    counts = np.zeros((steps, len(shares)), dtype=np.int64)
    owed = np.zeros(len(shares))
    first, last = np.array([one.first for one in shares]), np.array([one.last for one in shares])
    for step in range(steps):
        weight = first + (last - first) * (step / max(1, steps - 1))
        if not weight.sum() > 0:
            raise ConfigError(f"at step {step} all --data have weight 0: let one of them keep some")
        owed += batch * weight / weight.sum()
        count = np.maximum(np.floor(owed), 0).astype(np.int64)
        # Rounding may leave the line a few rows short or over: the most owed get more, the least owed fewer.
        while (short := batch - int(count.sum())) != 0:
            place = int(np.argmax(owed - count)) if short > 0 else int(np.argmin(np.where(count > 0, owed - count, np.inf)))
            count[place] += 1 if short > 0 else -1
        counts[step], owed = count, owed - count
    return counts


def _taken(rows: packing.Rows, places: npt.NDArray[np.int64]) -> packing.Rows:
    return packing.Rows(token_ids=rows.token_ids[places], document=rows.document[places], trained=rows.trained[places])


def _padded(rows: packing.Rows, width: int) -> packing.Rows:
    more = ((0, 0), (0, width - rows.token_ids.shape[1]))
    if not more[1][1]:
        return rows
    return packing.Rows(
        token_ids=np.pad(rows.token_ids, more), document=np.pad(rows.document, more), trained=np.pad(rows.trained, more)
    )
