"""A question in words, held against a table of facts: whether it can be answered at all, and whether a plan fits it.

A small planner writes a plan for anything, also for what it has never learned, and such a plan may well run. So each word of a question has to be
a name or an attribute of the table, a unit, a number, or one of the words that the planner was trained on; and a plan has to ask for what
the question names, all of it and nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain

from ...errors import PlanError, ToolError
from ...plan.node import ToolCall
from ...plan.plan import Plan
from .calls import texts_in, unused, wrong_pairs
from .mentions import Mentions
from .names import DIRECTED, Names, folded, words_of
from .parts import Parts
from .quantities import units_of
from .reading import ANSWERS, Tree, said, tangled, tree_of
from .sense import Sense
from .table import key_of
from .together import hint

LONGEST = 1_000
"""Characters of a question: a small planner's context has a few hundred tokens."""
_LISTED = 5
_SHARE = re.compile(r"\b\d[\d,.]*\s*(?:percent\b|%)", re.IGNORECASE)
_OTHERWISE = {"shorter": "lower", "shortest": "lowest"}
"""Of what has a height and no length."""
_ALSO = {"second": (ANSWERS,)}
"""What else some words stand for: "first …; second …"."""
_COMPARING = ("subtract", "difference", "add", "count_above", "count_below", "multiply", "divide", *DIRECTED)
"""Tools of questions with "more", "taller" or "least" in them."""


