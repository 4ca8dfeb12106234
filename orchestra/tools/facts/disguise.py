"""A question put more simply: other names for its things, one name for "the capital of Japan", shorter lists, and parentheses.

A small planner copies some names better than others, and plans what is as large as the questions that it was trained on better than what is
larger. So a question can be asked in its stead that has the same plan but for what is put back afterwards.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, pairwise
from types import MappingProxyType
from typing import Any, Literal

from .mentions import Mentions
from .name_slots import NameSlots, any_of
from .names import Known, Names, numbers_in, words_of
from .operators import Operators
from .reading import ANSWERS, Tree
from .table import UNITS, key_of
from .together import in_total

_INVENTED = (
    *("Berdale", "Cresa", "Doika", "Frelen", "Gaston", "Hanes", "Kresa", "Lorbe", "Marova", "Nelus", "Prelia", "Sturmen"),
    *("Trovik", "Vastad", "Wenford", "Zelmond", "Ostova", "Smeron", "Blendal", "Kolnes", "Ardena", "Fugheim", "Pelwick", "Thesa"),
)
"""Like those that the planner was trained on; none belongs to its tests."""
_ARTICLE = re.compile(r"\bthe $", re.IGNORECASE)
_WHO = "(?:whoever it is that|whoever|the one who|the person who)"
_LONG = 6
"""Items of the longest lists of training."""
_COPIED = re.compile(r"\d{1,4}(\.0)?|\d{1,3}\.\d")
"""Numbers such as those of training; others get a stand-in."""


Fold = Literal["names", "relations", "all"]


class Disguise:
    """`text` is what is asked instead of a question.

    Args:
        seed: chooses the names.
        fold: "names" gives other names, stand-ins to numbers that are larger than those of training, and parentheses; "relations" one name to each
            relation of a name too ("the mother of Ada", "Ada's mother"), leaves out items of long lists, and units after numbers, which
            are converted afterwards; "all" also gives one name to the best of several ("the tallest of Ada, Bob and Cleo").
    """

    def __init__(self, text: str, names: Names, *, seed: int, fold: Fold = "all") -> None:
        taken = {*words_of(text), *names.vocabulary.words}
        self._invented = [name for name in random.Random(seed).sample(_INVENTED, len(_INVENTED)) if name.casefold() not in taken]
        self._owners: dict[str, Any] = {}
        """By invented name what it stands for: a name, or a call that finds one."""
        self._numbers: dict[float, tuple[float, str | None]] = {}
        """By number in `text` the one that it stands for, and the unit of which it was deprived."""
        self._left_out: list[tuple[str, str]] = []
        """Names, and those after which they stand in a list."""
        spelled_out = Operators(Mentions(text, names)).parenthesized()
        self.folds = int(spelled_out != text)
        """How often something was made simpler, other names aside."""
        self.text = self._renamed(spelled_out, names, measured=fold != "names")
        if fold != "names":
            self._fold(names, best=fold == "all")
        self._say_total(names)
        if fold != "names":
            self._shorten_lists()

    def lifted(self, tree: Tree) -> Tree:
        """A plan for `text`, as one for the question."""
        for name, before in self._left_out:
            tree = _with(tree, name, before)
        own = {UNITS.get(key_of(attribute)) for attribute in _attributes_in(tree)}
        own_unit = own.pop() if len(own) == 1 else None
        numbers = {
            other: Tree("convert", (value, unit, own_unit)) if unit and own_unit else value
            for other, (value, unit) in self._numbers.items()
        }
        lifted = _replaced(tree, self._owners, numbers)
        assert isinstance(lifted, Tree)
        return lifted

    def _stand_in(self, owner: Any) -> str | None:
        if found := next((name for name, known in self._owners.items() if known == owner), None):
            return found
        if not self._invented:
            return None
        name = self._invented.pop()
        self._owners[name] = owner
        return name

    def _renamed(self, text: str, names: Names, *, measured: bool) -> str:
        words = list(names.found(text))
        instead = self._other_numbers(text, words, measured=measured)
        hidden, at = "", 0
        for begin, end, known in words:
            if known is not None and known.kind == "name" and (name := self._stand_in(known.name)):
                instead[begin, end] = name
        for (begin, end), other in sorted(instead.items()):
            hidden, at = f"{hidden}{_ARTICLE.sub('', text[at:begin])}{other}", end
        return hidden + text[at:]

    def _other_numbers(
        self, text: str, words: Sequence[tuple[int, int, Known | None]], *, measured: bool
    ) -> dict[tuple[int, int], str]:
        """By first and last character. Numbers that the planner cannot copy get a stand-in, and those with a unit lose it."""
        found = [
            (number.span(), float(plain), plain) for number in numbers_in(text, words) if (plain := number[0].replace(",", ""))
        ]
        often = Counter(value for _, value, _ in found)
        units = {begin: (end, known.name) for begin, end, known in words if known is not None and known.kind == "unit"}
        instead: dict[tuple[int, int], str] = {}
        for (begin, end), value, plain in found:
            kept = _COPIED.fullmatch(plain) is not None
            after = end + len(text[end:]) - len(text[end:].lstrip())
            unit_end, unit = units.get(after, (end, None)) if measured and often[value] == 1 else (end, None)
            if kept and unit is None:
                continue
            other = value if kept else next(at for at in count(1_235 * (1 + len(self._numbers))) if at not in often)
            often[other] += 1
            self._numbers[other] = value if "." in plain else int(plain), unit
            instead[begin, unit_end] = plain if kept else str(other)
        return instead

    def _say_total(self, names: Names) -> None:
        numbers = {key_of(attribute): attribute for attribute in names.attributes_named}
        said = in_total(self.text, self._owners, numbers, names.vocabulary)
        self.folds += int(said != self.text)
        self.text = said

    def _fold(self, names: Names, *, best: bool) -> None:
        """From the inside out. "'s" belongs to the name that stands before it, whatever stands before that."""
        relations = {key_of(relation): relation for relation in names.relations_named}
        verbs = {verb: relations[of] for of in relations for verb in names.vocabulary.asking.get(of, ())}
        numbers = {key_of(attribute): attribute for attribute in names.attributes_named}
        slots, superlatives = NameSlots(numbers, names.vocabulary), _Best(numbers, names)
        while True:
            mine = any_of(self._owners)
            found = (
                *self._relations(mine, relations, verbs),
                *(superlatives.search(self.text, self._owners) if best else ()),
            )
            usable = (one for one in found if slots.takes(self.text, one[0].start(), one[0].end(), mine))
            if (one := next(usable, None)) is None or (name := self._stand_in(one[1])) is None:
                return
            self.folds += 1
            self.text = self.text[: one[0].start()] + name + self.text[one[0].end() :]

    def _relations(self, mine: str, relations: Mapping[str, str], verbs: Mapping[str, str]) -> Iterator[tuple[re.Match[str], Any]]:
        """Phrases that are one name in other words, and what each stands for."""
        owned = rf"(?P<of>{any_of(relations)})"
        for pattern in (rf"\b(?P<name>{mine})'s {owned}\b", rf"\bthe {owned} (?:of|given for) (?P<name>{mine})\b(?!'s)"):
            for found in re.finditer(pattern, self.text, re.IGNORECASE):
                yield found, Tree("related", (self._owners[found["name"]], relations[key_of(found["of"])]))
        for found in re.finditer(rf"\b{_WHO} (?P<of>{any_of(verbs)}) (?P<name>{mine})\b(?!'s)", self.text):
            yield found, Tree("related", (self._owners[found["name"]], verbs[found["of"]]))
        for found in re.finditer(rf"\((?P<name>{mine})\)", self.text):
            yield found, self._owners[found["name"]]

    def _shorten_lists(self) -> None:
        mine = any_of(self._owners)
        for found in re.finditer(rf"\b({mine})(, ({mine})){{{_LONG - 2},}} (and|or) ({mine})\b", self.text):
            items = re.findall(rf"\b(?:{mine})\b", found[0])
            for before, name in pairwise(items[1 : len(items) - (_LONG - 2)]):
                # one that is spoken of elsewhere too would be put into the list twice
                if len(re.findall(rf"\b{name}\b", self.text)) == 1 == len(re.findall(rf"\b{before}\b", self.text)):
                    self._left_out.append((name, before))
        self.folds += len(self._left_out)
        for name, _ in self._left_out:
            self.text = self.text.replace(f", {name}", "", 1)


class _Best:
    """Finds "the tallest of Ada, Bob and Cleo" and its like, where the words leave no doubt which attribute is meant."""

    def __init__(self, attributes: Mapping[str, str], names: Names) -> None:
        self._attributes = attributes
        self._vocabulary = names.vocabulary

    def search(self, text: str, owners: Mapping[str, Any]) -> Iterator[tuple[re.Match[str], Tree]]:
        name = rf"(?:{any_of(owners)})"
        listed = rf"(?P<list>{name}(?:, {name})* (?:and|or) {name})\b(?!'s)"
        most = r"(?P<most>\w+est|(?:most|least) \w+)"
        has = rf"(?P<most>\w+est|least) (?P<at>{any_of(self._attributes)})"
        for pattern in (
            rf"\bwhichever is the {most} of {listed}",
            rf"(?<!ich is )(?<!ichever is )\bthe {most}(?: one)? (?:of|among|out of) {listed}",
            rf"\bwhichever of {listed} is the {most}\b",
            rf"\bthe one of {listed} that is the {most}\b",
            rf"\bwhichever of {listed} has the {has}\b",
            rf"\bthe one of {listed} with the {has}\b",
            rf"\bthe one (?:with|that has) the {has} (?:among|of|out of) {listed}",
        ):
            for found in re.finditer(pattern, text):
                if tree := self._tree(found, [owners[item] for item in re.findall(rf"\b{name}\b", found["list"])]):
                    yield found, tree

    def _tree(self, found: re.Match[str], items: Sequence[Any]) -> Tree | None:
        words = words_of(found["most"])
        if "at" in found.re.groupindex:
            meant = [self._attributes[key_of(found["at"])]]
        else:
            meant = [attribute for attribute, said in self._vocabulary.asking.items() if words[-1] in said]
        tools = [tool for tool in ("argmax", "argmin") if words[0] in self._vocabulary.signs.get(tool, ())]
        if len(meant) != 1 or len(tools) != 1:
            return None
        return Tree(tools[0], (tuple(items), tuple(Tree("lookup", (item, meant[0])) for item in items)))


def _replaced(value: Any, by: Mapping[str, Any], numbers: Mapping[float, Any] = MappingProxyType({})) -> Any:
    match value:
        case Tree(tool, arguments):
            return Tree(tool, tuple(_replaced(argument, by, numbers) for argument in arguments))
        case tuple():
            return tuple(_replaced(item, by, numbers) for item in value)
        case str():
            return by.get(value.removeprefix("the "), value)
        case int() | float():
            return numbers.get(value, value)
    return value


def _attributes_in(value: Any) -> Iterator[str]:
    match value:
        case Tree("lookup", (entity, str(attribute))):
            yield attribute
            yield from _attributes_in(entity)
        case Tree(_, items) | tuple(items):
            for item in items:
                yield from _attributes_in(item)


def _names_in(value: Any) -> Iterator[str]:
    match value:
        case Tree(_, arguments):
            yield from _names_in(arguments)
        case tuple():
            for item in value:
                yield from _names_in(item)
        case str():
            yield value


def _with(value: Any, name: str, before: str) -> Any:
    """With `name` in every list after `before`, and asked for in the same way."""
    match value:
        case Tree(tool, arguments) if tool == ANSWERS:
            return Tree(tool, _with(arguments, name, before))
        case Tree(tool, arguments):
            return Tree(tool, tuple(_with(argument, name, before) for argument in arguments))
        case tuple():
            items: list[Any] = []
            for item in value:
                items.append(deeper := _with(item, name, before))
                if deeper == item and before in _names_in(item):
                    items.append(_replaced(item, {before: name}))
            return tuple(items)
    return value
