"""The card of a Countdown model, read off the rows that it was trained on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from orchestra.countdown import notation
from orchestra.countdown.attempt import METHODS, Method
from orchestra.countdown.model import ModelCard, read_card
from orchestra.countdown.problem import MAX_NUMBERS, MIN_NUMBERS

from ..packing import Rows

_BEAMS: dict[int, tuple[Method, int]] = {
    notation.SERIAL: ("serial", 1),
    notation.FORK: ("fork", 2),
    notation.CHILD: ("fork", 1),
    notation.WEAVE: ("weave", 2),
}
"""By the token after <bos>: the method, and how many beams follow."""


def card_of(parts: Iterable[Rows], *, init: Path | None) -> ModelCard:
    """What a model knows that has seen these rows, after those of the model of `init`. Raises `ConfigError` for an `init` without a card."""
    before = read_card(init) if init is not None else ModelCard(sizes=(), methods=(), free=())
    known, free, sizes = set(before.methods), set(before.free), set(before.sizes)
    for rows in parts:
        row, place = np.nonzero(rows.token_ids[:, :-3] == notation.BOS)
        for mode, (method, beams) in _BEAMS.items():
            chosen = rows.token_ids[row, place + 1] == mode
            if chosen.any():
                known.add(method)
            first = place[chosen] + 2
            if any((rows.token_ids[row[chosen], first + beam] == notation.number(notation.FREE)[0]).any() for beam in range(beams)):
                free.add(method)
        sizes |= _sizes(rows)
    return ModelCard(
        sizes=tuple(sorted(sizes)) or ModelCard().sizes,
        methods=tuple(method for method in METHODS if method in known),
        free=tuple(method for method in METHODS if method in free),
    )


def _sizes(rows: Rows) -> set[int]:
    """How many numbers the problems of its prompts have; each is one token."""
    row, place = np.nonzero(rows.token_ids[:, : -MAX_NUMBERS - 1] == notation.NUMBERS)
    sizes = set()
    for size in range(MIN_NUMBERS, MAX_NUMBERS + 1):
        ended = np.isin(rows.token_ids[row, place + size + 1], (notation.GO, notation.CALL))
        if ended.any():
            sizes.add(size)
        row, place = row[~ended], place[~ended]
    return sizes
