"""Rewards as text, for the command line and for logs.

    correct + 0.5*acceleration(max=0.2) - work(price=0.0001)
    p_grpo_gated - span(price=0.001, max=0.3) - redundancy(price=0.1)
    early*correct(wrong=-1) + late*parallel_bonus

    sum     = product { ("+" | "-") product }
    product = factor { "*" factor }
    factor  = { "-" } ( NUMBER | NAME [ "(" [ NAME "=" value { "," NAME "=" value } ] ")" ] | "(" sum ")" )
    value   = [ "-" ] NUMBER | NAME

`read_reward` is the only reader. Names are those in `KINDS`, with the parameters of those functions; nothing of a text is ever run.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from orchestra.errors import ConfigError

from .outcome import correct, format_errors, format_gate, long_children, malformed
from .parallel_r1 import parallel_bonus, parallel_correct
from .prices import children, redundancy, span, wasted, width, work
from .recipes import (
    apr,
    async_think,
    p_grpo,
    p_grpo_code,
    p_grpo_gated,
    parallel_r1_accuracy,
    parallel_r1_alternating,
    parallel_r1_stage2,
)
from .reward import Reward
from .speed import acceleration, concurrency
from .steps import early, late

_TERMS: tuple[Callable[..., Reward], ...] = (
    *(correct, format_gate, malformed, format_errors, long_children, acceleration, concurrency),
    *(work, span, wasted, children, redundancy, width, early, late, parallel_correct, parallel_bonus),
)
_RECIPES: tuple[Callable[..., Reward], ...] = (
    *(p_grpo, p_grpo_code, p_grpo_gated, apr, async_think),
    *(parallel_r1_accuracy, parallel_r1_stage2, parallel_r1_alternating),
)
KINDS: Mapping[str, Callable[..., Reward]] = {make.__name__: make for make in (*_TERMS, *_RECIPES)}
"""What a text may name: terms, then whole rewards of papers."""

MAX_CHARACTERS = 2000
MAX_NESTING = 20
"""Of parentheses: reading them takes the interpreter's stack."""

_MAX_NUMBER = 1e9
"""Far beyond any reward or count, and far from where sums of floats overflow or lose whole numbers."""

_TOKEN = re.compile(r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<mark>[-+*(),=]))", re.ASCII)


def read_reward(text: str) -> Reward:
    """The reward that `text` describes. Raises `ConfigError` that shows the place and says what may stand there."""
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"a reward may have {MAX_CHARACTERS} characters, got {len(text)}: {text[:40]!r}…")
    return _Reader(text).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    """number, name, mark or end."""
    text: str
    at: int