class Question:
    """One question. `text` is what a planner is to be asked: on one line, with names as the table spells them and units as the tools do."""

    def __init__(self, text: str, names: Names) -> None:
        self._names = names
        self.text = " ".join(unicodedata.normalize("NFC", text).split())
        if self.too_strange is None:
            self.text = self._respelled()

    @cached_property
    def too_strange(self) -> str | None:
        """Why it is not even read."""
        if not self.text:
            return "the question is empty"
        if len(self.text) > LONGEST:
            words = f"{len(self.text.split()):,} words in {len(self.text):,} characters"
            return f"the question has {words}: this planner reads at most {LONGEST:,} characters"
        if odd := [character for character in self.text if not character.isprintable()]:
            return f"the question holds {unicodedata.name(odd[0], 'a control character')} (U+{ord(odd[0]):04X}): leave it out"
        return None

    @property
    def refusal(self) -> str | None:
        """Why it cannot be answered from this table by this planner; None when it may be."""
        if self.too_strange is not None:
            return self.too_strange
        unknown = self._unknown
        if unknown:
            listed = ", ".join(map(repr, unknown[:_LISTED])) + (
                f" and {len(unknown) - _LISTED} more" if len(unknown) > _LISTED else ""
            )
            are = "is" if len(unknown) == 1 else "are"
            near = dict.fromkeys(name for text in unknown[:_LISTED] for name in self._names.near(text))
            meant = f" (did you mean {' or '.join(list(near)[:3])}?)" if near else ""
            return f"{listed} {are} neither in the table of facts nor among the words that this planner knows{meant}"
        if found := _SHARE.search(self.text):
            return f"{found[0]!r} is a share, with which this planner cannot reckon: say it as a factor, such as 'times 0.1' for 10 percent"
        if not self._mentions.of("name") and not self._mentions.numbers:
            return "the question names nothing that is in the table of facts"
        return None

    @property
    def hint(self) -> str | None:
        """Other words for it that a planner is more likely to know; None where nothing is known to be better."""
        return hint(self._mentions)

    @property
    def repeats(self) -> bool:
        """Whether it says a name twice. Which of the two a plan's call is about is not seen."""
        names = map(key_of, self._mentions.of("name"))
        return any(len(self._mentions.places[name]) > 1 for name in names)

    def misfit(self, plan: Plan) -> str | None:
        """What is wrong with a plan as an answer to this question, though it can be run; None when nothing is."""
        try:
            units = units_of(plan, self._mentions.measures)
        except PlanError as error:
            return str(error)
        calls = [node for node in plan.nodes if isinstance(node, ToolCall)]
        reasons = (
            *self._wrong_names(calls),
            *self._mentions.misused(_numbers_said(tree_of(plan))),
            *self._wrong_units(calls, units),
            *self._wrong_tools(calls),
            *self._wrong_lookups(calls),
            *wrong_pairs(plan),
            *unused(plan),
        )
        return next(iter(reasons), None) or self._misread(plan)

    def _misread(self, plan: Plan) -> str | None:
        """How a plan stands against the order and the number of the question's words."""
        tree, mentions = tree_of(plan), self._mentions
        asked = said(tree)
        for text, found in mentions.places.items():
            if asked[text] != len(found) and (text in asked or text not in self._names.attributes):
                return f"it asks for {text} {asked[text]} times, which the question names {len(found)} times"
        if why := tangled(tree, mentions.places) or next(self._unheard(plan), None):
            return why
        vocabulary = self._names.vocabulary
        return next(chain(Parts(mentions, vocabulary).against(tree), Sense(mentions, vocabulary).against(tree)), None)

    def _unheard(self, plan: Plan) -> Iterator[str]:
        """Words that stand for one tool, of which the plan makes no use, and tools that are called more often than they are asked for."""
        heard = self._mentions.heard
        called = Counter(node.tool for node in plan.nodes if isinstance(node, ToolCall))
        called[ANSWERS] = isinstance(plan.output, list)
        signs, directions = self._names.vocabulary.signs, self._names.vocabulary.directions
        plain = {tool: words - directions for tool, words in signs.items()}
        for tool, words in signs.items():
            if called[tool] > (often := sum(heard[word] for word in words)):
                yield f"it calls `{tool}` {called[tool]} times, for which the question asks {often} times"
        for word in heard:
            meant = [tool for tool, words in plain.items() if word in words] + [*_ALSO.get(word, ())]
            if meant and not any(called[tool] for tool in meant):
                yield f"it makes nothing of the word {word!r}"
        if (compared := next((word for word in heard if word in directions and word.endswith(("er", "est"))), None)) and not any(
            called[tool] for tool in _COMPARING
        ):
            yield f"it makes nothing of the word {compared!r}"

    def _wrong_names(self, calls: Sequence[ToolCall]) -> Iterator[str]:
        named = {key_of(name): name for name in self._mentions.of("name")}
        attributes = set(self._mentions.of("attribute"))
        said = set(words_of(self.text))
        asked: set[str] = set()
        for call in calls:
            what = {"lookup": "attribute", "related": "relation"}.get(call.tool)
            attribute = call.arguments.get(what) if what else None
            if isinstance(attribute, str) and not self._asks_for(attribute, attributes, said):
                yield f"it asks for the {attribute}, of which the question says nothing"
            for name in texts_in(call.arguments.get("entity"), call.arguments.get("names")):
                asked.add(key_of(name))
                if key_of(name) not in named and f" {folded(name)} " not in f" {folded(self.text)} ":
                    yield f"it asks about {name!r}, which the question does not name"
        if missing := [name for key, name in named.items() if key not in asked]:
            yield f"it leaves out {' and '.join(missing)}"

    def _wrong_lookups(self, calls: Sequence[ToolCall]) -> Iterator[str]:
        """What the table does not know of the names in the question. What is found first, and then asked for more, shows when it runs."""
        for call in calls:
            entity = call.arguments.get("entity")
            if not isinstance(entity, str) or call.tool not in ("lookup", "related"):
                continue
            try:
                if call.tool == "lookup":
                    self._names.facts.number(entity, str(call.arguments.get("attribute")))
                else:
                    self._names.facts.entity(entity, str(call.arguments.get("relation")))
            except ToolError as error:
                yield str(error)

    def _asks_for(self, attribute: str, attributes: set[str], said: set[str]) -> bool:
        asking = self._names.vocabulary.asking.get(attribute, frozenset())
        written = re.search(rf"\b{re.escape(folded(attribute).removesuffix('y'))}(y|s|es|ies)?\b", folded(self.text))
        return key_of(attribute) in attributes or written is not None or not said.isdisjoint(asking)

    def _wrong_units(self, calls: Sequence[ToolCall], units: Mapping[str, str | None]) -> Iterator[str]:
        used = {
            text
            for call in calls
            if call.tool == "convert"
            for text in texts_in(call.arguments.get("to"), call.arguments.get("unit"))
        }
        for unit in self._mentions.of("unit"):
            if unit not in used and unit not in units.values():
                yield f"it leaves out the unit {unit}"

    def _wrong_tools(self, calls: Sequence[ToolCall]) -> Iterator[str]:
        signs = self._names.vocabulary.signs
        for call in calls:
            if call.tool in signs and signs[call.tool].isdisjoint(self._mentions.heard):
                yield f"it calls `{call.tool}`, of which the question says nothing"

    @cached_property
    def _mentions(self) -> Mentions:
        return Mentions(self.text, self._names)

    @property
    def _unknown(self) -> list[str]:
        """Words that nobody knows, those that stand together as one."""
        words = self._names.vocabulary.words
        runs: list[tuple[int, int]] = []
        for begin, end, known in self._mentions.words:
            word = self.text[begin:end]
            if not words or known is not None or word.isdecimal() or word.casefold() in words:
                continue
            if runs and self.text[runs[-1][1] : begin] in (" ", "-"):
                runs[-1] = runs[-1][0], end
            else:
                runs.append((begin, end))
        return list(dict.fromkeys(self.text[begin:end] for begin, end in runs))

    def _respelled(self) -> str:
        text, at = "", 0
        found = list(self._names.found(self.text))
        named = {known.name for _, _, known in found if known is not None and known.kind == "name"}
        has = {key_of(attribute) for name in named for attribute in self._names.facts.attributes(name)}
        for begin, end, known in found:
            if known is not None and known.kind != "attribute":
                text, at = text + self.text[at:begin] + known.spelling, end
            elif (
                known is None
                and (other := _OTHERWISE.get(self.text[begin:end].casefold()))
                and "length" not in has
                and "height" in has
            ):
                text, at = text + self.text[at:begin] + other, end
        return text + self.text[at:]


def _numbers_said(tree: Tree) -> Counter[float]:
    return Counter({number: often for number, often in said(tree).items() if not isinstance(number, str)})
