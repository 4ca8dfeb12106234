"""What questions about a table may speak of, and the words that a planner was trained on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

from .table import FactTable, key_of
from .units import spellings

_SPELLED_OUT = 4
"""Letters of a unit's shortest spelling that is not taken for another word, as "in" and "m" would be."""
_SHORT = 3
"""Letters of a text of which one may be wrong: "K3"."""
_ARTICLE = re.compile(r"the\s+", re.IGNORECASE)
DIRECTED = ("argmax", "argmin", "greater", "less", "largest", "smallest")
_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def words_of(text: str) -> list[str]:
    """In small letters; what is neither a letter nor a digit stands between words."""
    return [found[0].casefold() for found in _WORD.finditer(text)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What a planner was trained on, beside names."""

    words: frozenset[str] = frozenset()
    """Empty: not known, and any word may stand in a question."""
    asking: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Words that ask for an attribute or relation without naming it: "taller" for the height."""
    signs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By tool: one of these words is in every question that needs it."""

    @property
    def directions(self) -> frozenset[str]:
        """Signs that ask for more or less of something, whatever the tool."""
        return frozenset().union(*(self.signs.get(tool, frozenset()) for tool in DIRECTED))


@dataclass(frozen=True, slots=True)
class Known:
    kind: Literal["name", "attribute", "unit"]
    name: str
    """As the table has it; a unit's full name."""

    @property
    def spelling(self) -> str:
        """Without an article, which stands in the text already."""
        found = _ARTICLE.match(self.name)
        return self.name[found.end() :] if found else self.name


class Names:
    """What a table's questions may speak of, found word by word in a text. Made once for a table."""

    def __init__(self, facts: FactTable, vocabulary: Vocabulary) -> None:
        self.facts = facts
        self.vocabulary = vocabulary
        self._known: dict[str, Known] = {}
        for word, unit in spellings().items():
            if len(word) >= _SPELLED_OUT and (word == unit or word not in vocabulary.words):
                self._known[folded(word)] = Known("unit", unit)
        for attribute in dict.fromkeys(attribute for _, attribute, _ in facts.rows()):
            for form in (attribute, f"{attribute}s", f"{attribute}es", f"{attribute.removesuffix('y')}ies"):
                self._known[folded(form)] = Known("attribute", attribute)
        for entity in facts.entities:
            self._known[folded(entity)] = Known("name", entity)
        numbers = [attribute for _, attribute, value in facts.rows() if not isinstance(value, str)]
        others = [attribute for _, attribute, value in facts.rows() if isinstance(value, str)]
        self.attributes_named, self.relations_named = tuple(dict.fromkeys(numbers)), tuple(dict.fromkeys(others))
        """As the table has them: what is a number, and what is another entity."""
        self.attributes, self.relations = (frozenset(map(key_of, some)) for some in (self.attributes_named, self.relations_named))
        """By their keys."""
        self._exact = {key_of(entity): Known("name", entity) for entity in facts.entities}
        self._edged: dict[str, list[tuple[str, str, Known]]] = {}
        """Names that begin or end with neither a letter nor a digit, by their words: what stands before and behind these."""
        for entity in sorted(facts.entities, key=len, reverse=True):
            inner = list(_WORD.finditer(entity))
            if inner and (edges := (entity[: inner[0].start()], entity[inner[-1].end() :])) != ("", ""):
                self._edged.setdefault(folded(entity), []).append((*edges, Known("name", entity)))
        self._longest = max((len(words_of(known)) for known in self._known), default=0)

    def found(self, text: str) -> Iterator[tuple[int, int, Known | None]]:
        """The words of a text: those that belong together as one, with where they begin and end."""
        words = list(_WORD.finditer(text))
        at = 0
        while at < len(words):
            begin = words[at].start()
            for count in range(min(self._longest, len(words) - at), 0, -1):
                end = words[at + count - 1].end()
                if edged := self._with_edges(text, begin, end):
                    yield edged
                    at += count
                    break
                if (known := self._known_as(text[begin:end])) is not None:
                    yield begin, end, known
                    at += count
                    break
            else:
                yield begin, words[at].end(), None
                at += 1

    def _with_edges(self, text: str, begin: int, end: int) -> tuple[int, int, Known] | None:
        """The longest name that is written with the marks around its words: C++, Yahoo!, .NET."""
        for before, behind, known in self._edged.get(folded(text[begin:end]), ()):
            whole = text[max(0, begin - len(before)) : end + len(behind)]
            if key_of(whole) == key_of(known.name):
                return begin - len(before), end + len(behind), known
        return None

    def _known_as(self, piece: str) -> Known | None:
        """A piece of a text that begins and ends with a word."""
        if _ARTICLE.match(f"{piece} "):
            return None
        known = self._exact.get(key_of(piece)) or self._known.get(folded(piece))
        if known is None or known.kind != "name" or piece in known.name:
            return known
        # a name such as "Total", in small letters, is the word that the planner knows
        return None if all(word in self.vocabulary.words for word in words_of(piece)) else known

    def near(self, text: str) -> list[str]:
        """Names that are spelled alike, or have a word in common; failing these, words."""
        by_key = {folded(name): name for name in self.facts.entities}
        if close := get_close_matches(folded(text), by_key, n=3, cutoff=0.7 if len(text) > _SHORT else 0.5):
            return [by_key[key] for key in close]
        words = {word for word in words_of(text) if len(word) > 3}
        if alike := [name for name in self.facts.entities if words & set(words_of(name))]:
            return alike[:3]
        others = [*(what.name for what in self._known.values() if what.kind != "name"), *sorted(self.vocabulary.words)]
        return get_close_matches(folded(text), others, n=2, cutoff=0.82)


def numbers_in(text: str, words: Iterable[tuple[int, int, Known | None]]) -> Iterator[re.Match[str]]:
    """Those in digits that are no part of what `Names.found` knows."""
    taken = [(begin, end) for begin, end, known in words if known is not None]
    for found in _NUMBER.finditer(text):
        if not any(begin < found.end() and found.start() < end for begin, end in taken):
            yield found


def folded(text: str) -> str:
    """A name without what may stand before, behind and between its words."""
    return " ".join(words_of(key_of(text)))
