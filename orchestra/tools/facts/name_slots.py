"""Where in a question a name can stand for a longer phrase: where something is asked of it, and not where it is asked for itself.

"What is the height of the tallest of A, B and C?" asks as "What is the height of X?" does. "Find the tallest of A, B and C and the height of D."
does not ask as "Find X and the height of D." does, which says nothing about X.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .names import Vocabulary

_OPENED = re.compile(r"[\s(]*$")
_MEANS = "average|mean|total|combined|maximum|minimum|top|most|least"
_TAKES_LIST = "among|between|across|out of|each of|one of|which of|whichever of|many of|are|that"
"""What stands before several of which the same is asked."""


class NameSlots:
    """Of the questions about one table, whose attributes are given by their keys."""

    def __init__(self, attributes: Iterable[str], vocabulary: Vocabulary) -> None:
        asking = any_of({word for words in vocabulary.asking.values() for word in words})
        of = any_of(attributes)
        forms = any_of(form for key in attributes for form in (f"{key}s", f"{key}es", f"{key.removesuffix('y')}ies"))
        before = r"(?<!\bname )of|for|than|across|between|among|with|as"
        self._asked_before = re.compile(rf"\b(?:{before}|(?:{asking})(?: (?:is|are))?)$", re.IGNORECASE)
        self._asked_behind = re.compile(rf"'s |(?:is|are|has|have|than|an?|more|less|{asking})\b", re.IGNORECASE)
        listed = (
            _TAKES_LIST,
            r"(?:\w+est|(?:most|least) \w+)(?: one)? of",
            rf"(?:{forms}) of",
            rf"(?:{_MEANS}|\w+est) (?:{of}) of",
        )
        compared = rf"(?:\w+er|\w+est|(?:more|less|most|least) \w+|{of}):"
        self._each_before = re.compile(rf"\b(?:{of}) of$", re.IGNORECASE)
        self._several_before = re.compile(
            rf"(?:\b(?:{'|'.join(listed)})|^(?:\w+[,!:.] )?of|\b(?:which|who)\b.*{compared})$", re.IGNORECASE
        )

    def takes(self, text: str, begin: int, end: int, names: str) -> bool:
        """Whether a name can stand in place of the characters from `begin` to `end`. `names` is a pattern of names that stand in `text` already."""
        before, behind = _OPENED.sub("", text[:begin]), text[end:].lstrip(") ")
        if self._asked_before.search(before) or self._asked_behind.match(behind):
            return True
        if re.match(rf"or (?:{names})\b", behind) or re.search(rf"\b(?:{names})\)? or$", before):
            return True
        items = re.search(rf"\b(?:{names})(?:, \(?(?:{names})\)?)*(?:,| and|, and)$", before)
        ahead = _OPENED.sub("", text[: items.start()]) if items else before
        if self._each_before.search(ahead) and text.rstrip("?. ").endswith("one by one"):
            return True
        return self._several_before.search(ahead) is not None


def any_of(words: Iterable[str]) -> str:
    """A pattern that takes the longest first, and nothing where there are none."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)) or "(?!)"
