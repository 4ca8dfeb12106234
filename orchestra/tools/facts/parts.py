"""The parts of a question, held against the parts of a plan: what stands in parentheses, what each of several answers is, and by what it is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .mentions import Mentions
from .names import Vocabulary
from .reading import ANSWERS, Tree, said

_BEST = ("argmax", "argmin")
_EXTREMES = ("argmax", "argmin", "largest", "smallest")
_OF = frozenset({"of", "among", "out", "one", "the"})


@dataclass(frozen=True, slots=True)
class Group:
    """What stands between two parentheses, by the characters at which these stand."""

    begin: int
    end: int

    def holds(self, at: int) -> bool:
        return self.begin < at < self.end


def groups(text: str) -> list[Group]:
    """Inner ones before those that they stand in; a parenthesis without its other is none."""
    found, open_ = [], []
    for at, character in enumerate(text):
        if character == "(":
            open_.append(at)
        elif character == ")" and open_:
            found.append(Group(open_.pop(), at))
    return found


class Parts:
    """Of one question."""

    def __init__(self, mentions: Mentions, vocabulary: Vocabulary) -> None:
        self._mentions = mentions
        self._places = mentions.attributes
        self._signs = vocabulary.signs
        self._directions = vocabulary.directions
        self._asking = vocabulary.asking
        self._named = [group for group in groups(mentions.text) if self._said_in(group)]

    def against(self, tree: Tree) -> Iterator[str]:
        """What is wrong with a plan's tree."""
        yield from self._unasked(tree)
        if tree.tool == ANSWERS:
            yield from self._mixed_answers(tree)
        values = list(_values(tree))
        belonging: dict[Group, list[Any]] = {}
        for group in self._named:
            same = [value for value in values if _said(value) == self._said_in(group)]
            belonging[group] = [value for value in same if self._fits(group, value)]
            text = self._mentions.text[group.begin : group.end + 1]
            if not belonging[group]:
                why = "reads otherwise than it is written" if same else "does not take as one"
                yield f"it {why} what stands in parentheses: {text}"
        outer = [group for group in self._named if not any(other.holds(group.begin) for other in self._named)]
        whole = {value for group in outer for value in belonging[group] if isinstance(value, Tree)}
        for attribute in _attributes(tree, whole):
            if attribute in self._places and all(any(group.holds(at) for group in outer) for at in self._places[attribute]):
                yield f"it asks for the {attribute} of something else than what stands in parentheses with it"

    def _said_in(self, group: Group) -> Counter[str | float]:
        """Names, relations and numbers."""
        mentions = self._mentions
        named = ((key, at) for key, places in mentions.places.items() if key not in self._places for at in places)
        found = Counter[str | float](key for key, at in named if group.holds(at))
        found.update(number for at, number in mentions.numbers if group.holds(at))
        found.update(number for at, number, _ in mentions.spelled if group.holds(at))
        return found

    def _fits(self, group: Group, value: Any) -> bool:
        """Whether the words that stand in a group, and in none inside it, are used in what has its names."""
        inside = [other for other in self._named if group.holds(other.begin)]
        called = {tree.tool for tree in _values(value) if isinstance(tree, Tree)}
        # the attribute of a list may stand before it: the average age of (Ada and Bob)
        for attribute in set(_attributes(value, frozenset())) if isinstance(value, Tree) else ():
            if not any(group.holds(at) for at in self._places.get(attribute, ())):
                return False
        for begin, _, word in self._mentions.plain:
            if not group.holds(begin) or any(other.holds(begin) for other in inside):
                continue
            meant = {tool for tool, words in self._signs.items() if word in words}
            if word in self._directions:
                meant = meant.intersection(_EXTREMES) if word.endswith(("est", "most", "least", "imum")) else set()
            if meant and called.isdisjoint(meant):
                return False
        return True

    def _unasked(self, tree: Tree) -> Iterator[str]:
        """Attributes that are looked up in more ways than they are asked for, and those that are asked for and not looked up."""
        best = {value for value in _values(tree) if isinstance(value, Tree) and value.tool in _BEST}
        compared = Counter(attribute for one in best for attribute in _compared(one))
        beside = set(_attributes(tree, frozenset(), compared=False))
        for attribute in {*compared, *beside}:
            often = len(self._places.get(attribute, ()))
            if often and compared[attribute] + (attribute in beside) > often:
                yield f"it asks for the {attribute} more often than the question, which says it {often} times"
        known = {*compared, *beside}
        mentions = self._mentions
        for key, places in mentions.places.items():
            if key in self._places and places and key not in known:
                yield f"it makes nothing of the {key}"
        for begin, end, word in mentions.plain:
            meant = {key for key, words in self._asking.items() if word in words and begin in self._places.get(key, ())}
            if len(meant) == 1 and known.isdisjoint(meant) and self._asks_by_itself(end, word):
                yield f"it makes nothing of the word {word!r}"

    def _asks_by_itself(self, end: int, word: str) -> bool:
        """Whether a word surely asks for its own attribute: "the tallest", "the smallest of A and B", and not "greater"."""
        if not word.endswith("est"):
            return False
        for begin, last, known in self._mentions.words:
            if begin < end:
                continue
            if known is not None:
                return known.kind == "name"
            if self._mentions.text[begin:last].casefold() not in _OF:
                return False
        return False

    def _mixed_answers(self, tree: Tree) -> Iterator[str]:
        """One phrase asks for one thing of several only where it says so: the heights of A and B, and the depth of C."""
        per_answer = [set(_attributes(answer, frozenset(), compared=False)) for answer in tree.arguments]
        alike = all(isinstance(one, Tree) and one.tool == "lookup" for one in tree.arguments)
        if alike and len({one.arguments[-1] for one in tree.arguments if isinstance(one, Tree)}) == 1:
            return
        by_best = [
            {attribute for one in _values(answer) if isinstance(one, Tree) and one.tool in _BEST for attribute in _compared(one)}
            for answer in tree.arguments
        ]
        often = Counter(attribute for both in zip(per_answer, by_best, strict=True) for attribute in both[0] | both[1])
        for attribute, count in often.items():
            places = self._places.get(attribute, ())
            if places and count > len(places) and attribute not in self._mentions.plurals:
                yield f"it asks for the {attribute} in {count} answers, which the question says {len(places)} times"


def _values(value: Any) -> Iterator[Any]:
    """Everything in a tree, once for each place."""
    yield value
    for item in value.arguments if isinstance(value, Tree) else value if isinstance(value, tuple) else ():
        yield from _values(item)


def _said(value: Any) -> Counter[str | float]:
    return said(value if isinstance(value, Tree) else Tree("", (value,)))


def _compared(best: Tree) -> set[str]:
    """The attributes by which the best of several is found."""
    numbers = best.arguments[1]
    listed = numbers if isinstance(numbers, tuple) else (numbers,)
    return {str(one.arguments[1]) for one in listed if isinstance(one, Tree) and one.tool == "lookup"}


def _attributes(value: Any, whole: frozenset[Tree] | set[Tree], *, compared: bool = True) -> Iterator[str]:
    """Those that are looked up anywhere but in `whole`; without `compared`, and not just to find the best of several."""
    match value:
        case Tree() if value in whole:
            return
        case Tree(tool, (names, *_)) if tool in _BEST and not compared:
            yield from _attributes(names, whole, compared=compared)
        case Tree("lookup", (entity, str(attribute))):
            yield attribute
            yield from _attributes(entity, whole, compared=compared)
        case Tree(_, items) | tuple(items):
            for item in items:
                yield from _attributes(item, whole, compared=compared)
