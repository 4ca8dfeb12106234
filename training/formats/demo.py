"""A demonstration of a whole run: its units in one format, as data and as JSON lines.

A unit's mask is its shape: `prompt` is given and never trained, every token of `sampled` is trained. Each token of a demonstration is thus trained
once, whatever a later prompt repeats of it (a weaver's parent reads its threads' words, and a thread its parent's outlines).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from orchestra.countdown.problem import Problem
from orchestra.errors import ConfigError
from orchestra.thread import Join

from ..rollout import Unit

Format = Literal["serial", "apr", "weaver"]
FORMATS: tuple[Format, ...] = get_args(Format)

Fate = Literal["finished", "cut", "cancelled", "refused"]
"""What became of a demonstrated child: `orchestra.thread.Status` without what says nothing about a search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoTree:
    """One problem, demonstrated from the first request to the last."""

    format: Format
    problem: Problem
    join: Join
    fates: tuple[Fate, ...]
    """Of each child, in the order of the calls; empty when serial."""
    units: tuple[Unit, ...]
    """In the order in which `orchestra.thread.RunTree.requests` would list them: the root's, then each child's. Without log-probabilities."""

    def __post_init__(self) -> None:
        """Raises `ConfigError` for values that no demonstration can have."""
        for name, word, words in (("format", self.format, FORMATS), ("join", self.join, get_args(Join))):
            if word not in words:
                raise ConfigError(f"`{name}` must be one of {', '.join(words)}, got {word!r}")
        if strange := set(self.fates) - set(get_args(Fate)):
            raise ConfigError(f"`fates` must be among {', '.join(get_args(Fate))}, got {min(strange)!r}")
        if not self.units or any(unit.logprobs for unit in self.units):
            raise ConfigError(
                "`units` must not be empty and hold no log-probabilities: those of a rollout were sampled, not demonstrated"
            )
        for unit in self.units:
            self.fate_of(unit)

    def fate_of(self, unit: Unit) -> Fate:
        """How the unit's thread ended. Raises `ConfigError` for a thread that the tree does not have."""
        if unit.thread == "0":
            return "finished"
        head, _, index = unit.thread.partition(".")
        if head != "0" or not index.isdecimal() or int(index) >= len(self.fates):
            raise ConfigError(f"there is no thread {unit.thread!r} among {len(self.fates)} children")
        return self.fates[int(index)]


def to_line(tree: DemoTree) -> str:
    """One line of JSON, newline included."""
    record = {
        "format": tree.format,
        "numbers": tree.problem.numbers,
        "target": tree.problem.target,
        "join": tree.join,
        "fates": tree.fates,
        "units": [[unit.thread, unit.prompt, unit.sampled] for unit in tree.units],
    }
    return json.dumps(record, separators=(",", ":")) + "\n"


def from_line(line: str) -> DemoTree:
    """Raises `ConfigError` for a line that `to_line` has not written."""
    try:
        record = json.loads(line)
        return DemoTree(
            format=record["format"],
            problem=Problem(tuple(record["numbers"]), record["target"]),
            join=record["join"],
            fates=tuple(record["fates"]),
            units=tuple(Unit(_ids(prompt), _ids(sampled), (), thread) for thread, prompt, sampled in record["units"]),
        )
    except (ConfigError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise ConfigError(f"not a demonstration ({type(error).__name__}: {error}): {line[:80]!r}") from error


def _ids(values: list[object]) -> tuple[int, ...]:
    if strange := [value for value in values if not isinstance(value, int) or value < 0]:
        raise TypeError(f"token ids are counted from 0, got {strange[0]!r}")
    return tuple(value for value in values if isinstance(value, int))


def write_trees(path: Path, trees: Iterable[DemoTree]) -> None:
    """Write a file of JSON lines. It appears under its name only when it is complete."""
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("w", encoding="utf-8") as file:
        file.writelines(map(to_line, trees))
    unfinished.rename(path)


def read_trees(path: Path) -> Iterator[DemoTree]:
    """Raises `ConfigError` for a line that is no demonstration."""
    with path.open(encoding="utf-8") as file:
        yield from map(from_line, file)