class _Reader:
    """One pass over the tokens of a text, one method for each line of the grammar."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split())
        self._next = 0
        self._nesting = 0

    def whole(self) -> Reward:
        found = self._sum()
        if self._peek.kind != "end":
            raise self._wrong("`+`, `-`, `*` or the end")
        return found

    def _sum(self) -> Reward:
        found = self._product()
        while mark := self._take("+", "-"):
            found = found + self._product() if mark == "+" else found - self._product()
        return found

    def _product(self) -> Reward:
        found = self._factor()
        while self._take("*"):
            found = found * self._factor()
        return found

    def _factor(self) -> Reward:
        minus = False
        while self._take("-"):
            minus = not minus
        found = self._plain_factor()
        return -found if minus else found

    def _plain_factor(self) -> Reward:
        token = self._peek
        if token.kind == "number":
            self._next += 1
            return Reward(((self._number(token), ()),))
        if token.kind == "name":
            self._next += 1
            return self._named(token)
        if not self._take("("):
            raise self._wrong("a number, the name of a term or `(`")
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise self._error(f"parentheses may be nested {MAX_NESTING} deep", token)
        found = self._sum()
        self._nesting -= 1
        if not self._take(")"):
            raise self._wrong("`)`, `+`, `-` or `*`")
        return found

    def _named(self, name: _Token) -> Reward:
        make = KINDS.get(name.text)
        if make is None:
            raise self._error(f"no term or reward is called {name.text!r}: {_instead(name.text, KINDS)}", name)
        hints = typing.get_type_hints(make)
        parameters = inspect.signature(make).parameters
        options: dict[str, Any] = {}
        if self._take("("):
            while not self._take(")"):
                key = self._key(name, parameters, options)
                options[key] = self._value(key, hints[key])
                if not self._take(",") and self._peek.text != ")":
                    raise self._wrong("`,` or `)`")
        if missing := [key for key, parameter in parameters.items() if parameter.default is parameter.empty and key not in options]:
            raise self._error(f"`{name.text}` lacks {', '.join(f'`{key}=…`' for key in missing)}", name)
        try:
            return make(**options)
        except ConfigError as error:
            raise self._error(str(error), name) from error

    def _key(self, name: _Token, parameters: Mapping[str, inspect.Parameter], options: Mapping[str, Any]) -> str:
        key = self._peek
        if key.kind != "name":
            raise self._wrong("a parameter's name or `)`")
        if key.text not in parameters:
            hint = _instead(key.text, parameters) if parameters else "it takes none"
            raise self._error(f"`{name.text}` has no parameter {key.text!r}: {hint}", key)
        if key.text in options:
            raise self._error(f"`{key.text}` is given twice", key)
        self._next += 1
        if not self._take("="):
            raise self._wrong(f"`=` and the value of `{key.text}`")
        return key.text

    def _value(self, key: str, hint: Any) -> Any:
        first = self._peek
        minus = bool(self._take("-"))
        token = self._peek
        if token.kind not in ("number", "name") or (minus and token.kind == "name"):
            raise self._wrong(f"the value of `{key}`")
        self._next += 1
        written = ("-" if minus else "") + token.text
        kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        for kind in kinds:
            if kind is type(None) and written == "none":
                return None
            if typing.get_origin(kind) is typing.Literal and written in typing.get_args(kind):
                return written
            if kind is float and token.kind == "number":
                return -self._number(token) if minus else self._number(token)
            if kind is int and token.text.isdigit():
                return int(self._number(token)) * (-1 if minus else 1)
        raise self._error(f"`{key}` takes {' or '.join(map(_in_words, kinds))}, got {written!r}", first)

    def _number(self, token: _Token) -> float:
        value = float(token.text)
        if value > _MAX_NUMBER:
            raise self._error(f"numbers may be {_MAX_NUMBER:g} at most, got {token.text}", token)
        return value

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, *marks: str) -> str | None:
        """The next token's text if it is one of these marks, which is then behind us."""
        if self._peek.kind != "mark" or self._peek.text not in marks:
            return None
        self._next += 1
        return self._tokens[self._next - 1].text

    def _split(self) -> Iterable[_Token]:
        at, end = 0, len(self._text.rstrip())
        while at < end:
            if (match := _TOKEN.match(self._text, at)) is None:
                at += len(self._text[at:]) - len(self._text[at:].lstrip())
                raise self._error(f"{self._text[at]!r} has no meaning in a reward", _Token("mark", self._text[at], at))
            assert match.lastgroup
            yield _Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup))
            at = match.end()
        yield _Token("end", "", end)

    def _wrong(self, wanted: str) -> ConfigError:
        found = repr(self._peek.text) if self._peek.text else "the end"
        return self._error(f"expected {wanted}, found {found}", self._peek)

    def _error(self, message: str, token: _Token) -> ConfigError:
        return ConfigError(f"the reward {self._text!r}, character {token.at + 1}: {message}")


def _instead(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = [one for one in known if one.startswith(name)] or get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(known)}"


def _in_words(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(typing.get_args(kind))
    return {float: "a number", int: "a whole number"}.get(kind, "none")
