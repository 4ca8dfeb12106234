"""The operators of a question in words, and in which order they apply: "minus", "twice", "the sum of"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from .mentions import Mentions
from .reading import Tree, converted

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
_BREAK = frozenset({"is", "are", "does", "let", "than", "above", "below", "exceed", "fall", "what", "which", "how", "then"})
"""Words between two operators that belong to different parts of a question."""
_ASKING = frozenset({"find", "compute", "calculate", "me", "out", "determine", "report", "need", "know", "give"})
"""Words after which a calculation begins, besides those of `_BREAK`."""
_LEADING = frozenset({"a", "one", "the"})
"""Words that belong to the operator behind them: "one half of"."""
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


class Operators:
    """Of one question. `words` are empty where they are known, `spans` where they begin and end, `between` what stands behind each."""

    def __init__(self, mentions: Mentions) -> None:
        self._text = text = mentions.text
        words = mentions.words
        self.spans = [(begin, end) for begin, end, _ in words]
        self.words = ["" if known else text[begin:end].casefold() for begin, end, known in words]
        self.between = [text[end : words[at + 1][0] if at + 1 < len(words) else len(text)] for at, (_, end, _) in enumerate(words)]

    @cached_property
    def found(self) -> list[Operator]:
        found = []
        for at, (word, (begin, end)) in enumerate(zip(self.words, self.spans, strict=True)):
            before = self.words[at - 1] if at else ""
            if word in INFIX and before != "many":
                found.append(Operator(INFIX[word], begin, end, infix=True))
            elif word in FACTORS:
                found.append(Operator(FACTORS[word][0], begin, end, infix=False))
            elif word in OF_LIST:
                found.append(Operator(OF_LIST[word], begin, end, infix=False, of_list=True))
        return found

    def parenthesized(self) -> str:
        """The question with parentheses around what is applied first, where only one place needs them."""
        places = [pair for pair in pairwise(self.found) if self._runs_on(*pair) and pair[1].infix]
        places = [(one, other) for one, other in places if other.precedence <= one.precedence]
        if len(places) != 1:
            return self._text
        begin, end = self._start_of(places[0][0]), places[0][1].begin
        return f"{self._text[:begin]}({self._text[begin:end].rstrip()}) {self._text[end:]}"

    def _start_of(self, operator: Operator) -> int:
        """The first character of what an operator makes, with its left operand."""
        at = next(at for at, (begin, _) in enumerate(self.spans) if begin == operator.begin)
        while at and not any(mark in self.between[at - 1] for mark in ".?!:;(),"):
            before = self.words[at - 1]
            asks = before in _BREAK | _ASKING or (before == "s" and self.words[at - 2 : at - 1] == ["what"])
            if asks if operator.infix else before not in _LEADING:
                break
            at -= 1
        return self.spans[at][0]

    def misapplied(self, calls: Sequence[Tree]) -> Iterator[str]:
        """Operators without parentheses apply from left to right, times and divided by first, and those before their operand before all."""
        for one, other in pairwise(self.found):
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
        return self.joins(one.begin, other.begin, listed=one.of_list)

    def joins(self, begin: int, end: int, *, listed: bool = False) -> bool:
        """Whether nothing between two characters begins another part of the question."""
        between = [at for at, (first, last) in enumerate(self.spans) if last > begin and first < end]
        marks = "".join(self.between[at] for at in between)
        words = {self.words[at] for at in between}
        stops = ".?!:;()" if listed else ".?!:;(),"
        return not (any(mark in marks for mark in stops) or words & _BREAK or (not listed and words & {"and", "or"}))


def _operands(call: Tree) -> tuple[Any, ...]:
    items = call.arguments[0]
    return items if isinstance(items, tuple) and call.tool in ("add", "mean") else call.arguments


def _is(operands: tuple[Any, ...], operator: Operator, call: Tree) -> bool:
    """Whether the operand is what the operator gives; a product's may stand on either side."""
    candidates = _operands(call) if call.tool == "multiply" or not operator.infix and operator.of_list else operands
    return any(isinstance(one, Tree) and converted(one).tool == operator.tool for one in candidates)
