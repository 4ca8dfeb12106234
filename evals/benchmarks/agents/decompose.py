"""ParallelQA questions as arithmetic, by rule: what is looked up, how each value changes, and what is asked of all of them.

There are two kinds: "if A were 10% taller and B 5% shorter, which is taller?" (each value changes, then they are compared), and "what is the largest
ratio of A to B, and of B to C?" (pairs are compared, then what comes of them). Other questions are refused with a reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from .facts import mentions
from .question import Step

Asks = Literal["number", "largest", "smallest"]


@dataclass(frozen=True, slots=True)
class Decomposed:
    steps: tuple[Step, ...]
    asks: Asks


_NUMBER = r"(\d+(?:\.\d+)?)"
_PERCENT = re.compile(_NUMBER + "%")
_FACTOR = re.compile(rf"{_NUMBER} times|by a factor of {_NUMBER}")
_WORDS = {
    "one-fifth": "0.2",
    "half": "0.5",
    "doubl": "2",
    "tripl": "3",
    "quadrupl": "4",
    "multiplied by five": "5",
    "unchanged": "1",
}
_DOWN = re.compile(r"shallow|slow|reduc|shorten|shorter|shr[aiu]nk|decreas|diminish|contract|loses|drop", re.IGNORECASE)
_CLAUSE_END = re.compile(r", (?:and |while )?| and | while |\. ")
_ASKED = re.compile(r"\b(?:which|what|how many|how much|compute)\b", re.IGNORECASE)
_BOTH_ENDS = re.compile(r"\b\w+est and (?:the )?\w+est\b")
_SMALLEST = re.compile(r"\b(?:smallest|smaller|minimum|shallower|shorter|shortest|slowest|least)\b", re.IGNORECASE)


def decompose(text: str) -> Decomposed | str:
    """The steps that answer `text`; or why it has none."""
    if len({mention.entity for mention in mentions(text)}) < 2:
        return "fewer than two things that the table of facts has"
    if _PERCENT.search(text) or _FACTOR.search(text) or any(word in text for word in _WORDS):
        return _changes(text)
    return _pairs(text)


def _changes(text: str) -> Decomposed | str:
    changes: dict[str, str | None] = {}
    for mention in mentions(text):
        if changes.get(mention.entity) is None:
            changes[mention.entity] = _change(_clause(text, mention.start, mention.end))
    steps = [Step("search", entity) for entity in changes]
    for place, change in enumerate(changes.values(), start=1):
        if change is None:
            return "a change that no rule reads"
        steps.append(Step("math", f"{{{place}}} {change}"))
    starts = [found.start() for found in _ASKED.finditer(text)]
    asked = text[starts[-1] if starts else 0 :].lower()
    values = ", ".join(f"{{{place}}}" for place in range(len(changes) + 1, len(steps) + 1))
    expression = _overall(asked, values, len(changes))
    if expression is not None:
        return Decomposed((*steps, Step("math", expression)), "number")
    if "which" in text.lower():
        return Decomposed(tuple(steps), "smallest" if _SMALLEST.search(asked) else "largest")
    return "a question that no rule reads"


def _clause(text: str, start: int, end: int) -> str:
    """What stands between the clause ends around a mention."""
    before = [found.end() for found in _CLAUSE_END.finditer(text, 0, start)]
    after = _CLAUSE_END.search(text, end)
    return text[before[-1] if before else 0 : after.start() if after else len(text)]


def _change(clause: str) -> str | None:
    """Such as `* 1.2`; None when the clause says nothing of a change."""
    down = _DOWN.search(clause) is not None
    if percent := _PERCENT.search(clause):
        share = float(percent[1]) / 100
        return f"* {1 - share if down else 1 + share:.6g}"
    if factor := _FACTOR.search(clause):
        return f"{'/' if down else '*'} {factor[1] or factor[2]}"
    return next((f"* {factor}" for word, factor in _WORDS.items() if word in clause), None)


def _overall(asked: str, values: str, num_values: int) -> str | None:
    """The expression that the question wants of all changed values; None when it wants one of the things."""
    both = _BOTH_ENDS.search(asked) is not None
    if "stack" in asked or "ratio" in asked:
        return f"max({values}) / min({values})"
    if "average" in asked:
        return f"(max({values}) + min({values})) / 2" if both else f"sum({values}) / {num_values}"
    if "combined" in asked or "total" in asked:
        return f"max({values}) + min({values})" if both else f"sum({values})"
    if "difference" in asked or "how much" in asked:
        return f"max({values}) - min({values})"
    return None


def _pairs(text: str) -> Decomposed | str:
    named = [mention.entity for mention in mentions(text)]
    places = {entity: place for place, entity in enumerate(dict.fromkeys(named), start=1)}
    asked = text.lower()
    if len(named) % 2:
        return "things that do not stand in pairs"
    if "ratio" in asked:
        template = "{{{}}} / {{{}}}"
    elif "difference" in asked:
        template = "abs({{{}}} - {{{}}})"
    elif "average" in asked:
        template = "({{{}}} + {{{}}}) / 2"
    else:
        return "a question that no rule reads"
    steps = [Step("search", entity) for entity in places]
    for first, second in zip(named[::2], named[1::2], strict=True):
        steps.append(Step("math", template.format(places[first], places[second])))
    values = ", ".join(f"{{{place}}}" for place in range(len(places) + 1, len(steps) + 1))
    pick = "min" if _SMALLEST.search(asked) else "max"
    return Decomposed((*steps, Step("math", f"{pick}({values})")), "number")
