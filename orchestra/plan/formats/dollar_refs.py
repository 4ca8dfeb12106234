"""The dollar notation of references, which all formats that models write share.

    "$2"  "${2}"  $2  "$2.title"  "$2[0]"      a whole argument: always a reference, its value keeps its type
    "about ${2.title}, again"                  `${…}` inside text: always a reference
    "about $2, again"                          `$2` inside text: a reference if the plan has a node 2, else text ("costs $100")
    "$capital"  "${capital}"                   ids that are words: a whole argument, or in braces
    "costs $$5"                                a dollar

Inside text, `$n` is a reference when node n has been written before, and when n is below the number of its own node: if there
is none, it has been forgotten, and the verifier says so. Any other `$n` may still become one, so its node waits for the end of
the text; then it is a reference if node n exists (forward, so the verifier refuses it), and text with a warning if not. `$1.50`
and `$1,000` are amounts and `$1st` is a word: text, whatever nodes there are.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from itertools import groupby
from typing import Any

from ..finding import Finding
from ..ref import Ref, Text, Value, decode, encode
from .reading import Unreadable, whole

_STEP = r"""(?:\.[A-Za-z_]\w*|\[(?:-?[0-9]{1,9}|"[^"\]]*"|'[^'\]]*')\])"""
_ID = r"(?:[0-9]+(?!\w)|[A-Za-z_][A-Za-z0-9_-]*)"
_PATH = re.compile(_STEP, re.ASCII)
_WHOLE = re.compile(rf"\$({_ID})({_STEP}*)", re.ASCII)
_BRACED = re.compile(rf"\{{([A-Za-z0-9_][A-Za-z0-9_-]*)({_STEP}*)\}}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_]+(?:-+[A-Za-z0-9_]+)*")
_AMOUNT = re.compile(r"[0-9]+(?:\.[0-9]+|(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?)")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_ENCODED = frozenset({"$ref", "$text", "$json"})


class Dollars:
    """Reads the strings of one node."""

    def __init__(self, exists: Container[str], *, node: str | None = None, below: int = 0, numbered: bool = False) -> None:
        """`exists` holds the ids of nodes written before; numbers under `below` are taken for such ids, too. `numbered` says
        that all ids are numbers, so that `$word` inside text can only be text."""
        self._exists = exists
        self._node = node
        self._below = below
        self._numbered = numbered
        self.undecided = False
        """Whether something was read as text only because no node of that id exists: it may be read differently once one does."""
        self._kept: dict[str, Finding] = {}

    @property
    def findings(self) -> list[Finding]:
        """What was kept as text, each once."""
        return list(self._kept.values())

    def adopt(self, inside: Dollars) -> None:
        """Takes over the findings of a sub-plan."""
        self._kept |= inside._kept

    def read(self, value: Any) -> Value:
        """`value`, JSON or with references already in it, with its strings read. What `encode` has written is taken as it says.

        Raises `PlanError` for what can be neither reference nor text.
        """
        match value:
            case str():
                return self._string(value)
            case list():
                return [self.read(item) for item in value]
            case dict() if not _ENCODED.isdisjoint(value):
                return decode(value)
            case dict():
                return {whole(name): self.read(item) for name, item in value.items()}
        return value  # type: ignore[no-any-return] # numbers, booleans, null, references

    def _string(self, text: str) -> Value:
        if "$" not in whole(text):
            return text
        if reference := whole_reference(text):
            return reference
        parts: list[str | Ref] = []
        for is_text, run in groupby(self._parts(text), lambda part: isinstance(part, str)):
            found = list(run)
            parts += ["".join(map(str, found))] if is_text else found
        match parts:
            case [] | [str()]:
                return "".join(map(str, parts))
            case [Ref() as reference] | ["", Ref() as reference, ""]:
                return reference
        return Text(tuple(part for part in parts if part != ""))

    def _parts(self, text: str) -> Iterator[str | Ref]:
        at = 0
        while (dollar := text.find("$", at)) >= 0:
            yield text[at:dollar]
            at = dollar + 1
            if text.startswith("$", at):
                yield "$"
                at += 1
            elif text.startswith("{", at):
                if not (braced := _BRACED.match(text, at)):
                    raise Unreadable(
                        f"`{text[dollar : dollar + 20]}` is no reference: write `${{id}}`, or `$${{` for the text itself"
                    )
                yield _reference(braced)
                at = braced.end()
            elif word := _WORD.match(text, at):
                part, at = self._word(text, word)
                yield part
            else:
                yield "$"
        yield text[at:]

    def _word(self, text: str, word: re.Match[str]) -> tuple[str | Ref, int]:
        """What `$word` inside text means, and where it ends."""
        start, head = word.start(), word[0].partition("-")[0]
        amount = _AMOUNT.match(text, start)
        if head.isdecimal() and not amount:
            if (head in self._exists or self._is_below(head)) and (found := _WHOLE.match(text, start - 1)):
                if text.startswith("[", found.end()):
                    raise Unreadable(
                        f'the path after `{found[0]}` cannot be read: write `[0]` or `["key"]`, or `${{{head}}}[` for text'
                    )
                return _reference(found), found.end()
            self.undecided = True
        elif not amount and not self._numbered:
            for name in (word[0], head):
                if name in self._exists:
                    raise Unreadable(
                        f"`${name}` inside text is not read as a reference: write `${{{name}}}` for the output of node {name}, "
                        f"or `$${name}` for the text"
                    )
            self.undecided = True
        if head[0].isdecimal():
            kept = amount[0] if amount else head
            message = f"`${kept}` is kept as text: write `$${kept}` to say so, or `${{id}}` for the output of a node"
            self._kept[kept] = Finding("kept-as-text", message, self._node, "warning")
        return f"${word[0]}", word.end()

    def _is_below(self, number: str) -> bool:
        return _NUMBER.fullmatch(number) is not None and int(number) < self._below


def whole_reference(text: str) -> Ref | None:
    """The reference that `text` is from its first to its last character."""
    found = _WHOLE.fullmatch(text) or (_BRACED.fullmatch(text, 1) if text.startswith("$") else None)
    return _reference(found) if found else None


def bare_reference(text: str, at: int) -> tuple[Ref, int] | None:
    """The reference that begins at `at`, outside quotes, and where it ends."""
    found = _WHOLE.match(text, at) or (_BRACED.match(text, at + 1) if text.startswith("$", at) else None)
    return (_reference(found), found.end()) if found else None


def _reference(found: re.Match[str]) -> Ref:
    return Ref(found[1], tuple(_step(step) for step in _PATH.findall(found[2])))


def _step(step: str) -> str | int:
    if step.startswith("."):
        return step[1:]
    inner = step[1:-1]
    return inner[1:-1] if inner[0] in "\"'" else int(inner)


def write(value: Value) -> Any:
    """`value` as JSON whose strings are to be read by `Dollars`: what it reads from this is `value` again, whatever nodes exist."""
    match value:
        case str():
            return _escape(value)
        case Ref():
            written = f"${value.node}{_path(value)}" if value.node.isdecimal() else f"${{{value.node}{_path(value)}}}"
            return written if whole_reference(written) == value else encode(value)
        case Text(parts):
            written = "".join(_escape(part) if isinstance(part, str) else f"${{{part.node}{_path(part)}}}" for part in parts)
            return written if _reads_back(written, value) else encode(value)
        case list():
            return [write(item) for item in value]
        case dict():
            return encode(value) if not _ENCODED.isdisjoint(value) else {name: write(item) for name, item in value.items()}
    return value


def _escape(text: str) -> str:
    return text.replace("$", "$$")


def _path(ref: Ref) -> str:
    return "".join(_written(step) for step in ref.path)


def _written(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _NAME.fullmatch(step) else f'["{step}"]'


def _reads_back(written: str, value: Value) -> bool:
    try:
        return Dollars(()).read(written) == value
    except Unreadable:
        return False
