"""What the token ids of packed rows mean: the tokenizer that a folder of rows was made with, and the card that a model of it gets.

A folder of rows has its tokenizer in `tokenizer/`, or names it in `statistics.json` (both as `orchestra.training.planner.data` writes
them); rows without either are Countdown's, whose language needs no files. Models carry a tokenizer, too, so both can be compared before
any training.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from tokenizers import Tokenizer

from orchestra.agent.small_planner import CARD
from orchestra.countdown import tokenizer as countdown
from orchestra.errors import ConfigError

from ..planner.card import card as planner_card
from ..planner.tokenizer import TEMPLATE

FILES = ("tokenizer.json", "tokenizer_config.json")
STATISTICS = "statistics.json"
PLANNER_CARD = CARD

Domain = Literal["countdown", "planner", "other"]


@dataclass(frozen=True, slots=True)
class Texts:
    """Of the two files of a tokenizer."""

    tokenizer: str
    config: str


@dataclass(frozen=True)
class Language:
    """A tokenizer and its special tokens."""

    texts: Texts
    source: str
    """Where it comes from, for messages."""

    @cached_property
    def tokenizer(self) -> Tokenizer:
        try:
            return Tokenizer.from_str(self.texts.tokenizer)
        except Exception as error:  # the boundary to `tokenizers`, which raises nothing more special
            raise ConfigError(f"the tokenizer of {self.source} cannot be read ({error}): copy or make it again") from error

    @cached_property
    def config(self) -> dict[str, Any]:
        try:
            value = json.loads(self.texts.config)
        except ValueError as error:
            raise ConfigError(f"tokenizer_config.json of {self.source} is damaged ({error}): copy or make it again") from error
        return value if isinstance(value, dict) else {}

    @property
    def size(self) -> int:
        """Tokens of the vocabulary."""
        return int(self.tokenizer.get_vocab_size(with_added_tokens=True))

    @property
    def domain(self) -> Domain:
        if of_countdown().flaw_of(self) is None:
            return "countdown"
        return "planner" if self.config.get("chat_template") == TEMPLATE else "other"

    def special(self, name: Literal["bos", "eos", "pad"]) -> int:
        """Raises `ConfigError` for a tokenizer without it."""
        token = self.config.get(f"{name}_token")
        id = self.tokenizer.token_to_id(token) if isinstance(token, str) else None
        if id is None:
            raise ConfigError(f"the tokenizer of {self.source} names no `{name}_token`: add it to its tokenizer_config.json")
        return int(id)

    def flaw_of(self, other: Language) -> str | None:
        """Why what was written with `other` cannot be read as this language; None when it can, as with a shorter vocabulary whose
        tokens have kept their ids."""
        mine, theirs = json.loads(self.tokenizer.to_str()), json.loads(other.tokenizer.to_str())
        known = self.tokenizer.get_vocab(with_added_tokens=True)
        for token, id in sorted(other.tokenizer.get_vocab(with_added_tokens=True).items(), key=itemgetter(1)):
            if known.get(token) != id:
                return f"{token!r} is token {id} there and {known.get(token, 'none')} here"
        for part in ("pre_tokenizer", "normalizer"):
            if mine[part] != theirs[part]:
                return f"its {part} is another"
        if mine["model"].get("merges") != theirs["model"].get("merges"):
            return "it merges other pieces"
        return None

    def write(self, folder: Path) -> None:
        """Into the folder of a model, or of a tokenizer alone."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in zip(FILES, (self.texts.tokenizer, self.texts.config), strict=True):
            (folder / name).write_text(text, encoding="utf-8")

    def write_card(self, folder: Path) -> None:
        """What a model of this language was trained for, where the language says so (`sft.card` reads a Countdown model's off its rows)."""
        if self.domain == "planner":
            planner_card().write(folder)


def of_countdown() -> Language:
    return Language(_countdown_texts(), "Countdown")


def of_tokenizer(folder: Path) -> Language:
    """From a folder with the two files: a tokenizer's or a model's. Raises `ConfigError` where they are missing."""
    try:
        return Language(Texts(*((folder / name).read_text(encoding="utf-8") for name in FILES)), str(folder))
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be read: a tokenizer's folder holds {' and '.join(FILES)}") from error


def of_rows(folder: Path) -> Language:
    """Of a folder of packed rows. Raises `ConfigError` where it names a tokenizer that is not there."""
    if (folder / "tokenizer" / FILES[0]).exists():
        return of_tokenizer(folder / "tokenizer")
    if not (folder / STATISTICS).exists():
        return of_countdown()
    try:
        named = json.loads((folder / STATISTICS).read_text(encoding="utf-8"))["arguments"]["tokenizer"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{folder / STATISTICS} is damaged ({error!r}): make {folder} again") from error
    if not (Path(named) / FILES[0]).exists():
        raise ConfigError(
            f"{folder} was made with the tokenizer {named!r}, which is not there: copy the folder `tokenizer` of the training data into"
            f" {folder}"
        )
    return of_tokenizer(Path(named))


def common(folders: Sequence[Path]) -> Language:
    """Of several folders of rows: that with most tokens. Raises `ConfigError` for a mixture of languages."""
    languages = [of_rows(folder) for folder in folders]
    whole = max(languages, key=lambda language: language.size)
    for folder, language in zip(folders, languages, strict=True):
        if flaw := whole.flaw_of(language):
            raise ConfigError(
                f"the rows of {folder} have another tokenizer than that of {whole.source} ({flaw}): train on rows of one of them"
            )
    return whole


@cache
def _countdown_texts() -> Texts:
    with TemporaryDirectory() as folder:
        countdown.write_tokenizer(Path(folder))
        return Texts(*((Path(folder) / name).read_text(encoding="utf-8") for name in FILES))
