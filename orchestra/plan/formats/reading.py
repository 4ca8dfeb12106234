"""What the readers of models' texts share: their error, their limits, and how they quote what they could not read."""

from __future__ import annotations

import re

from ...errors import PlanError
from ..finding import Code

MAX_DEPTH = 64
"""Levels of nested lists and objects; everything that later walks a value recursively stays far below Python's own limit."""
END_OF_TEXT = ""
"""What a stream's machine is sent instead of a character when the text has ended."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class Unreadable(PlanError):
    """A part of the text is not what the format says. It becomes a finding; it never leaves a parser."""

    def __init__(self, message: str, code: Code = "syntax") -> None:
        super().__init__(message)
        self.code: Code = code


def excerpt(text: str, limit: int = 60) -> str:
    """`text` in quotes, on one line and short; whatever cannot be printed is escaped."""
    text = text.strip()
    return repr(text if len(text) <= limit else f"{text[: limit - 1]}…")


def clean(text: str) -> str:
    """`text` with lone surrogates, which no UTF-8 file or database takes, as decoders write them: U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def whole(text: str) -> str:
    """`text` itself. Raises `Unreadable` when an escape in it has made half of a character."""
    if not text.isascii() and _SURROGATE.search(text):
        raise Unreadable(f"{excerpt(text)} holds half of a surrogate pair: write the character itself, or both halves")
    return text
