"""What the words of a question say about its answer: of which kind it is, which operators it takes, and in which order they apply.

The checks know the shapes of plain questions ("Is A higher than B?", "A minus B plus C") and say nothing about any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .names import Known, Vocabulary
from .reading import ANSWERS, Place, Tree

INFIX = {
    **dict.fromkeys(("plus", "increased"), "add"),
    **dict.fromkeys(("minus", "decreased", "reduced"), "subtract"),
    **dict.fromkeys(("times", "multiplied"), "multiply"),
    **dict.fromkeys(("divided", "over"), "divide"),
}
"""Operators that stand between what they are applied to."""
FACTORS = {
    **dict.fromkeys(("twice", "double"), ("multiply", 2)),
    "triple": ("multiply", 3),
    "half": ("divide", 2),
    "third": ("divide", 3),
    **dict.fromkeys(("quarter", "fourth"), ("divide", 4)),
    "fifth": ("divide", 5),
    "tenth": ("divide", 10),
}
OF_LIST = {**dict.fromkeys(("sum", "total", "combined"), "add"), **dict.fromkeys(("average", "mean"), "mean")}
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
_BREAK = frozenset({"is", "are", "does", "let", "than", "above", "below", "exceed", "fall", "what", "which", "how", "then"})
"""Words between two operators that belong to different parts of a question."""
_SPELLED = frozenset({"two", "three", "four", "five", "ten"})
_PRECEDENCE = {"add": 1, "subtract": 1, "multiply": 2, "divide": 2}
_TIGHT = 3
"""The precedence of operators that stand before what they are applied to."""


@dataclass(frozen=True, slots=True)
class Operator:
    tool: str
    begin: int
    end: int
    infix: bool
    of_list: bool = False

    @property
    def precedence(self) -> int:
        return _PRECEDENCE[self.tool] if self.infix else _TIGHT


class Sense:
    """Of one question.

    Args:
        words: those that belong together as one, with where they begin and end.
        places: where each name is said, by its key.
        numbers: where each number is said that is written in digits.
    """

    def __init__(
        self,
        text: str,
        words: Sequence[tuple[int, int, Known | None]],
        places: Mapping[str, Sequence[int]],
        numbers: Mapping[float, Sequence[int]],
        vocabulary: Vocabulary,
    ) -> None:
        self._text = text
        self._spans = [(begin, end) for begin, end, _ in words]
        self._words = ["" if known else text[begin:end].casefold() for begin, end, known in words]
        self._units = [known is not None and known.kind == "unit" for _, _, known in words]
        self._between = [text[end : words[at + 1][0] if at + 1 < len(words) else len(text)] for at, (_, end, _) in enumerate(words)]
        self._places = places
        self._numbers = numbers
        self._up = vocabulary.signs.get("greater", frozenset())
        self._down = vocabulary.signs.get("less", frozenset())

    def against(self, tree: Tree) -> Iterator[str]:
        """What is wrong with a plan's tree."""
        calls = list(_calls(tree))
        yield from self._wrong_kind(tree)
        yield from self._wrong_operators(calls)
        yield from self._wrong_nesting(calls)
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
            fresh = fresh or any(mark in self._between[at] for mark in ".?!:;")
        return heads

    @cached_property
    def _kinds(self) -> frozenset[str]:
        """Of answers that may be meant; empty where the words do not say."""
        words = self._words
        many = [(words[at], self._units[at]) for at in self._follows("many")]
        if any(word in ("of", "are") for word, _ in many):
            return frozenset({"count"})
        if any(words[at] not in _SHARE for at in self._follows("which")):
            return frozenset({"name", "several"})
        asking = [words[at - 1] if at else "" for at, word in enumerate(words) if word in ("who", "whose")]
        if any(words[at] in ("who", "whose") for at in self._heads) or any(word in ("me", "know") for word in asking):
            return frozenset({"name", "several"})
        yes = [at for at in self._heads if words[at] in _TRUTH and words[at + 1 : at + 2] != ["you"]]
        if yes or "whether" in words:
            return frozenset({"truth", "name"} if "or" in words else {"truth"})
        return frozenset({"number", "several"} if "how" in words else ())

    def _wrong_kind(self, tree: Tree) -> Iterator[str]:
        kind, asked = _KINDS.get(_converted(tree).tool, "number"), self._kinds
        if (asked and kind not in asked) or (kind in ("truth", "count") and kind not in asked):
            wanted = " or ".join(_IN_WORDS[one] for one in sorted(asked)) or "something else"
            yield f"its answer is {_IN_WORDS[kind]}, where {wanted} is asked for"
        for at, (begin, end) in enumerate(self._spans):
            joined = any(one.infix and one.begin > end and self._joins(begin, one.begin) for one in self._operators)
            if joined and tree.tool == "convert" and self._units[at] and not self._is_measure(at):
                yield "it converts all of a calculation of which the question has a part converted"
        root, words = _converted(tree).tool, self._words
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
        for tool, said in Counter(operator.tool for operator in self._operators if operator.infix).items():
            if often[tool] < said:
                yield f"it calls `{tool}` {often[tool]} times, for which the question asks {said} times"
        if not often["subtract"]:
            yield from (f"it makes nothing of the word {word!r}" for word in self._words if word in _SUBTRACTING)
        if often["subtract"] and _SUBTRACTING.union(_APART).isdisjoint(self._words):
            yield "it calls `subtract`, of which the question says nothing"

    @cached_property
    def _operators(self) -> list[Operator]:
        found = []
        for at, (word, (begin, end)) in enumerate(zip(self._words, self._spans, strict=True)):
            before = self._words[at - 1] if at else ""
            if word in INFIX and before != "many":
                found.append(Operator(INFIX[word], begin, end, infix=True))
            elif word in FACTORS:
                found.append(Operator(FACTORS[word][0], begin, end, infix=False))
            elif word in OF_LIST:
                found.append(Operator(OF_LIST[word], begin, end, infix=False, of_list=True))
        return found

    def _wrong_nesting(self, calls: Sequence[Tree]) -> Iterator[str]:
        """Operators without parentheses apply from left to right, times and divided by first, and those before their operand before all."""
        for one, other in zip(self._operators, self._operators[1:], strict=False):
            if not self._runs_on(one, other):
                continue
            if other.infix and other.precedence <= one.precedence:
                fits = any(call.tool == other.tool and _is(_operands(call)[:1], one, call) for call in calls)
                flat = one.tool == other.tool == "add" and any(call.tool == "add" and len(_operands(call)) > 2 for call in calls)
                fits = fits or flat
            else:
                fits = any(call.tool == one.tool and _is(_operands(call)[-1:], other, call) for call in calls)
            if not fits:
                yield "it does not apply the question's operators in their order: put parentheses around what belongs together"

    def _runs_on(self, one: Operator, other: Operator) -> bool:
        """Whether two operators belong to one calculation that has no parentheses."""
        return self._joins(one.begin, other.begin, listed=one.of_list)

    def _joins(self, begin: int, end: int, *, listed: bool = False) -> bool:
        """Whether nothing between two characters begins another part of the question."""
        between = [at for at, (first, last) in enumerate(self._spans) if last > begin and first < end]
        marks = "".join(self._between[at] for at in between)
        words = {self._words[at] for at in between}
        stops = ".?!:;()" if listed else ".?!:;(),"
        return not (any(mark in marks for mark in stops) or words & _BREAK or (not listed and words & {"and", "or"}))

    def _is_measure(self, at: int) -> bool:
        """Whether the unit at this word belongs to a number."""
        return at > 0 and (self._words[at - 1].isdecimal() or self._words[at - 1] in _SPELLED)

    def _wrong_order(self, tree: Tree, calls: Sequence[Tree]) -> Iterator[str]:
        """Of the two operands of "minus", "than", "times as high as" and "percentage of"."""
        if "let" in self._words:
            return  # x and y stand for them
        for operator in self._operators:
            if operator.infix and operator.tool in ("subtract", "divide"):
                pairs = [self._pair(call) for call in calls if call.tool == operator.tool]
                if not any(_around(pair, operator.begin) for pair in pairs):
                    yield "it takes what stands before and after an operator the other way round"
        root = _converted(tree)
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


def _converted(value: Tree) -> Tree:
    """What is converted at last."""
    match value:
        case Tree("convert", (Tree() as number, *_)):
            return _converted(number)
    return value


def _operands(call: Tree) -> tuple[Any, ...]:
    items = call.arguments[0]
    return items if isinstance(items, tuple) and call.tool in ("add", "mean") else call.arguments


def _is(operands: tuple[Any, ...], operator: Operator, call: Tree) -> bool:
    """Whether the operand is what the operator gives; a product's may stand on either side."""
    candidates = _operands(call) if call.tool == "multiply" or not operator.infix and operator.of_list else operands
    return any(isinstance(one, Tree) and _converted(one).tool == operator.tool for one in candidates)


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
