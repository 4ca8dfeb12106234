"""Rows of fixed width that hold several demonstrations, none of which sees another.

Shapes: R = rows, T = row width. A shard on disk is an `.npz` with

    token_ids [R, T] uint16   demonstrations one after the other, padded at the end of the row
    document  [R, T] uint16   1, 2, … for the demonstrations of a row, 0 for padding: attention stays inside a document
    trained   [R, T] bool     whether the token is one that the model should write
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Demonstration:
    """Tokens that the model is given, and tokens that it should write."""

    prompt: tuple[int, ...]
    target: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    token_ids: npt.NDArray[np.uint16]
    document: npt.NDArray[np.uint16]
    trained: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def num_tokens(self) -> int:
        """Tokens that are not padding."""
        return int((self.document > 0).sum())

    def save(self, path: Path) -> None:
        """Write a shard. The file appears under its name only when it is complete."""
        unfinished = path.with_name(path.name + ".part")
        with unfinished.open("wb") as file:
            np.savez(file, token_ids=self.token_ids, document=self.document, trained=self.trained)
        unfinished.rename(path)


def load(paths: Iterable[Path]) -> Rows:
    """All rows of several shards."""
    shards = [_arrays(path) for path in paths]
    return Rows(*(np.concatenate(arrays) for arrays in zip(*shards, strict=True)))


def _arrays(path: Path) -> list[npt.NDArray[Any]]:
    with path.open("rb") as file, np.load(file) as shard:
        return [shard[name] for name in ("token_ids", "document", "trained")]


def pack(demonstrations: Iterable[Demonstration], *, width: int) -> Rows:
    """Fill rows in the given order; a demonstration that does not fit starts a new row, one longer than a row is cut at its end."""
    token_ids: list[list[int]] = []
    document: list[list[int]] = []
    trained: list[list[bool]] = []
    number = 0
    for demo in demonstrations:
        ids = (demo.prompt + demo.target)[:width]
        given = min(len(demo.prompt), width)
        if not token_ids or len(token_ids[-1]) + len(ids) > width:
            token_ids.append([])
            document.append([])
            trained.append([])
            number = 0
        number += 1
        token_ids[-1] += ids
        document[-1] += [number] * len(ids)
        trained[-1] += [False] * given + [True] * (len(ids) - given)
    rows = Rows(
        token_ids=np.zeros((len(token_ids), width), dtype=np.uint16),
        document=np.zeros((len(token_ids), width), dtype=np.uint16),
        trained=np.zeros((len(token_ids), width), dtype=np.bool_),
    )
    for i in range(len(token_ids)):
        length = len(token_ids[i])
        rows.token_ids[i, :length] = token_ids[i]
        rows.document[i, :length] = document[i]
        rows.trained[i, :length] = trained[i]
    return rows
