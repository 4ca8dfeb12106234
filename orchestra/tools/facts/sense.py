"""What the words of a question say about its answer: of which kind it is, which operators it takes, and in which order they apply.

The checks know the shapes of plain questions ("Is A higher than B?", "A minus B plus C") and say nothing about any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from .mentions import COUNTING, Mentions
from .names import Vocabulary
from .operators import FACTORS, Operators
from .reading import ANSWERS, Place, Tree, converted

_SUBTRACTING = frozenset({"minus", "subtract", "subtracted", "decreased", "reduced"})
_APART = frozenset({"much", "many", "away", "left", "less", "below", "exceed"})
"""Words of questions for a difference, besides these."""
_KINDS = {
    **dict.fromkeys(("related", "argmax", "argmin"), "name"),
    **dict.fromkeys(("greater", "less"), "truth"),
    **dict.fromkeys(("count_above", "count_below"), "count"),
    ANSWERS: "several",
}
_IN_WORDS = {"name": "a name", "truth": "yes or no", "count": "a count", "several": "several answers", "number": "a number"}
_GREETING = frozenset({"hi", "hello", "please"})
_TRUTH = frozenset({"is", "are", "does", "do", "has", "have"})
_SHARE = frozenset({"percent", "percentage", "share"})


class Sense:
    """Of one question."""

    def __init__(self, mentions: Mentions, vocabulary: Vocabulary) -> None:
        self._text = mentions.text
        self._operators = Operators(mentions)
        self._spans, self._words = self._operators.spans, self._operators.words
        self._units = [known is not None and known.kind == "unit" for _, _, known in mentions.words]
        self._places = mentions.places
        spelled = {number for _, number, _ in mentions.spelled}
        self._numbers = {
            number: [at for at, one in mentions.numbers if one == number] for _, number in mentions.numbers if number not in spelled
        }
        self._up = vocabulary.signs.get("greater", frozenset())
        self._down = vocabulary.signs.get("less", frozenset())

    def against(self, tree: Tree) -> Iterator[str]:
        """What is wrong with a plan's tree."""
        calls = list(_calls(tree))
        yield from self._wrong_kind(tree)
        yield from self._wrong_operators(calls)
        yield from self._operators.misapplied(calls)
        yield from self._wrong_order(tree, calls)

    def _follows(self, word: str) -> Iterator[int]:
        """Where the words after `word` are, by number."""
        yield from (at + 1 for at, said in enumerate(self._words[:-1]) if said == word)

    @cached_property
    def _heads(self) -> list[int]:
        """First words of sentences, greetings aside, by number."""
        heads, fresh = [], True
        for at, word in enumerate(self._words):
            if fresh and word not in _GREETING:
                heads.append(at)
                fresh = False
            fresh = fresh or any(mark in self._operators.between[at] for mark in ".?!:;")
        return heads

    @cached_property
    def _kinds(self) -> frozenset[str]:
        """Of answers that may be meant; empty where the words do not say."""
        words = self._words
        many = [(words[at], self._units[at]) for at in self._follows("many")]
        if any(word in ("of", "are") for word, _ in many):
            return frozenset({"count"})
        named = any(words[at - 2 : at + 1] == ["the", "name", "of"] for at in self._follows("name") if at >= 2)
        named = named or any(words[at] == "name" for at in self._heads)
        if named or any(words[at] not in _SHARE for at in self._follows("which")):
            return frozenset({"name", "several"})
        asking = [words[at - 1] if at else "" for at, word in enumerate(words) if word in ("who", "whose")]
        if any(words[at] in ("who", "whose") for at in self._heads) or any(word in ("me", "know") for word in asking):
            return frozenset({"name", "several"})
        yes = [at for at in self._heads if words[at] in _TRUTH and words[at + 1 : at + 2] != ["you"]]
        if yes or "whether" in words:
            return frozenset({"truth", "name"} if "or" in words else {"truth"})
        return frozenset({"number", "several"} if "how" in words else ())

    def _wrong_kind(self, tree: Tree) -> Iterator[str]:
        kind, asked = _KINDS.get(converted(tree).tool, "number"), self._kinds
        if (asked and kind not in asked) or (kind in ("truth", "count") and kind not in asked):
            wanted = " or ".join(_IN_WORDS[one] for one in sorted(asked)) or "something else"
            yield f"its answer is {_IN_WORDS[kind]}, where {wanted} is asked for"
        for at, (begin, end) in enumerate(self._spans):
            joined = any(one.infix and one.begin > end and self._operators.joins(begin, one.begin) for one in self._operators.found)
            if joined and tree.tool == "convert" and self._units[at] and not self._is_measure(at):
                yield "it converts all of a calculation of which the question has a part converted"
        root, words = converted(tree).tool, self._words
        if kind == "number" and any(words[at] == "times" for at in self._follows("many")) and root != "divide":
            yield "it does not say how many times"
        if (
            kind == "number"
            and "much" in words
            and ("than" in words or "exceed" in words)
            and root not in ("subtract", "difference")
        ):
            yield "it does not say how much more or less"

    def _wrong_operators(self, calls: Sequence[Tree]) -> Iterator[str]:
        for word, (tool, factor) in FACTORS.items():
            if word in self._words and not any(call.tool == tool and call.arguments[-1] == factor for call in calls):
                yield f"it makes nothing of the word {word!r}"
        often = Counter[str]()
        for call in calls:
            items = call.arguments[0]
            often[call.tool] += len(items) - 1 if call.tool == "add" and isinstance(items, tuple) else 1
            if len(call.arguments) == 2 and call.arguments[0] == call.arguments[1]:
                yield f"it calls `{call.tool}` with the same thing twice"
            if call.tool in ("argmax", "argmin") and not _compares_one_attribute(call):
                yield f"it calls `{call.tool}` by something other than an attribute of the names"
        for tool, said in Counter(operator.tool for operator in self._operators.found if operator.infix).items():
            if often[tool] < said:
                yield f"it calls `{tool}` {often[tool]} times, for which the question asks {said} times"
        if not often["subtract"]:
            yield from (f"it makes nothing of the word {word!r}" for word in self._words if word in _SUBTRACTING)
        if often["subtract"] and _SUBTRACTING.union(_APART).isdisjoint(self._words):
            yield "it calls `subtract`, of which the question says nothing"

    def _is_measure(self, at: int) -> bool:
        """Whether the unit at this word belongs to a number."""
        return at > 0 and (self._words[at - 1].isdecimal() or self._words[at - 1] in COUNTING)

    def _wrong_order(self, tree: Tree, calls: Sequence[Tree]) -> Iterator[str]:
        """Of the two operands of "minus", "than", "times as high as" and "percentage of"."""
        if "let" in self._words:
            return  # x and y stand for them
        for operator in self._operators.found:
            if operator.infix and operator.tool in ("subtract", "divide"):
                pairs = [self._pair(call) for call in calls if call.tool == operator.tool]
                if not any(_around(pair, operator.begin) for pair in pairs):
                    yield "it takes what stands before and after an operator the other way round"
        root = converted(tree)
        if len(root.arguments) != 2 or None in (pair := self._pair(root)):
            return
        first, second = pair
        if (base := self._base(root)) is None or first is None or second is None:
            return
        at, is_second = base
        after = [place for place in pair if place is not None and place[0] > at]
        if after and (min(after) == second) != is_second:
            yield "it takes the two that are compared the other way round"

    def _base(self, root: Tree) -> tuple[int, bool] | None:
        """After which character the question says what something is compared with, and whether this is the second operand."""
        than = [at for at, word in enumerate(self._words) if word == "than" and not self._is_inside(at)]
        if root.tool in ("greater", "less") and len(than) == 1:
            return self._spans[than[0]][1], True
        if root.tool == "subtract" and len(than) == 1 and "much" in self._words:
            up, down = (any(word in words for word in self._words) for words in (self._up, self._down))
            return (self._spans[than[0]][1], up) if up != down else None
        if root.tool == "divide" and len(than) == 1 and any(self._words[at] in self._up for at in self._follows("times")):
            return self._spans[than[0]][1], True
        if root.tool == "divide" and "times" in self._words and self._words.count("as") == 2:
            return self._spans[len(self._words) - 1 - self._words[::-1].index("as")][1], True
        of = [at for word in _SHARE for at in self._follows(word) if self._words[at] == "of"]
        return (self._spans[of[0]][1], True) if root.tool == "percent" and len(of) == 1 else None

    def _is_inside(self, at: int) -> bool:
        """Whether the word stands in parentheses."""
        before = self._text[: self._spans[at][0]]
        return before.count("(") > before.count(")")

    def _pair(self, call: Tree) -> tuple[Place, Place]:
        return self._place(call.arguments[0]), self._place(call.arguments[-1])

    def _place(self, value: Any) -> Place:
        """Where its names and numbers are said."""
        match value:
            case Tree("lookup" | "related", (entity, *_)):
                return self._place(entity)
            case Tree("argmax" | "argmin", (names, *_)):
                return self._place(names)
            case Tree("convert", (number, *_)):
                return self._place(number)
            case Tree(_, items) | tuple(items):
                known = [place for item in items if (place := self._place(item)) is not None]
                return (min(low for low, _ in known), max(high for _, high in known)) if known else None
            case _:
                found = self._places.get(value, ()) if isinstance(value, str) else self._numbers.get(value, ())
                return (found[0], found[0]) if len(found) == 1 else None


def _calls(value: Any) -> Iterator[Tree]:
    if isinstance(value, Tree):
        yield value
        value = value.arguments
    if isinstance(value, tuple):
        for item in value:
            yield from _calls(item)


def _around(pair: tuple[Place, Place], at: int) -> bool:
    first, second = pair
    return (first is None or first[1] < at) and (second is None or second[0] > at)


def _compares_one_attribute(call: Tree) -> bool:
    numbers = call.arguments[1]
    attributes = {
        number.arguments[1] if isinstance(number, Tree) and number.tool == "lookup" else None for number in _tuple(numbers)
    }
    return len(attributes) == 1 and None not in attributes


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
