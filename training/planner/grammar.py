"""Random task expressions: which tools, nested how, over how many entities. What they are called in words is for `wording`.

A composition is an expression's skeleton. Training sees expressions of up to `DEPTH` dependent calls and `WIDTH` items a list, and of the
deeper ones nine skeletons in ten. The tests ask for the tenth ("combinations"), for one dependent call more ("deeper"), and for lists that
are one longer ("wider"); plans have at most `CALLS` calls everywhere, so that no test needs a number or a position that training never saw.

Trained on up to 4 dependent calls, lists of up to 4 and as many of these as of shorter ones, the planner solved 66 % of "deeper" and 77 % of
"wider" (300 tasks each). Most that failed left out a link of a chain, or an item before the last: it had learned where things end from their
number. Hence the further levels here, each rarer than the one before.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal, get_args
from zlib import crc32

from orchestra.tools.facts import UNITS

from .expression import ANSWERS, FACTORS, Call, Value, calls_of
from .names import word
from .words import ADJECTIVES, FORMS, NOUNS, RELATIONS, ROLES

Split = Literal["train", "names", "combinations", "deeper", "wider"]
"""Names of "train" occur nowhere else; "names" has compositions of training with names that are new."""
SPLITS: tuple[Split, ...] = get_args(Split)
DEPTH = 6
WIDTH = 6
CALLS = 14
DEPTHS = (3, 9, 12, 11, 8, 4)
"""How often up to 1, 2, … `DEPTH` dependent calls are asked for, before what has too many calls is drawn anew."""
LENGTHS = (10, 9, 7, 5, 3)
"""How often a list has 2, 3, … `WIDTH` items. The longest are rare, as are the deepest tasks: a model for which six items are usual and seven
unheard of learns that a list ends after its sixth, instead of reading where it ends."""
HELD_OUT = 10
"""One skeleton in so many is kept for "combinations"."""

_MANY = ("add", "mean", "mean", "largest", "smallest")
_TWO = ("subtract", "subtract", "difference", "add")
_NAMED = tuple(ADJECTIVES)


def belongs(task: Call, split: Split) -> bool:
    """Whether a task is one of the split's, by its composition alone."""
    if not _has_size_of(task, split):
        return False
    calls = calls_of(task)
    if len(calls) > CALLS or any(map(_is_roundabout, calls)):
        return False
    return split == "deeper" or is_held_out(task) == (split == "combinations")


def _has_size_of(task: Call, split: Split) -> bool:
    if split == "deeper":
        return task.depth == DEPTH + 1 and task.width <= WIDTH
    if split == "wider":
        return task.depth <= DEPTH and task.width == WIDTH + 1
    return task.depth <= DEPTH and task.width <= WIDTH


def is_held_out(task: Call) -> bool:
    """Expressions of up to two dependent calls never are: from them the tools are learned."""
    return task.depth > 2 and crc32(task.skeleton.encode()) % HELD_OUT == 0


def expression(rng: random.Random, split: Split, name: Callable[[], str], *, held_out_words: bool) -> Call:
    """A task of the split. `name` gives entities; attributes and relations that nobody has heard of are of the same split as they.

    In training one in four is the longest of several, so that plans as long as those of the tests are known.
    """
    several = 6 if split in ("train", "names") and rng.random() < 0.25 else 1
    return max((_expression(rng, split, name, held_out_words) for _ in range(several)), key=lambda task: len(calls_of(task)))


def _expression(rng: random.Random, split: Split, name: Callable[[], str], held_out_words: bool) -> Call:
    while True:
        grammar = Grammar(rng, name, widest=WIDTH + (split == "wider"), held_out_words=held_out_words)
        depth = DEPTH + 1 if split == "deeper" else rng.choices(range(1, DEPTH + 1), DEPTHS)[0]
        task = grammar.task(depth)
        if grammar.sound and belongs(task, split):
            return task


