r"""Which answers are the same: one relation for voting, entropy, stop rules and grading.

Answers that are simple have a key at once (`quick_key`). The others are read by math-verify in processes that can be killed: first
into a canonical form, and only where forms of one problem differ and their values do not, two at a time by `verify`, in both
directions. Its relation is not transitive (decimals are rounded), so an answer takes the key of the first answer that it equals, and
keeps it.

Without math-verify an answer that is not simple is only what is written, without spaces and noise: votes for `\frac{\sqrt2}2` and for
`\frac{1}{\sqrt{2}}` are then two. This is warned of once, `Equivalence.symbolic` tells, and `required=True` makes it an error.
"""

from __future__ import annotations

import asyncio
import warnings
from dataclasses import dataclass, field
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

from ..errors import ConfigError
from .normal import is_percent, quick_key, written_key
from .pool import MissingLibraryError, Pool, missing_library
from .recent import Recent

_MAX_READINGS = 20_000
"""Of the most recent answers, over all problems, and of the most recent gradings."""
_MAX_PROBLEMS = 2_000
"""Keys are stable within so many of the most recent problems."""
_MAX_LEADERS = 64
"""Of one problem. Answers that come after so many different ones keep their canonical form as their key."""
_NEAR = 1e-5
"""math-verify rounds to six places: numbers that differ by more are not equal."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a worker has made of an answer."""

    key: str | None
    """None when it cannot be read, or not in time."""
    value: complex | None = None
    quick: bool = False
    parsed: bool = False
    """Whether math-verify has understood it. If not, there is nothing to compare but the key."""


