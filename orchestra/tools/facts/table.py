"""Facts that are known without asking anybody: which entity has which attribute, and what it is.

A table is a CSV file with the columns `entity`, `attribute` and `value`; a value that is a number is one, any other is the name of another
entity. Attributes may name a unit, as in `height (ft)`: numbers are kept in the attribute's own unit (`UNITS`), in which planners count.
Case, spaces and a leading "the" make no difference when something is looked up.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Protocol, Self

from ...errors import ConfigError, ToolError
from .units import converted

UNITS = {
    "height": "metres",
    "depth": "metres",
    "length": "kilometres",
    "diameter": "kilometres",
    "area": "square kilometres",
    "weight": "kilograms",
    "speed": "kilometres per hour",
    "age": "years",
    "duration": "minutes",
    "capacity": "litres",
    "power": "kilowatts",
}
"""What numbers of an attribute are measured in. Other attributes have no unit that could be converted."""
COLUMNS = ("entity", "attribute", "value")

_ATTRIBUTE = re.compile(r"(.+?)\s*\(([^()]+)\)")


class Facts(Protocol):
    """What lookups ask. Both raise `ToolError` for what is not known."""

    def number(self, entity: str, attribute: str) -> float: ...

    def entity(self, entity: str, relation: str) -> str: ...


class FactTable:
    """Rows are (entity, attribute, value). Raises `ConfigError` for two different values of one attribute, and for unknown units."""

    def __init__(self, rows: Iterable[tuple[str, str, float | str]]) -> None:
        self._values: dict[str, dict[str, float | str]] = {}
        self._names: dict[str, str] = {}
        for entity, attribute, value in rows:
            name, kept = _in_own_unit(attribute, value)
            self._names.setdefault(key_of(entity), entity)
            about = self._values.setdefault(key_of(entity), {})
            if about.setdefault(key_of(name), kept) != kept:
                raise ConfigError(f"{entity!r} has two values of {name!r}, {about[key_of(name)]} and {kept}: keep one")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises `ConfigError` for a file that cannot be read, naming the line."""
        try:
            return cls.parse(path.read_text(encoding="utf-8"), source=str(path))
        except OSError as error:
            raise ConfigError(f"the fact table {path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"the fact table {path} is not UTF-8 text: {error}") from error

    @classmethod
    def parse(cls, text: str, *, source: str = "the fact table") -> Self:
        """From the text of a CSV file, which errors call `source`."""
        reader = csv.DictReader(text.splitlines(), strict=True)
        rows: list[tuple[str, str, float | str]] = []
        try:
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ConfigError(f"{source} has the columns {reader.fieldnames}: its first line must be {','.join(COLUMNS)}")
            for row in reader:
                entity, attribute, value = (str(row[name] or "").strip() for name in COLUMNS)
                if None in row or not (entity and attribute and value):
                    raise ConfigError(
                        f"{source}, line {reader.line_num}: a row is an entity, an attribute and a value; put quotes around commas"
                    )
                rows.append((entity, attribute, _number_in(value)))
        except csv.Error as error:
            raise ConfigError(f"{source}, line {reader.line_num}: {error}") from error
        return cls(rows)

    @classmethod
    @cache
    def packaged(cls) -> FactTable:
        """Some fifty mountains, rivers, lakes, countries, capitals, towers and planets; rounded, as encyclopedias give them."""
        text = files(__package__).joinpath("facts.csv").read_text(encoding="utf-8")
        return FactTable.parse(text, source="the packaged fact table")

    @property
    def entities(self) -> tuple[str, ...]:
        """As they were first written."""
        return tuple(self._names.values())

    def rows(self) -> Iterator[tuple[str, str, float | str]]:
        """Entity, attribute and value, entity by entity."""
        for key, about in self._values.items():
            for attribute, value in about.items():
                yield self._names[key], attribute, value

    def attributes(self, entity: str) -> tuple[str, ...]:
        """Raises `ToolError` for an unknown entity."""
        return tuple(self._about(entity))

    def number(self, entity: str, attribute: str) -> float:
        value = self._value(entity, attribute)
        if isinstance(value, str):
            raise ToolError(f"the {attribute} of {entity} is {value!r}, which is no number: ask for it with `related`")
        return value

    def entity(self, entity: str, relation: str) -> str:
        value = self._value(entity, relation)
        if not isinstance(value, str):
            raise ToolError(f"the {relation} of {entity} is the number {value}: ask for it with `lookup`")
        return value

    def _value(self, entity: str, attribute: str) -> float | str:
        about = self._about(entity)
        if (found := about.get(key_of(attribute))) is None:
            raise ToolError(f"the table does not know the {attribute} of {entity}: it knows {', '.join(about)}")
        return found

    def _about(self, entity: str) -> dict[str, float | str]:
        if (about := self._values.get(key_of(entity))) is None:
            close = [self._names[key] for key in get_close_matches(key_of(entity), self._names, n=3)]
            raise ToolError(f"the table has no {entity!r}{': did you mean ' + ' or '.join(close) + '?' if close else ''}")
        return about


def key_of(text: str) -> str:
    """What two spellings of one name have in common."""
    return " ".join(text.split()).casefold().removeprefix("the ")


def _number_in(text: str) -> float | str:
    try:
        value = float(text)
    except ValueError:
        return text
    if not math.isfinite(value):
        return text
    return int(value) if value.is_integer() else value


def _in_own_unit(attribute: str, value: float | str) -> tuple[str, float | str]:
    if not (found := _ATTRIBUTE.fullmatch(attribute.strip())) or isinstance(value, str):
        return attribute, value
    name, unit = found[1], found[2]
    if (own := UNITS.get(key_of(name))) is None:
        return name, value
    try:
        return name, converted(value, unit, own)
    except ToolError as error:
        raise ConfigError(f"the attribute {attribute!r}: {error}") from error
