"""From token ids to text, piece by piece: what was handed out never changes, and no half of a character is ever handed out.

Two kinds of tokenizers need two ways. Tokens of byte-level BPE (GPT, Llama 3, Qwen) are bytes: they go through an incremental UTF-8
decoder. What others write depends on the tokens before (spaces between words, bytes that together make a character), so the last few
tokens are decoded with and without the new ones, and the difference is new text.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import Any, Protocol

from tokenizers import Tokenizer

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MOST_HELD = 8
"""Tokens. A character has at most four bytes, so what is longer is none."""


class Detokenizer(Protocol):
    """Of one reply."""

    def feed(self, token_ids: Sequence[int]) -> str:
        """The text that is certain now and was not before."""
        ...

    def end(self) -> str:
        """What was held back. Bytes that make no character become U+FFFD."""
        ...


def detokenizer_for(tokenizer: Tokenizer) -> Callable[[Tokenizer, Collection[int]], Detokenizer]:
    """What makes a detokenizer for one reply out of `tokenizer` and the tokens that are no part of the text."""
    return _ByteLevel if _is_byte_level(tokenizer) else _Windowed


class _ByteLevel:
    def __init__(self, tokenizer: Tokenizer, hidden: Collection[int]) -> None:
        self._tokenizer = tokenizer
        self._hidden = hidden
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, token_ids: Sequence[int]) -> str:
        tokens = (self._tokenizer.id_to_token(token) for token in token_ids if token not in self._hidden)
        return self._decoder.decode(b"".join(_bytes(token) for token in tokens if token is not None))

    def end(self) -> str:
        return self._decoder.decode(b"", final=True)


class _Windowed:
    def __init__(self, tokenizer: Tokenizer, hidden: Collection[int]) -> None:
        self._tokenizer = tokenizer
        self._hidden = hidden
        self._before: list[int] = []
        """The last tokens whose text was handed out: what is new may depend on them."""
        self._new: list[int] = []

    def feed(self, token_ids: Sequence[int]) -> str:
        return "".join(map(self._feed, token_ids))

    def end(self) -> str:
        text = self._difference()
        self._before, self._new = self._new, []
        return text

    def _feed(self, token: int) -> str:
        if token in self._hidden:
            return ""
        self._new.append(token)
        text = self._difference()
        incomplete = not text or text.endswith(REPLACEMENT)  # perhaps these are the first bytes of a character
        return "" if incomplete and len(self._new) < MOST_HELD else self.end()

    def _difference(self) -> str:
        before, both = self._decode(self._before), self._decode([*self._before, *self._new])
        # A run of byte tokens that turns out to be no UTF-8 changes as a whole: then the new ones stand for themselves.
        return both.removeprefix(before) if both.startswith(before) else self._decode(self._new)

    def _decode(self, token_ids: list[int]) -> str:
        return self._tokenizer.decode(token_ids, skip_special_tokens=False)


def _is_byte_level(tokenizer: Tokenizer) -> bool:
    if tokenizer.decoder is None:
        return False
    decoder: dict[str, Any] = json.loads(tokenizer.decoder.__getstate__())
    return "ByteLevel" in [decoder.get("type"), *(part.get("type") for part in decoder.get("decoders", ()))]


@cache
def _byte_of() -> dict[str, int]:
    """The character that byte-level BPE writes for each byte: itself where it is printable, else the next free one from U+0100 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}


def _bytes(token: str) -> bytes:
    table = _byte_of()
    if all(character in table for character in token):
        return bytes(table[character] for character in token)
    return token.encode()  # an added token that is written as it is
