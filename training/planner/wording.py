"""From a task's expression to words: one of very many ways to ask for it, chosen at random, that leaves no doubt about what is meant."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from . import phrases
from .expression import ANSWERS, Call, Value
from .words import ADJECTIVES, FORMS, NOUNS, VERBS, Adjective

_SLOT = re.compile(r"\{(\w+?)([12]?)\}")
_OPEN = 1
"""Level of a phrase with a list in it. Simple ones have 0, and calculations whose end could swallow what follows have 2."""
_UP = frozenset({"argmax", "greater", "count_above", "largest", "subtract"})

Filling: TypeAlias = "Value | Phrase"


@dataclass(frozen=True, slots=True)
class Phrase:
    text: str
    level: int = 0
    owns: bool = False
    """Whether "'s" may follow."""


class Wording:
    """Asks for tasks. `used` are the templates that the last one was made of, the outermost first."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.used: list[str] = []

    def ask(self, task: Call) -> str:
        rng = self._rng
        self.used = []
        text = self._several(task) if task.tool == ANSWERS else self._question(task)
        if rng.random() < 0.1:
            text = text.rstrip("?.")
        if rng.random() < 0.06:
            text = rng.choice(phrases.POLITE) + text
        return text

    def _question(self, task: Call) -> str:
        """One that fits the tool, or a general one."""
        rng, choices = self._rng, list(self._special(task))
        if task.tool in phrases.STEPS and rng.random() < 0.2:
            return self._step_by_step(task)
        if task.tool == "convert":
            return self._converted(task)
        if choices and rng.random() < 0.7:
            return rng.choice(choices)()
        general = phrases.ASK_ENTITY if task.tool in ("related", "argmax", "argmin") else phrases.ASK
        if task.tool not in ("greater", "less", "count_above", "count_below"):
            return self._filled(general, a=self.phrase(task)).text
        return rng.choice(choices)()

    def _special(self, task: Call) -> Iterable[Callable[[], str]]:
        """The questions that only this tool is asked by."""
        tool, arguments = task.tool, task.arguments
        match tool, arguments:
            case "lookup", (entity, str(attribute)) if adjective := self._adjective(attribute):
                base = adjective.base
                yield lambda: self._filled(phrases.ASK_LOOKUP, e=entity, adj=base).text
            case "related", (entity, str(relation)) if relation in VERBS:
                yield lambda: self._filled(phrases.ASK_RELATED, e=entity, v=VERBS[relation]).text
            case (("argmax" | "argmin"), (tuple(items), tuple(numbers))):
                attribute = _attribute_of(numbers[0])
                highest = self._rng.choice(phrases.HIGHEST[tool])
                yield lambda: self._filled(phrases.ASK_BEST_NOUN, list=items, either=items, highest=highest, at=attribute).text
                if adjective := self._adjective(attribute):
                    templates = phrases.ASK_BETTER + phrases.ASK_BEST[:2] if len(items) == 2 else phrases.ASK_BEST
                    more, most = _directed(adjective, tool)
                    yield lambda: self._filled(templates, list=items, either=items, most=most, more=more).text
            case (("greater" | "less"), (a, b)):
                yield lambda: self._filled(phrases.ASK_GREATER[tool], a=a, b=b).text
                yield from self._compared(task, phrases.ASK_WHETHER, phrases.ASK_WHETHER_NOUN)
            case "subtract", (a, b):
                yield lambda: self._filled(phrases.ASK_MORE_NUMBER, a=a, b=b).text
                yield from self._compared(task, phrases.ASK_MORE, ())
            case "divide", (a, b):
                yield lambda: self._filled(phrases.ASK_DIVIDE, a=a, b=b).text
                yield from self._compared(task, phrases.ASK_TIMES_AS, ())
            case "percent", (a, b):
                yield lambda: self._filled(phrases.ASK_PERCENT, a=a, b=b).text
            case (("count_above" | "count_below"), (tuple(numbers), limit)):
                items, attribute = _entities_of(numbers), _attribute_of(numbers[0])
                yield lambda: self._filled(phrases.ASK_COUNT_NOUN[tool], list=items, at=attribute, b=limit).text
                if (adjective := self._adjective(attribute)) and _attribute_of(limit) == attribute:
                    (other,), (more, _) = _entities_of((limit,)), _directed(adjective, tool)
                    yield lambda: self._filled(phrases.ASK_COUNT, list=items, more=more, f=other).text

    def _compared(self, task: Call, by_adjective: Sequence[str], by_noun: Sequence[str]) -> Iterable[Callable[[], str]]:
        """Of the same attribute of two entities, those that are more."""
        first, second = task.arguments
        attribute = _attribute_of(first)
        if not attribute or _attribute_of(second) != attribute:
            return
        e, f = _entities_of((first, second))
        if adjective := self._adjective(attribute):
            more, _ = _directed(adjective, "greater" if task.tool == "divide" else task.tool)
            yield lambda: self._filled(by_adjective, e=e, f=f, more=more, adj=adjective.base).text
            if task.tool == "subtract":
                yield lambda: self._filled(by_adjective, e=f, f=e, more=adjective.less).text
        if by_noun:
            higher = self._rng.choice(phrases.HIGHER[task.tool])
            templates = [template for template in by_noun if "{e}'s" not in template or self.phrase(e).owns]
            yield lambda: self._filled(templates, e=e, f=f, higher=higher, at=attribute).text

    def _step_by_step(self, task: Call) -> str:
        match task.arguments:
            case (number, str(), str(to)):
                return self._filled(phrases.STEPS["convert"], a=number, to=to).text
            case (tuple(numbers),) if len(numbers) == 2:
                return self._filled(phrases.STEPS[task.tool], a=numbers[0], b=numbers[1]).text
            case (a, b):
                return self._filled(phrases.STEPS[task.tool], a=a, b=b).text
        return self._filled(phrases.ASK, a=self.phrase(task)).text

    def _converted(self, task: Call) -> str:
        number, _, to = task.arguments
        bare = isinstance(number, Call) and not any(isinstance(argument, (int, float)) for argument in number.arguments)
        if isinstance(number, Call) and bare and number.tool != "add" and self._rng.random() < 0.5:
            question = self._question(number)
            if question.endswith("?") and ". " not in question:
                return question[:-1] + self._filled(phrases.IN_UNIT, to=str(to)).text
        return self._filled(phrases.ASK_CONVERTED, a=number, to=str(to)).text

    def _several(self, task: Call) -> str:
        answers = task.arguments
        if attribute := _same_attribute(answers):
            adjective = self._adjective(attribute)
            return self._filled(
                phrases.ASK_EACH,
                list=_entities_of(answers),
                at=attribute,
                ats=plural(attribute),
                adj=adjective.base if adjective else None,
            ).text
        if len(answers) == 3:
            return self._filled(phrases.ASK_THREE, a=answers[0], b=answers[1], c=answers[2]).text
        return self._filled(phrases.ASK_SEVERAL, a=answers[0], b=answers[1]).text

    def phrase(self, value: Value) -> Phrase:
        """What stands for a value inside a sentence."""
        match value:
            case str():
                return Phrase(value, owns=True)
            case int() if value >= 1_000 and self._rng.random() < 0.2:
                return Phrase(f"{value:,}")
            case Call():
                return self._call(value)
        return Phrase(str(value))

    def _call(self, call: Call) -> Phrase:
        rng = self._rng
        match call.tool, call.arguments:
            case ("lookup" | "related") as tool, (entity, str(attribute)):
                owner = self.phrase(entity)
                if owner.owns and rng.random() < 0.35:
                    self.used.append(f"{tool}: owner's")
                    return Phrase(f"{owner.text}'s {attribute}", owns=tool == "related")
                if attribute in VERBS and rng.random() < 0.3:
                    return self._filled(phrases.RELATED_VERB, v=VERBS[attribute], e=owner)
                return self._filled(phrases.RELATED if tool == "related" else phrases.LOOKUP, r=attribute, at=attribute, e=owner)
            case ("argmax" | "argmin") as tool, (tuple(items), tuple(numbers)):
                attribute = _attribute_of(numbers[0])
                if (adjective := self._adjective(attribute)) and rng.random() < 0.75:
                    return self._filled(phrases.BEST, _OPEN, list=items, most=_directed(adjective, tool)[1])
                highest = rng.choice(phrases.HIGHEST[tool])
                return self._filled(phrases.BEST_NOUN, _OPEN, list=items, highest=highest, at=attribute)
            case tool, (tuple(numbers),):
                return self._of_list(tool, numbers)
            case "difference", (a, b):
                return self._of_list("difference", (a, b))
            case tool, (a, (int() | float()) as factor) if (tool, factor) in phrases.TIMES and rng.random() < 0.7:
                return self._filled(phrases.TIMES[tool, int(factor)], _OPEN, a=a)
            case tool, (a, b):
                return self._of_two(tool, a, b)
        raise AssertionError(f"nothing is said for {call}")

    def _of_list(self, tool: str, numbers: tuple[Value, ...]) -> Phrase:
        attribute, rng = _same_attribute(numbers), self._rng
        if not attribute:
            if tool == "add" and len(numbers) == 2 and rng.random() < 0.6:
                return self._of_two("add", *numbers)
            return self._filled(phrases.OF_NUMBERS[tool], _OPEN, list=numbers)
        items, adjective = _entities_of(numbers), self._adjective(attribute)
        if tool in ("largest", "smallest") and adjective and rng.random() < 0.5:
            most = adjective.most if tool == "largest" else adjective.least
            return self._filled(phrases.OF_BEST, _OPEN, list=items, at=attribute, most=most, adj=adjective.base)
        return self._filled(phrases.OF_ONE_ATTRIBUTE[tool], _OPEN, list=items, at=attribute, ats=plural(attribute))

    def _of_two(self, tool: str, a: Value, b: Value) -> Phrase:
        more = phrases.MORE_BY.get(tool, ()) if isinstance(b, (int, float)) else ()
        return self._filled((*phrases.OF_TWO[tool], *more), 2, a=a, b=b)

    def _adjective(self, attribute: str) -> Adjective | None:
        return self._rng.choice(ADJECTIVES[attribute]) if attribute in ADJECTIVES else None

    def _filled(self, templates: Sequence[str], level: int = 0, **slots: Filling | tuple[Value, ...] | None) -> Phrase:
        """One of the templates for whose slots there is something; those that are None cannot be filled."""
        missing = {name for name, value in slots.items() if value is None}
        usable = [template for template in templates if missing.isdisjoint(name for name, _ in _SLOT.findall(template))]
        template = self._rng.choice(usable)
        self.used.append(template)
        if str(slots.get("at")).startswith(tuple("aeiou")):
            template = template.replace("a {at}", "an {at}")
        levels = [level]

        def fill(slot: re.Match[str]) -> str:
            name, most = slot[1], int(slot[2] or 0)
            value = slots[name]
            if isinstance(value, tuple):
                return _joined([self._inside(item, 0, levels) for item in value], "or" if name == "either" else "and")
            if isinstance(value, str) and name not in _OPERANDS:
                return value
            assert value is not None
            return self._inside(value, most, levels)

        text = _SLOT.sub(fill, template)
        return Phrase(text, max(levels))

    def _inside(self, value: Filling, most: int, levels: list[int]) -> str:
        phrase = value if isinstance(value, Phrase) else self.phrase(value)
        if phrase.level > most:
            return f"({phrase.text})"
        levels.append(phrase.level)
        return phrase.text


