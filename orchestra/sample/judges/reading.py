"""How a trained judge is shown a question: one row of token ids, made the same way in training, in a replay and live.

    <first> problem <separator> text [<separator> text] <last>

A judge's folder holds a model, its `tokenizer.json`, and `judge.json`: what it was trained to answer and how it reads. Words that its
tokenizer does not know are left out. A pair is read in the order of its token ids, so that its score does not depend on who asked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from tokenizers import Tokenizer

from ...errors import ConfigError
from ..pool import Recorded

CARD = "judge.json"

Asked = Literal["same_answer", "correct"]
"""Whether two traces will end in the same answer, or whether one will end in the right one."""
ASKED: tuple[Asked, ...] = get_args(Asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeCard:
    """What a folder's model judges, and how it reads."""

    question: Asked
    lengths: tuple[float, ...]
    """Prefixes that it was trained on: trace tokens, or below 1 shares of the traces."""
    max_length: int
    """Most tokens of its own in a row; longer texts lose their beginnings, longer problems their ends."""
    first: int | None
    separator: int
    last: int | None
    unknown: int | None = None
    """Stands for words that its tokenizer does not know."""
    trace_ids: bool = False
    """Its vocabulary is the one in which the traces are sampled: recorded token ids are read as they are."""

    def __post_init__(self) -> None:
        if self.question not in ASKED:
            raise ConfigError(f"a judge answers {' or '.join(ASKED)}, got {self.question!r}")
        if self.max_length < 16:
            raise ConfigError(f"`max_length` must be at least 16 tokens, got {self.max_length}")

    @property
    def group(self) -> int:
        """Traces in a question."""
        return 2 if self.question == "same_answer" else 1

    def write(self, folder: Path) -> None:
        (folder / CARD).write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")


def read_card(folder: Path) -> JudgeCard:
    """Raises `ConfigError` unless `folder` holds a trained judge."""
    if not folder.is_dir():
        raise ConfigError(f"there is no judge folder {folder}: train one with `python -m orchestra.training.judge`")
    try:
        value = json.loads((folder / CARD).read_text(encoding="utf-8"))
        return JudgeCard(**{**value, "lengths": tuple(value["lengths"])})
    except FileNotFoundError as error:
        raise ConfigError(
            f"{folder} is no judge (it has no {CARD}): train one with `python -m orchestra.training.judge --out {folder}`"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{folder / CARD} is damaged: {error}") from error


class Reader:
    """Turns questions into rows of token ids."""

    def __init__(self, card: JudgeCard, tokenizer: Tokenizer) -> None:
        self.card = card
        self.tokenizer = tokenizer

    @classmethod
    def open(cls, folder: Path) -> Reader:
        """Raises `ConfigError` for a folder without card or tokenizer."""
        card = read_card(folder)
        file = folder / "tokenizer.json"
        if not file.is_file():
            raise ConfigError(f"{folder} has no tokenizer.json: copy the judge's folder again")
        try:
            return cls(card, Tokenizer.from_file(str(file)))
        except Exception as error:  # what `tokenizers` raises for a damaged file is a bare Exception
            raise ConfigError(f"{file} is damaged: {error}") from error

    def text(self, text: str) -> list[int]:
        """Token ids of a text."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return [token for token in ids if token != self.card.unknown]

    def prefix(self, trace: Recorded, tokens: float | None) -> list[int]:
        """Token ids of the beginning of a recorded trace: its first `tokens` tokens, below 1 that share of it, None for all.

        Where tokens cannot be told apart in the recorded text, they are taken as a share of its characters. Raises `ConfigError` for a
        trace without words.
        """
        if self.card.trace_ids and trace.token_ids is not None:
            return list(trace.token_ids if tokens is None else trace.token_ids[: length_in(trace, tokens)])
        if trace.text is None:
            what = "token ids in another vocabulary" if trace.token_ids is not None else "neither texts nor token ids"
            raise ConfigError(
                f"the pool's traces have {what}, so the judge cannot read them: record their texts, or import a pool with them"
            )
        if tokens is None:
            return self.text(trace.text)
        return self.text(trace.text[: len(trace.text) * length_in(trace, tokens) // max(1, trace.tokens)])

    def spell(self, trace: Recorded, tokens: float | None) -> str:
        """The beginning that `prefix` reads, in words."""
        words: str = self.tokenizer.decode(self.prefix(trace, tokens), skip_special_tokens=False)
        return words

    def row(self, problem: str, pieces: Sequence[Sequence[int]]) -> list[int]:
        """One question, from the problem's text and the token ids of each trace.

        Raises `ConfigError` for a number of traces that the judge was not trained on.
        """
        card = self.card
        if len(pieces) != card.group:
            raise ConfigError(f"a judge of {card.question!r} is shown {card.group} trace(s) at a time, got {len(pieces)}")
        known = self.text(problem)[: card.max_length // 4]
        markers = (card.first is not None) + (card.last is not None) + len(pieces)
        room = (card.max_length - markers - len(known)) // len(pieces)
        row = [] if card.first is None else [card.first]
        row += known
        for ids in sorted(list(piece[-room:]) for piece in pieces):
            row += [card.separator, *ids]
        return row if card.last is None else [*row, card.last]


def length_in(trace: Recorded, tokens: float) -> int:
    """`tokens` of a trace, at most all; below 1 they are a share of it."""
    return min(trace.tokens, round(tokens * trace.tokens) if tokens < 1 else int(tokens))