class Grammar:
    """Expressions with at most a given depth. `sound` says at the end whether none of them compares a thing with itself."""

    def __init__(self, rng: random.Random, name: Callable[[], str], *, widest: int, held_out_words: bool) -> None:
        self._rng = rng
        self._new_name = name
        self._names: list[str] = []
        self._widest = widest
        self._held_out_words = held_out_words
        self.sound = True

    def task(self, depth: int) -> Call:
        rng = self._rng
        if depth == 1:
            kinds = [self._lookup, self._lookup, self._related, self._literals, self._answers]
            return rng.choice(kinds)(1)
        kinds = [
            self._number,
            self._best,
            self._comparison,
            self._count,
            self._converted,
            self._share,
            self._answers,
            self._related,
        ]
        return rng.choices(kinds, (40, 14, 12, 9, 10, 8, 8, 3))[0](depth)

    def _number(self, depth: int) -> Call:
        return self._calculation(depth, self._attribute())

    def _lookup(self, depth: int) -> Call:
        return Call("lookup", (self._entity(depth - 1), self._attribute()))

    def _related(self, depth: int) -> Call:
        return Call("related", (self._entity(depth - 1), self._relation()))

    def _literals(self, depth: int) -> Call:
        tool = self._rng.choice(("subtract", "multiply", "divide", "percent", "add", "difference", "greater"))
        pair = self._different((self._literal(), self._literal()))
        return Call(tool, (pair,) if tool == "add" else pair)

    def _best(self, depth: int) -> Call:
        tool, attribute = self._rng.choice(("argmax", "argmin")), self._attribute()
        items = self._entities(depth - 2)
        return Call(tool, (items, tuple(Call("lookup", (item, attribute)) for item in items)))

    def _comparison(self, depth: int) -> Call:
        tool = self._rng.choice(("greater", "less"))
        return Call(tool, self._pair(depth - 1, self._attribute()))

    def _share(self, depth: int) -> Call:
        return Call(self._rng.choice(("percent", "divide")), self._pair(depth - 1, self._attribute()))

    def _count(self, depth: int) -> Call:
        rng, attribute = self._rng, self._attribute()
        items = tuple(Call("lookup", (item, attribute)) for item in self._entities(rng.randint(0, depth - 2)))
        limit: Value = self._literal() if rng.random() < 0.4 else self._value(depth - 1, attribute)
        self._different((*items, limit))
        return Call(rng.choice(("count_above", "count_below")), (items, limit))

    def _converted(self, depth: int) -> Call:
        attribute = self._rng.choice(tuple(UNITS))
        unit, to = self._rng.choice([pair for pair in FACTORS if pair[0] == UNITS[attribute]])
        return Call("convert", (self._value(depth - 1, attribute), unit, to))

    def _answers(self, depth: int) -> Call:
        rng, attribute = self._rng, self._attribute()
        if rng.random() < 0.6:
            return Call(ANSWERS, tuple(Call("lookup", (item, attribute)) for item in self._entities(depth - 1)))
        depths = self._depths(depth, min(rng.choice((2, 2, 3)), self._widest))
        return Call(ANSWERS, self._different(tuple(self._answer(at_most) for at_most in depths)))

    def _answer(self, depth: int) -> Call:
        if depth >= 2 and self._rng.random() < 0.3:
            return self._best(depth)
        if self._rng.random() < 0.15:
            return self._related(depth)
        return self._value(depth, self._attribute())

    def _value(self, depth: int, attribute: str) -> Call:
        if depth < 2 or self._rng.random() < 0.3:
            return Call("lookup", (self._entity(depth - 1), attribute))
        return self._calculation(depth, attribute)

    def _calculation(self, depth: int, attribute: str) -> Call:
        rng, kind = self._rng, self._rng.random()
        if kind < 0.15:
            return Call("lookup", (self._entity(depth - 1), attribute))
        if kind < 0.45:
            if depth == 2 or rng.random() < 0.7:
                items = tuple(Call("lookup", (item, attribute)) for item in self._entities(depth - 2))
            else:
                items = tuple(self._value(at_most, attribute) for at_most in self._depths(depth - 1, self._length()))
            return Call(rng.choice(_MANY), (self._different(items),))
        if kind < 0.75:
            tool, pair = rng.choice(_TWO), self._pair(depth - 1, attribute)
            return Call(tool, (pair,) if tool == "add" else pair)
        factor = rng.choice((2, 2, 2, 3, 4, 5, 10, rng.randint(2, 60), _tenths(rng.randint(11, 99))))
        return Call(rng.choice(("multiply", "divide")), (self._value(depth - 1, attribute), factor))

    def _pair(self, depth: int, attribute: str) -> tuple[Value, ...]:
        rng = self._rng
        if rng.random() < 0.15:
            return self._value(depth, attribute), self._literal()
        pair: tuple[Value, ...]
        if rng.random() < 0.5:
            pair = tuple(Call("lookup", (self._entity(at_most - 1), attribute)) for at_most in self._depths(depth, 2))
        else:
            pair = tuple(self._value(at_most, attribute) for at_most in self._depths(depth, 2))
        return self._different(pair)

    def _entity(self, depth: int) -> Value:
        """A name, or a call that gives one."""
        rng = self._rng
        if depth <= 0:
            return self._name()
        if depth >= 2 and rng.random() < 0.5:
            return self._best(depth)
        return self._related(depth) if rng.random() < 0.8 else self._name()

    def _entities(self, depth: int) -> tuple[Value, ...]:
        depth = depth if self._rng.random() < 0.6 else 0
        return self._different(tuple(self._entity(at_most) for at_most in self._depths(depth, self._length())))

    def _depths(self, depth: int, count: int) -> list[int]:
        """How deep each of several parts may be: one as deep as possible, the others mostly less."""
        rng = self._rng
        depths = [depth if rng.random() < 0.25 else rng.randint(min(1, depth), max(1, depth)) for _ in range(count)]
        depths[rng.randrange(count)] = depth
        return depths

    def _length(self) -> int:
        often = (*LENGTHS, LENGTHS[0])  # of "wider" only those with a list of `WIDTH` + 1 are kept
        return self._rng.choices(range(2, self._widest + 1), often[: self._widest - 1])[0]

    def _different(self, values: tuple[Value, ...]) -> tuple[Value, ...]:
        self.sound = self.sound and len(set(values)) == len(values)
        return values

    def _name(self) -> str:
        if self._names and self._rng.random() < 0.08:
            return self._rng.choice(self._names)
        self._names.append(self._new_name())
        return self._names[-1]

    def _attribute(self) -> str:
        rng = self._rng
        if rng.random() < 0.7:
            return rng.choice(_NAMED)
        if rng.random() < 0.6:
            return rng.choice(NOUNS)
        made = word(rng, held_out=self._held_out_words)
        return made if rng.random() < 0.3 else f"{made} {rng.choice(FORMS)}"

    def _relation(self) -> str:
        rng = self._rng
        if rng.random() < 0.85:
            return rng.choice(RELATIONS)
        return f"{word(rng, held_out=self._held_out_words)} {rng.choice(ROLES)}"

    def _literal(self) -> float:
        rng = self._rng
        return rng.choice((rng.randint(2, 100), rng.randint(2, 9999), _tenths(rng.randint(11, 9999)), 100 * rng.randint(1, 90)))


def _tenths(count: int) -> float:
    return count // 10 if count % 10 == 0 else count / 10


def _is_roundabout(call: Call) -> bool:
    """Whether it looks up what had to be looked up to find its entity: the height of the tallest is the greatest height."""
    match call:
        case Call(tool="lookup", arguments=(Call(tool="argmax" | "argmin", arguments=(_, tuple(numbers))), attribute)):
            return any(isinstance(number, Call) and number.arguments[1] == attribute for number in numbers)
    return False
