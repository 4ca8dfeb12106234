"""A model's tokenizer and chat template together: messages to token ids, and token ids to text. It needs no `transformers`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Self

from tokenizers import Tokenizer

from ..errors import ConfigError
from .base import Message
from .detokenizer import Detokenizer, detokenizer_for
from .template import PLAIN, PLAIN_STOP, ChatTemplate, read_texts

PRIVATE_USE = range(0xE000, 0xF900)
"""Characters that no text is written with."""


class ChatTokenizer:
    """Text that looks like a control token (`<|im_end|>`) is encoded as the text that it is when it stands in a message: nothing that a
    tool or a user writes can end a turn or begin another. With `control_tokens` messages may hold control tokens and replies show them,
    for models whose language consists of them.

    Args:
        tokenizer: of the `tokenizers` library. Its truncation and padding are switched off.
        template: how messages become one text.
        end_ids: tokens that end a reply; they are no part of its text.
    """

    def __init__(
        self, tokenizer: Tokenizer, template: ChatTemplate, *, end_ids: Sequence[int] = (), control_tokens: bool = False
    ) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._template = template
        self._special = {token.content: id for id, token in tokenizer.get_added_tokens_decoder().items() if token.special}
        self._control_tokens = control_tokens
        self._detokenizer = detokenizer_for(tokenizer)
        self.end_ids = tuple(end_ids)

    @classmethod
    def load(cls, folder: Path, *, template: str | None = None, control_tokens: bool = False) -> Self:
        """From a model's folder. `template` is jinja2 in place of the model's own; a model that has none gets a plain one.

        Raises `ConfigError` for missing or damaged files.
        """
        tokenizer, texts = _read_tokenizer(folder), read_texts(folder)
        ids = [tokenizer.token_to_id(texts.special.get("eos_token", "")), *chain(*map(_end_ids, _configs(folder)))]
        own = template or texts.template
        return cls(
            tokenizer,
            ChatTemplate(
                own or PLAIN,
                names=texts.special,
                stop=() if own else PLAIN_STOP,
                source="`template`" if template else f"the chat template of {str(folder)!r}",
            ),
            end_ids=sorted({id for id in ids if id is not None}),
            control_tokens=control_tokens,
        )

    @property
    def stop(self) -> tuple[str, ...]:
        """Texts that end a reply besides `end_ids`."""
        return self._template.stop

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """The ids up to where the reply begins. Raises `ConfigError` when the template refuses the messages."""
        stand_ins = {} if self._control_tokens else self._stand_ins(messages)
        table = {text: character for character, text in stand_ins.items()}
        rendered = self._template.render([Message(message.role, _replace(message.content, table)) for message in messages])
        ids: list[int] = []
        begin = 0
        for at, character in enumerate(rendered):
            if character in stand_ins:
                ids += self._tokenizer.encode(rendered[begin:at], add_special_tokens=False).ids
                ids += self._as_text(stand_ins[character])
                begin = at + 1
        return ids + self._tokenizer.encode(rendered[begin:], add_special_tokens=False).ids

    def encode_text(self, text: str) -> list[int]:
        """The ids of a text of ours that goes on where a reply stands. Control tokens in it are control tokens."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def detokenizer(self) -> Detokenizer:
        """A new one, for one reply."""
        return self._detokenizer(self._tokenizer, {*self.end_ids, *(() if self._control_tokens else self._special.values())})

    def _stand_ins(self, messages: Sequence[Message]) -> dict[str, str]:
        """A character for each control token that the messages spell."""
        written = "".join(message.content for message in messages)
        found = sorted((token for token in self._special if token in written), key=len, reverse=True)
        free = (character for character in map(chr, PRIVATE_USE) if character not in written)
        return dict(zip(free, found, strict=False))

    def _as_text(self, token: str) -> list[int]:
        self._tokenizer.encode_special_tokens = True
        try:
            return self._tokenizer.encode(token, add_special_tokens=False).ids
        finally:
            self._tokenizer.encode_special_tokens = False


def _replace(text: str, table: dict[str, str]) -> str:
    """Longer keys come first."""
    for old, new in table.items():
        text = text.replace(old, new)
    return text


def _read_tokenizer(folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ConfigError(
            f"{str(folder)!r} has no tokenizer.json, so its text cannot be encoded: give the folder of a model that has one (where only"
            " older files are there, `AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)` of transformers writes it)"
        )
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the boundary to `tokenizers`, which raises nothing more special
        raise ConfigError(f"{path} cannot be read ({error}): copy or download it again") from error


def _configs(folder: Path) -> list[Any]:
    paths = [folder / name for name in ("generation_config.json", "config.json")]
    try:
        return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]
    except (OSError, ValueError) as error:
        raise ConfigError(f"a config file in {str(folder)!r} cannot be read ({error}): copy or download it again") from error


def _end_ids(config: Any) -> list[int]:
    value = config.get("eos_token_id") if isinstance(config, dict) else None
    return [id for id in (value if isinstance(value, list) else [value]) if isinstance(id, int)]