_OPERANDS = frozenset("abcef")


def _joined(items: Sequence[str], word: str) -> str:
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


def _attribute_of(value: Value) -> str:
    """Of a lookup; empty for anything else."""
    match value:
        case Call(tool="lookup", arguments=(_, str(attribute))):
            return attribute
    return ""


def _same_attribute(values: Sequence[Value]) -> str:
    """The attribute that all of them look up; empty if they do anything else."""
    found = {_attribute_of(value) for value in values}
    return found.pop() if len(found) == 1 else ""


def _entities_of(lookups: Sequence[Value]) -> tuple[Value, ...]:
    return tuple(lookup.arguments[0] for lookup in lookups if isinstance(lookup, Call))


def _directed(adjective: Adjective, tool: str) -> tuple[str, str]:
    """Comparative and superlative."""
    return (adjective.more, adjective.most) if tool in _UP else (adjective.less, adjective.least)


def plural(attribute: str) -> str | None:
    """None for words of which nobody knows where the plural begins."""
    if attribute not in ADJECTIVES and attribute not in NOUNS and not attribute.endswith(FORMS):
        return None
    if attribute.endswith("y"):
        return f"{attribute[:-1]}ies"
    return f"{attribute}es" if attribute.endswith(("s", "x")) else f"{attribute}s"
