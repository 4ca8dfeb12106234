"""Finds JSON objects in a text that is being written: one a line, pretty-printed, in a list, with prose or fences around them.

It follows strings and brackets, never lines, but uses lines to find its way again: an object that begins a line where none may
begin ends the broken one before it. Each character is looked at once.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from .reading import END_OF_TEXT, MAX_DEPTH, Unreadable, clean, excerpt

Machine = Generator[None, str, bool]
"""Is sent one character after the other; returns whether the last of them was the brace that begins an object."""


@dataclass(frozen=True, slots=True)
class Event:
    what: Literal["object", "settled", "broken", "prose"]
    """object: its last brace has been written. settled: after that only space or a comma until its line ends or the next object
    begins. broken: an object that cannot be read, or something that is not settled after one. prose: a line without anything of
    an object."""
    text: str
    """The object; the prose; what is broken."""
    line: int


class ObjectScanner:
    """Feeding a text whole or in pieces gives the same events."""

    def __init__(self) -> None:
        self._line = 1
        self._events: list[Event] = []
        self._machine = self._run()
        next(self._machine)

    def feed(self, text: str) -> list[Event]:
        send = self._machine.send
        for character in clean(text):
            send(character)
            if character == "\n":
                self._line += 1
        events, self._events = self._events, []
        return events

    def close(self) -> list[Event]:
        """The text has ended."""
        self._machine.send(END_OF_TEXT)
        return self._events

    def _tell(self, what: Literal["object", "settled", "broken", "prose"], text: str = "", line: int | None = None) -> None:
        self._events.append(Event(what, text, line or self._line))

    def _run(self) -> Generator[None, str, NoReturn]:
        while True:
            begun = yield from self._between()
            while begun:
                begun = yield from self._object()

    def _between(self) -> Machine:
        """One line, or the part of it before an object begins."""
        text, last = yield from self._until_object_or_line()
        prose = text.strip(" \t\r[],")
        if _PART_OF_AN_OBJECT.search(prose) or ('"' in prose and last == "{"):
            self._tell("broken", f"{excerpt(prose)} belongs to no object: an object begins with `{{`")
            return (yield from self._lost(last))
        if prose:
            self._tell("prose", prose)
        return last == "{"

    def _until_object_or_line(self) -> Generator[None, str, tuple[str, str]]:
        text: list[str] = []
        while (character := (yield)) not in ("{", "\n", END_OF_TEXT):
            text.append(character)
        return "".join(text), character

    def _lost(self, last: str) -> Machine:
        """What was read last makes no sense: go on at the next line that begins with an object."""
        fresh = False
        while last != END_OF_TEXT and not (fresh and last == "{"):
            fresh = last == "\n" or (fresh and last.isspace())
            last = yield
        return last == "{"

    def _object(self) -> Machine:
        """From after the first brace to the end of its line; breaks off where it cannot be an object any more."""
        text, stack = ["{"], ["{"]
        before, fresh, quoted, escaped = "{", False, False, False
        begin = self._line
        while stack:
            character = yield
            if character == END_OF_TEXT or (fresh and character == "{" and (quoted or not _may_begin(stack[-1], before))):
                unclosed = "a quote" if quoted else f"`{stack[-1]}`"
                self._tell("broken", f"the object that begins here breaks off: {unclosed} in it is not closed", begin)
                return character == "{"
            text.append(character)
            fresh = character == "\n" or (fresh and character.isspace())
            if escaped:
                escaped = False
            elif quoted:
                quoted = character != '"'
                escaped = character == "\\"
            elif character == '"':
                quoted = True
            elif character in "{[":
                stack.append(character)
                if len(stack) > MAX_DEPTH:
                    self._tell("broken", f"the object that begins here is nested deeper than {MAX_DEPTH} levels", begin)
                    return (yield from self._lost(character))
            elif character in "}]" and stack.pop() != _OPENER[character]:
                self._tell("broken", f"the object that begins here has a `{character}` that closes nothing", begin)
                return (yield from self._lost(character))
            if not character.isspace():
                before = character
        self._tell("object", "".join(text), begin)
        rest, last = yield from self._until_object_or_line()
        if rest.strip(" \t\r],"):
            self._tell("broken", f"{excerpt(rest)} follows the object: nothing may stand on its line but a comma")
            return (yield from self._lost(last))
        self._tell("settled")
        return last == "{"


_OPENER = {"}": "{", "]": "["}
_PART_OF_AN_OBJECT = re.compile(r'^"|}|"\s*:\s*\S')
"""Text outside objects that must not be passed over as prose; prose may quote."""
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""Escapes of surrogates, which are characters only in pairs."""


def _may_begin(container: str, before: str) -> bool:
    """Whether JSON allows an object after `before`, inside an object or a list."""
    return before == ":" if container == "{" else before in "[,"


def read_one(text: str) -> dict[str, Any]:
    """The one object that `text` is, with nothing around it. Raises `Unreadable`."""
    scanner = ObjectScanner()
    events = [*scanner.feed(text), *scanner.close()]
    if [event.what for event in events] == ["object", "settled"]:
        return read_json(events[0].text)
    broken = next((event.text for event in events if event.what == "broken"), "")
    raise Unreadable(broken or f"expected one JSON object, got {excerpt(text)}")


def read_json(text: str) -> dict[str, Any]:
    """The object that `text` is; line breaks inside strings are accepted. Raises `Unreadable`, also for what Python's reader
    lets pass: a key that stands twice, NaN, numbers without end. `text` must not be nested deeper than `MAX_DEPTH` (see
    `ObjectScanner`)."""
    try:
        found = json.loads(
            text, strict=False, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole_number
        )
    except json.JSONDecodeError as error:
        raise Unreadable(f"this is not JSON: {error.msg} at {excerpt(text[error.pos : error.pos + 40])}") from None
    assert isinstance(found, dict)
    if _HALF.search(text):
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise Unreadable("an escape makes half of a surrogate pair: write the character itself, or both halves") from None
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise Unreadable(f"the key {excerpt(twice)} stands twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise Unreadable(f"{name} is no number in JSON: write null or text")


def _finite(text: str) -> float:
    if math.isfinite(value := float(text)):
        return value
    raise Unreadable(f"the number {excerpt(text, 20)} is too large: write it as text")


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # more digits than Python converts
        raise Unreadable(f"a number has {len(text):,} digits: write it as text") from None