@dataclass(slots=True)
class _Once:
    """Something that is asked once, however many wait for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    reading: _Reading | None = None
    grade: bool | None = None


@dataclass(slots=True)
class _Leader:
    """The first answer to a problem that has its key."""

    answer: str
    reading: _Reading
    key: str


@dataclass(slots=True)
class _Group:
    """What is known of one problem's answers that are not quick."""

    keys: dict[str, str | None] = field(default_factory=dict)
    leaders: list[_Leader] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Equivalence:
    r"""An async context manager; it owns worker processes, which start at the first answer that is not quick.

    One serves many problems and any number of tasks of one event loop. Leaving it ends its processes; so does the end of the program,
    however it ends.

        async with Equivalence() as same:
            await same.key("problem 1", r"\sqrt{8}") == await same.key("problem 1", r"2\sqrt2")  # one vote
            await same.equal(r"\frac{1}{2}", "0.5")  # a grade

    Args:
        workers: processes at most.
        timeout_s: seconds that one reading or one comparison may take before its worker is killed and replaced.
        max_chars: of an answer that needs a worker; longer ones are not read.
        required: whether entering without math-verify is an error. Grades that are reported should not depend on what is installed.
    """

    def __init__(self, *, workers: int = 1, timeout_s: float = 5.0, max_chars: int = 200, required: bool = False) -> None:
        if workers < 1 or not timeout_s > 0 or max_chars < 1:
            raise ConfigError(
                f"`workers`, `timeout_s` and `max_chars` must be positive, got {workers}, {timeout_s} and {max_chars}"
            )
        self._workers, self._timeout_s, self._max_chars, self._required = workers, timeout_s, max_chars, required
        self._pool: Pool | None = None
        self._missing: MissingLibraryError | None = None
        self._warned = False
        self._forget()

    async def __aenter__(self) -> Self:
        """Raises `ConfigError` when math-verify is required and not installed."""
        if self._pool is not None:
            raise RuntimeError("this Equivalence has been entered: share it, or make another one")
        self._missing = missing_library()
        if self._missing and self._required:
            raise self._missing
        self._forget()  # locks belong to an event loop
        self._pool = Pool(workers=self._workers, timeout_s=self._timeout_s)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    @property
    def symbolic(self) -> bool:
        """Whether expressions are compared by what they mean. False without math-verify: then by how they are written."""
        return self._missing is None

    def at_once(self, answer: str | None) -> str | None:
        """What `key` will say for any problem, if that is known without a worker; else raises `LookupError`: await `key`."""
        if answer is None or not answer.strip():
            return None
        key = quick_key(answer)
        if key is None and len(answer) <= self._max_chars:
            raise LookupError(answer)
        return key

    async def key(self, problem: str, answer: str | None) -> str | None:
        """The key of `answer` among those already seen for `problem`, an id: equal answers get the same key.

        None for no answer and for one that cannot be read, or not in time: it has no vote. Raises `ConfigError` when math-verify is
        required and missing, or when no process can be started.
        """
        try:
            return self.at_once(answer)
        except LookupError:
            assert answer is not None
        group = self._groups.get(problem, _Group)
        if answer in group.keys:
            return group.keys[answer]
        reading = await self._read(answer)
        async with group.lock:  # two that arrive together find each other
            if answer not in group.keys:
                group.keys[answer] = await self._grouped(group, answer, reading)
            return group.keys[answer]

    async def equal(self, gold: str, answer: str | None) -> bool:
        """Whether `answer` is right where `gold` is. It does not matter which of the two is the gold one.

        They are equal where their keys would be, and in two more cases, which concern a grade and not a vote: a percentage is right both as
        it is written and as a fraction, and an answer that cannot be read is right if it is `gold`, word for word. Raises `ConfigError` as
        `key` does.
        """
        if answer is None or not answer.strip():
            return False
        if exact_key(answer) == exact_key(gold):
            return True
        ours, theirs = quick_key(gold), quick_key(answer)
        if ours is not None and theirs is not None:
            return ours == theirs or _equal_percentages(gold, ours, answer, theirs)
        if any(key is None and len(text) > self._max_chars for text, key in ((gold, ours), (answer, theirs))):
            return False  # neither would have a vote
        one, other = sorted((gold, answer))
        once = self._graded_once.get(f"{len(one)} {one}{other}", _Once)
        async with once.lock:
            if once.grade is None:
                once.grade = await self._graded(one, other)
            return once.grade

    async def _graded(self, one: str, other: str) -> bool:
        ours, theirs = await self._read(one), await self._read(other)
        if ours.key is None or theirs.key is None:
            return False
        if ours.key == theirs.key:
            return True
        if not (ours.parsed and theirs.parsed):
            return False
        if (ours.quick or theirs.quick or _differ(ours, theirs)) and not (is_percent(one) or is_percent(other)):
            return False  # as in a vote, where a quick key stands for itself
        return bool(await self._same(one, other))

    async def _grouped(self, group: _Group, answer: str, reading: _Reading) -> str | None:
        """The key of an answer that is new to its group."""
        if reading.key is None or _is_number(reading.key):  # a number has the key that it has as a quick answer
            return reading.key
        for leader in group.leaders:
            if leader.reading.key == reading.key:
                return leader.key
        for leader in list(group.leaders):
            if not (leader.reading.parsed and reading.parsed) or _differ(leader.reading, reading):
                continue
            same = await self._same(leader.answer, answer)
            if same:
                return leader.key
            if same is None:  # one of the two is at fault: neither may cost more time
                group.leaders.remove(leader)
                return reading.key
        if len(group.leaders) < _MAX_LEADERS:
            group.leaders.append(_Leader(answer, reading, reading.key))
        return reading.key

    async def _read(self, answer: str) -> _Reading:
        if (quick := quick_key(answer)) is not None:
            value = complex(Fraction(quick)) if _is_number(quick) and len(quick) < 300 else None
            return _Reading(quick, value, quick=True, parsed=True)
        once = self._read_once.get(answer, _Once)
        async with once.lock:  # many traces give one answer: it is read, or times out, once
            if once.reading is None:
                once.reading = await self._read_now(answer)
            return once.reading

    async def _read_now(self, answer: str) -> _Reading:
        pool = self._entered()
        if self._missing is None:
            try:
                reply = await pool.ask("read", answer)
                return _Reading(None) if reply is None else _reading(reply)
            except MissingLibraryError as error:
                if self._required:
                    raise
                self._missing = error
        if not self._warned:
            self._warned = True
            warnings.warn(f"{self._missing} (until then they are compared as they are written)", stacklevel=2)
        return _Reading(written_key(answer))

    async def _same(self, one: str, other: str) -> bool | None:
        """None when there was no time to tell."""
        reply = await self._entered().ask("same", one, other)
        return None if reply is None else bool(reply["same"])

    def _forget(self) -> None:
        self._read_once: Recent[_Once] = Recent(_MAX_READINGS)
        self._graded_once: Recent[_Once] = Recent(_MAX_READINGS)
        self._groups: Recent[_Group] = Recent(_MAX_PROBLEMS)

    def _entered(self) -> Pool:
        if self._pool is None:
            raise RuntimeError("an Equivalence must be entered before it is used: `async with Equivalence() as same:`")
        return self._pool


def exact_key(answer: str | None) -> str | None:
    """For tasks whose answers are already canonical: the answer without white space around it, None for none."""
    return (answer.strip() or None) if answer else None


def _reading(reply: dict[str, Any]) -> _Reading:
    return _Reading(reply["key"], complex(*reply["value"]) if reply["value"] else None, parsed=reply["parsed"])


def _is_number(key: str) -> bool:
    return key.lstrip("-").replace("/", "").isdecimal()


def _differ(one: _Reading, other: _Reading) -> bool:
    """Whether their values show that they are not the same."""
    if one.value is None or other.value is None:
        return False
    return abs(one.value - other.value) > max(_NEAR, 1e-9 * abs(one.value))


def _equal_percentages(gold: str, gold_key: str, answer: str, answer_key: str) -> bool:
    if is_percent(gold) == is_percent(answer) or not (_is_number(gold_key) and _is_number(answer_key)):
        return False
    if max(len(gold_key), len(answer_key)) > 300:
        return False
    percent, plain = (gold_key, answer_key) if is_percent(gold) else (answer_key, gold_key)
    return Fraction(percent) == 100 * Fraction(plain)
