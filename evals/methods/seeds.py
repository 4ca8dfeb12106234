"""Seeds of epochs."""

from __future__ import annotations

import zlib


def epoch_seed(seed: int | None, epoch: int) -> int | None:
    """Another one for each epoch: equal ones would make epochs copies of each other. None leaves seeds to the engine."""
    return None if seed is None else zlib.crc32(f"{seed}/{epoch}".encode())
