"""Follows the brackets and quotes of a call, one character after the other, to find where it ends."""

from __future__ import annotations

_CLOSERS = {"(": ")", "[": "]", "{": "}"}


class Brackets:
    """Begins after the parenthesis of a call.

    A quote opens a string only where a value may begin: after a bracket, a comma, a colon or an equals sign. So the apostrophe of
    "Women's" opens none. Brackets that do not match are left to whoever reads the arguments.
    """

    __slots__ = ("_closed_empty", "_escaped", "_expected", "_length", "_run", "_value_begins", "quote")

    def __init__(self) -> None:
        self._expected = [")"]
        self.quote = ""
        """What closes the string that is open: one quote or three; "" outside strings."""
        self._length = 0
        self._run = 0
        self._escaped = False
        self._closed_empty = ""
        self._value_begins = True

    @property
    def closed(self) -> bool:
        return not self._expected

    def push(self, character: str) -> None:
        if self.quote:
            self._in_string(character)
        elif character == self._closed_empty:  # the third quote in a row: the first two were no empty string
            self.quote, self._run, self._closed_empty = character * 3, 0, ""
        else:
            self._closed_empty = ""
            self._outside(character)

    def _in_string(self, character: str) -> None:
        if self._escaped or character != self.quote[0]:
            self._escaped = character == "\\" and not self._escaped
            self._run = 0
            self._length += 1
            return
        self._run += 1
        if self._run == len(self.quote):
            self._closed_empty = character if self._run == 1 and not self._length else ""
            self.quote = ""

    def _outside(self, character: str) -> None:
        if character in "\"'" and self._value_begins:
            self.quote, self._run, self._length, self._escaped, self._value_begins = character, 0, 0, False, False
        elif character in _CLOSERS:
            self._expected.append(_CLOSERS[character])
            self._value_begins = True
        elif character == self._expected[-1]:
            self._expected.pop()
            self._value_begins = False
        elif not character.isspace():
            self._value_begins = character in ",:="
