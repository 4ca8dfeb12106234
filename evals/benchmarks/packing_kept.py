"""Rollouts that benchmarks of packing train on, kept in a small file, so that measuring needs no engine.

Log-probabilities are rounded: what is measured is how fast they are trained, not what is learned.
"""

from __future__ import annotations

import dataclasses
import gzip
import io
import zlib
from collections.abc import Iterable
from pathlib import Path

from orchestra.training.rollout import Rollout, from_line, to_line

from orchestra.errors import ConfigError

ROLLOUTS = Path(__file__).parents[1] / "recorded" / "packing-rollouts.jsonl.gz"
"""Tries of the shipped model at Countdown, eight a problem, at the temperatures 1 and 2."""
_DIGITS = 5


def keep(path: Path, rollouts: Iterable[Rollout]) -> None:
    """Write a gzipped file of rollouts, the same bytes for the same rollouts."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as file:
        for rollout in rollouts:
            units = tuple(
                dataclasses.replace(unit, logprobs=tuple(round(value, _DIGITS) for value in unit.logprobs))
                for unit in rollout.units
            )
            file.write(to_line(dataclasses.replace(rollout, units=units)).encode())
    path.write_bytes(packed.getvalue())


def kept(path: Path) -> list[Rollout]:
    """The rollouts of a file that `keep` wrote. Raises `ConfigError` for another file, or one that was cut."""
    try:
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as gzipped rollouts: {error}") from error
    if not lines:
        raise ConfigError(f"{path} holds no rollouts")
    return [from_line(line) for line in lines]
