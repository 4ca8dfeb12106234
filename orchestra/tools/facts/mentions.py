"""What a question speaks of, and where: names, relations, attributes and numbers, by the character at which each is said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise

from .names import Known, Names, folded, numbers_in
from .table import key_of

_GAP = re.compile(r"[\s-]*")
SPELLED = {
    2: ("twice", "double", "two", "half"),
    3: ("three", "triple", "third"),
    4: ("four", "fourth", "quarter"),
    5: ("five", "fifth"),
    10: ("ten", "tenth"),
}
"""Numbers that are written in letters."""
COUNTING = frozenset({"two", "three", "four", "five", "ten"})
"""Those of them that are numbers before "times" and before a unit, and may just say how many things are asked for."""
_NO_ATTRIBUTE = frozenset({"number", "value"})
"""After a superlative: the largest number is not the largest area."""


class Mentions:
    """Of one question, word by word."""

    def __init__(self, text: str, names: Names) -> None:
        self.text = text
        self._names = names
        self._vocabulary = names.vocabulary

    @cached_property
    def words(self) -> list[tuple[int, int, Known | None]]:
        """Those that belong together as one, with where they begin and end."""
        return list(self._names.found(self.text))

    def of(self, kind: str) -> list[str]:
        """What is known of a kind ("name", "attribute", "unit"), as the table has it."""
        return list(dict.fromkeys(known.name for _, _, known in self.words if known is not None and known.kind == kind))

    @cached_property
    def plain(self) -> list[tuple[int, int, str]]:
        """Words that are nothing known, in small letters."""
        return [(begin, end, self.text[begin:end].casefold()) for begin, end, known in self.words if known is None]

    @cached_property
    def heard(self) -> Counter[str]:
        """How often each word is said that is no name; "many times" is one where the planner's card knows it."""
        words = ["" if known else self.text[begin:end].casefold() for begin, end, known in self.words]
        two = {sign for signs in self._vocabulary.signs.values() for sign in signs if " " in sign}
        pairs = ((f"{before} {word}", word) for before, word in pairwise(["", *words]))
        return Counter(both if both in two else word for both, word in pairs)

    @cached_property
    def places(self) -> Mapping[str, Sequence[int]]:
        """Where each name, attribute and relation is said, by its key."""
        places: dict[str, list[int]] = {}
        for begin, _, known in self.words:
            if known is not None and known.kind != "unit":
                places.setdefault(key_of(known.name), []).append(begin)
        for asked, verbs in self._vocabulary.asking.items():
            if found := [begin for begin, _, word in self.plain if word in verbs and asked in self._names.relations]:
                places[asked] = sorted([*places.get(asked, ()), *found])
        return places

    @cached_property
    def attributes(self) -> Mapping[str, Sequence[int]]:
        """Where each attribute is asked for, by its key: by its own name, or by a word such as "taller" that stands before no other."""
        found = {key: list(places) for key, places in self.places.items() if key in self._names.attributes}
        for attribute, asking in self._vocabulary.asking.items():
            if attribute in self._names.attributes:
                more = [begin for begin, end, word in self.plain if word in asking and not self._belongs(end)]
                found[attribute] = sorted([*found.get(attribute, ()), *more])
        return found

    @cached_property
    def plurals(self) -> frozenset[str]:
        """Attributes that are said of several: "heights"."""
        known = ((key_of(what.name), self.text[begin:end]) for begin, end, what in self.words if what and what.kind == "attribute")
        return frozenset(attribute for attribute, said in known if folded(said) != folded(attribute))

    def _belongs(self, end: int) -> bool:
        """Whether a word that ends there belongs to an attribute that follows: "the highest depth"."""
        behind = next(((begin, last, known) for begin, last, known in self.words if begin >= end), None)
        if behind is None or self.text[end : behind[0]].strip():
            return False
        begin, last, known = behind
        return (known is not None and known.kind == "attribute") or self.text[begin:last].casefold() in _NO_ATTRIBUTE

    @cached_property
    def numbers(self) -> list[tuple[int, float]]:
        """Those in digits that are no part of a name: where they begin, and what they are."""
        return [(found.start(), _value(found)) for found in numbers_in(self.text, self.words)]

    @cached_property
    def spelled(self) -> list[tuple[int, float, bool]]:
        """Those in letters: where they begin, what they are, and whether they are numbers for sure."""
        values = {word: float(number) for number, said in SPELLED.items() for word in said}
        units = {begin for begin, _, known in self.words if known is not None and known.kind == "unit"}
        found = []
        for begin, end, word in self.plain:
            if word in values:
                gap = _GAP.match(self.text, end)
                behind = gap.end() if gap else end
                sure = word not in COUNTING or behind in units or self.text[behind:].casefold().startswith("times")
                found.append((begin, values[word], sure))
        return found

    def misused(self, used: Counter[float]) -> Iterator[str]:
        """How often a plan reckons with each number, against how often the question says it."""
        sure = Counter(number for _, number in self.numbers)
        sure.update(number for _, number, certain in self.spelled if certain)
        perhaps = Counter(number for _, number, certain in self.spelled if not certain)
        known = sure + perhaps
        yield from (
            f"it reckons with {number:g}, which is not in the question" for number in sorted(used - known) if not known[number]
        )
        for number in sorted(sure):
            if not used[number]:
                yield f"it leaves out the number {number:g}"
        for number in sorted(known):
            if used[number] and not sure[number] <= used[number] <= known[number]:
                yield f"it uses the number {number:g} {used[number]} times, which the question says {known[number]} times"

    @cached_property
    def measures(self) -> Mapping[float, str]:
        """The units of numbers after which one stands: 10 kilometres, two miles."""
        units = {begin: known.name for begin, _, known in self.words if known is not None and known.kind == "unit"}
        ends = {found.end(): _value(found) for found in numbers_in(self.text, self.words)}
        spelled = {word: float(number) for number, words in SPELLED.items() for word in words}
        ends |= {end: spelled[word] for _, end, word in self.plain if word in spelled}
        gaps = [(number, _GAP.match(self.text, end)) for end, number in ends.items()]
        return {number: units[gap.end()] for number, gap in gaps if gap is not None and gap.end() in units}


def _value(found: re.Match[str]) -> float:
    return float(found[0].replace(",", ""))
