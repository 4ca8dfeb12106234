"""Reads the arguments of a call as models write them: literals of Python (triple quotes, too) and of JSON, references,
keywords, and text without quotes.

    "a $1", limit=2           'it\\'s'  [1, 2]  (1, 2)  {"key": $1}  {key: true}  None  null  1e5
    First for Women           unquoted text: accepted when it cannot be read otherwise

Strings are returned as written: what `$` means in them is for `dollar_refs`. References outside quotes come back as `Ref`,
tuples as lists.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

from .dollar_refs import bare_reference
from .reading import MAX_DEPTH, Unreadable, excerpt, whole

_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*(?:_[0-9]+)*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_KEYWORD = re.compile(r"([A-Za-z_]\w*)\s*=(?!=)", re.ASCII)
_SPACE = re.compile(r"\s*")
_CALL = re.compile(r"(?<![\w.-])([\w.-]+)\(")
_CONSTANTS = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None}
_ESCAPES = dict(zip("ntrbfav\\'\"/\n", ("\n", "\t", "\r", "\b", "\f", "\a", "\v", "\\", "'", '"', "/", ""), strict=True))
_OCTAL = re.compile(r"[0-7]{1,3}")
_PLAIN = {quote: re.compile(rf"[^\\{quote}]+") for quote in "'\""}
_HEX = {"x": 2, "u": 4, "U": 8}
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


@dataclass(slots=True)
class Arguments:
    positional: list[Any] = field(default_factory=list)
    keywords: dict[str, Any] = field(default_factory=dict)
    unquoted: list[str] = field(default_factory=list)
    """Those that were text without quotes."""
    ambiguous: bool = False
    """Whether one of them has no name, so that a comma beside it may belong to it."""


class _NotAValue(Exception):
    """Nothing that begins here is a literal; it may be text without quotes."""


def read_arguments(text: str, tools: Container[str] = (), *, whole_text: bool = False) -> Arguments:
    """What stands between the parentheses of a call.

    `tools` are names whose calls must not be nested inside. With `whole_text` (the tool has a single parameter) unquoted text
    may hold commas. Raises `Unreadable`.
    """
    reader = _Reader(text, tools)
    found = reader.arguments()
    if not found.ambiguous or len(found.positional) == 1:
        return found
    if not whole_text or found.keywords:
        raise Unreadable(f"{excerpt(text)} can be read in several ways: put text in quotes")
    merged = reader.unquoted(0, len(text))
    return Arguments([merged], unquoted=[merged])


class _Reader:
    def __init__(self, text: str, tools: Container[str]) -> None:
        self._text = text
        self._tools = tools
        self._at = 0

    def arguments(self) -> Arguments:
        found = Arguments()
        self._skip_space()
        while self._at < len(self._text):
            keyword = _KEYWORD.match(self._text, self._at)
            if keyword:
                self._at = keyword.end()
                self._skip_space()
            elif found.keywords:
                raise Unreadable(f"{self._rest()} follows an argument with a name: give it a name, too, or put text in quotes")
            value, unquoted = self._argument()
            if unquoted:
                found.unquoted.append(value)
                found.ambiguous |= keyword is None
            if keyword is None:
                found.positional.append(value)
            elif keyword[1] in found.keywords:
                raise Unreadable(f"the argument `{keyword[1]}` is given twice")
            else:
                found.keywords[keyword[1]] = value
            if not self._take(","):
                break
        if self._at < len(self._text):
            raise Unreadable(f"cannot read {self._rest()}: put text in quotes, and a comma between arguments")
        return found

    def _argument(self) -> tuple[Any, bool]:
        """A value, and whether it is text without quotes."""
        start = self._at
        try:
            value = self._value(1)
            if self._at == len(self._text) or self._text[self._at] == ",":
                return value, False
        except _NotAValue:
            pass
        if self._text[start : start + 1] in ("'", '"', "[", "{"):
            raise Unreadable(f"cannot read {self._rest()} after {excerpt(self._text[start : self._at])}")
        self._at = self._end_of_unquoted(start)
        return self.unquoted(start, self._at), True

    def _end_of_unquoted(self, at: int) -> int:
        depth = 0
        while at < len(self._text) and (depth or self._text[at] != ","):
            depth += (self._text[at] in "([{") - (self._text[at] in ")]}")
            at += 1
        return at

    def unquoted(self, start: int, end: int) -> str:
        text = self._text[start:end].strip()
        if not text:
            raise Unreadable("an argument is empty: there is a comma too many")
        if "\n" in text or '"' in text or re.search(r"(?<!\w)'", text):
            raise Unreadable(f"cannot read {excerpt(text)}: put text in one pair of quotes")
        if any(call in self._tools for call in _CALL.findall(text)):
            raise Unreadable(f"{excerpt(text)} calls a tool inside an argument: make it a step of its own and refer to it")
        if _unbalanced(text):
            raise Unreadable(f"the brackets of {excerpt(text)} do not match: put text in quotes")
        return text

    def _value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise Unreadable(f"an argument is nested deeper than {MAX_DEPTH} levels")
        character = self._text[self._at : self._at + 1]
        if character in ("'", '"'):
            value: Any = self._string()
        elif character == "{":
            value = self._object(depth)
        elif character in ("(", "["):
            value = self._list(depth)
        elif found := bare_reference(self._text, self._at):
            value, self._at = found
        elif number := _NUMBER.match(self._text, self._at):
            self._at = number.end()
            value = _number(number[0])
        elif (word := _WORD.match(self._text, self._at)) and word[0] in _CONSTANTS:
            self._at = word.end()
            value = _CONSTANTS[word[0]]
        else:
            raise _NotAValue
        self._skip_space()
        return value

    def _list(self, depth: int) -> Any:
        """A list, a tuple, or a value in parentheses. Text in parentheses may still be unquoted text as a whole."""
        opener = self._text[self._at]
        self._at += 1
        self._skip_space()
        items: list[Any] = []
        comma = True
        while not self._take(_CLOSERS[opener]):
            if not comma:
                raise self._refused(opener, "a comma or the closing bracket")
            items.append(self._item(opener, depth))
            comma = self._take(",")
        return items[0] if opener == "(" and len(items) == 1 and not comma else items

    def _object(self, depth: int) -> dict[str, Any]:
        self._at += 1
        self._skip_space()
        found: dict[str, Any] = {}
        comma = True
        while not self._take("}"):
            if not comma:
                raise self._refused("{", "a comma or the closing brace")
            name = self._name()
            if name in found:
                raise Unreadable(f"the key {name!r} stands twice in one object")
            if not self._take(":"):
                raise self._refused("{", f"a colon after {name!r}")
            found[name] = self._item("{", depth)
            comma = self._take(",")
        return found

    def _item(self, opener: str, depth: int) -> Any:
        try:
            return self._value(depth + 1)
        except _NotAValue:
            raise self._refused(opener, "a value") from None

    def _name(self) -> str:
        if self._text[self._at : self._at + 1] in ("'", '"'):
            name = self._string()
        elif word := _WORD.match(self._text, self._at):
            name, self._at = word[0], word.end()
        else:
            raise self._refused("{", "a key in quotes")
        self._skip_space()
        return name

    def _refused(self, opener: str, expected: str) -> Exception:
        return _NotAValue() if opener == "(" else Unreadable(f"expected {expected} inside `{opener}` instead of {self._rest()}")

    def _string(self) -> str:
        quote = self._text[self._at]
        if self._text.startswith(quote * 3, self._at):
            quote *= 3
        start = self._at = self._at + len(quote)
        parts: list[str] = []
        while not self._text.startswith(quote, self._at):
            if self._at >= len(self._text):
                raise Unreadable(f"the quote before {excerpt(self._text[start:])} is never closed")
            if plain := _PLAIN[quote[0]].match(self._text, self._at):
                parts.append(plain[0])
                self._at = plain.end()
                continue
            self._at += 1
            parts.append(self._escape() if self._text[self._at - 1] == "\\" else quote[0])
        self._at += len(quote)
        return _joined(parts)

    def _escape(self) -> str:
        """What the escape after a backslash stands for; unknown ones keep their backslash, as in Python."""
        kind = self._text[self._at : self._at + 1]
        self._at += 1
        if kind in _ESCAPES:
            return _ESCAPES[kind]
        if kind == "N":
            raise Unreadable("`\\N` names a character: write the character itself")
        if kind in _HEX:
            digits = self._text[self._at : self._at + _HEX[kind]]
            self._at += len(digits)
            code = int(digits, 16) if re.fullmatch(rf"[0-9a-fA-F]{{{_HEX[kind]}}}", digits) else -1
            if not 0 <= code <= 0x10FFFF:
                raise Unreadable(f"`\\{kind}{digits}` is no character: write it as itself")
            return chr(code)
        if octal := _OCTAL.match(self._text, self._at - 1):
            self._at = octal.end()
            return chr(int(octal[0], 8))
        return f"\\{kind}"

    def _skip_space(self) -> None:
        space = _SPACE.match(self._text, self._at)
        assert space is not None
        self._at = space.end()

    def _take(self, character: str) -> bool:
        if not self._text.startswith(character, self._at):
            return False
        self._at += 1
        self._skip_space()
        return True

    def _rest(self) -> str:
        return excerpt(self._text[self._at : self._at + 80]) if self._at < len(self._text) else "the end"


def _number(text: str) -> int | float:
    try:
        value = int(text) if text.lstrip("+-").replace("_", "").isdecimal() else float(text)
    except ValueError:  # more digits than Python converts
        raise Unreadable(f"the number {excerpt(text, 20)} has {len(text):,} digits: write it as text") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise Unreadable(f"the number {excerpt(text, 20)} is too large: write it as text")
    return value


def _joined(parts: list[str]) -> str:
    """The string, with the two halves of escaped surrogate pairs put together."""
    text = "".join(parts)
    if text.isascii():
        return text
    try:
        return whole(text.encode("utf-16", "surrogatepass").decode("utf-16"))
    except UnicodeDecodeError:
        return whole(text)


def _unbalanced(text: str) -> bool:
    expected: list[str] = []
    for character in text:
        if character in _CLOSERS:
            expected.append(_CLOSERS[character])
        elif character in ")]}" and (not expected or expected.pop() != character):
            return True
    return bool(expected)
