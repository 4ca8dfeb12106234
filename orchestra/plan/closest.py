"""Did you mean …? Similar words for messages, with a bound on the time that looking for them takes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice

_MAX_LOOKUPS = 20
_MAX_CANDIDATES = 300
_MAX_LENGTH = 64
"""Of a word; comparing takes the square of it."""


class Suggestions:
    """For one report: similar words for its first twenty mistakes, nothing for the rest."""

    def __init__(self) -> None:
        self._left = _MAX_LOOKUPS

    def closest(self, word: str, candidates: Iterable[str]) -> str:
        """`", did you mean 'this'?"`, or nothing."""
        if not self._left or len(word) > _MAX_LENGTH:
            return ""
        self._left -= 1
        originals = {name.lower(): name for name in islice(candidates, _MAX_CANDIDATES) if len(name) <= _MAX_LENGTH}
        found = difflib.get_close_matches(word.lower(), originals, n=2, cutoff=0.7)
        return f" (did you mean {' or '.join(repr(originals[name]) for name in found)}?)" if found else ""


def listed(names: Iterable[str], limit: int = 10) -> str:
    """The first few of many names."""
    found = list(islice(names, limit + 1))
    return ", ".join(found[:limit]) + (" and others" if len(found) > limit else "")
