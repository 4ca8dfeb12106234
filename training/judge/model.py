"""The model that a judge starts from: any sequence classifier or language model of transformers, the shipped Countdown model, or none.

A checkpoint with a `countdown.json` reads token ids of the Countdown language as they were sampled. Any other keeps its own tokenizer and
reads texts. Without a checkpoint a small Llama is made, which knows nothing: over bytes, or over byte pairs learned from the traces, so that a
row of the same length shows it more of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, LlamaConfig, LlamaForSequenceClassification

from orchestra.countdown import notation
from orchestra.countdown.model import CARD as COUNTDOWN_CARD
from orchestra.countdown.model import read_card as read_countdown_card
from orchestra.errors import ConfigError
from orchestra.model_files import check_model
from orchestra.sample.judges.reading import Asked, JudgeCard, Reader

from ..memory import first_line

_BYTE_MARKERS = ("<pad>", "<first>", "<separator>", "<last>")
SMALLEST_VOCABULARY = len(_BYTE_MARKERS) + 256


@dataclass(frozen=True, slots=True)
class Start:
    """A model that is to become a judge, and how it reads."""

    model: Any
    reader: Reader

    def save(self, folder: Path) -> None:
        """Weights in bf16, tokenizer and card: what `Classifier` opens."""
        state = {
            name: tensor.bfloat16() if tensor.is_floating_point() else tensor for name, tensor in self.model.state_dict().items()
        }
        self.model.save_pretrained(folder, state_dict=state)
        self.reader.tokenizer.save(str(folder / "tokenizer.json"))
        self.reader.card.write(folder)


class _Markers(NamedTuple):
    pad: int
    first: int | None
    separator: int
    last: int | None
    unknown: int | None = None
    """Only in the Countdown language, which has no word for most words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """A model that is made, not opened."""

    hidden: int
    layers: int
    tokenizer: Tokenizer


def start_from(start: str | Scratch, question: Asked, lengths: tuple[float, ...], *, max_length: int, seed: int) -> Start:
    """Open a checkpoint (a folder or a Hub id), or make a small model.

    Raises `ConfigError` for a checkpoint that transformers cannot load as a classifier with a fast tokenizer.
    """
    torch.manual_seed(seed)  # the head is always new
    if isinstance(start, Scratch):
        return _made(start, question, lengths, max_length)
    checkpoint = start
    if Path(checkpoint).is_dir() and (flaws := check_model(Path(checkpoint))):
        raise ConfigError(f"{checkpoint} is no whole model: {'; '.join(flaws)}")
    if (Path(checkpoint) / COUNTDOWN_CARD).is_file():
        read_countdown_card(Path(checkpoint))
        tokenizer = Tokenizer.from_file(str(Path(checkpoint) / "tokenizer.json"))
        markers = _Markers(notation.PAD, notation.BOS, notation.GO, notation.WAIT, unknown=notation.PAD)
    else:
        tokenizer, markers = _own_tokenizer(checkpoint)
    try:
        config = AutoConfig.from_pretrained(checkpoint, num_labels=1)
        config.pad_token_id = markers.pad
        longest = getattr(config, "max_position_embeddings", None) or max_length
        model = AutoModelForSequenceClassification.from_pretrained(checkpoint, config=config, dtype=torch.float32)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"transformers cannot open {checkpoint} as a sequence classifier: {first_line(error)}") from error
    card = JudgeCard(
        question=question,
        lengths=lengths,
        max_length=min(max_length, longest),
        first=markers.first,
        separator=markers.separator,
        last=markers.last,
        unknown=markers.unknown,
        trace_ids=markers.unknown is not None,
    )
    return Start(model, Reader(card, tokenizer))


def _own_tokenizer(checkpoint: str) -> tuple[Tokenizer, _Markers]:
    try:
        own: Any = AutoTokenizer.from_pretrained(checkpoint)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{checkpoint} has no tokenizer that transformers can open: {first_line(error)}") from error
    if not own.is_fast:
        raise ConfigError(f"{checkpoint} has no tokenizer.json: take a checkpoint with a fast tokenizer")
    end = own.sep_token_id if own.sep_token_id is not None else own.eos_token_id
    if end is None:
        raise ConfigError(f"the tokenizer of {checkpoint} has neither a separator nor an end token: take another checkpoint")
    pad = own.pad_token_id if own.pad_token_id is not None else end
    first = own.cls_token_id if own.cls_token_id is not None else own.bos_token_id
    # A decoder's verdict is read at the last token that is not padding, so padding must not end the row.
    return own.backend_tokenizer, _Markers(pad, first, end, None if end == pad else end)


def byte_tokenizer() -> Tokenizer:
    """One token a byte of UTF-8, after four markers."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {word: token for token, word in enumerate((*_BYTE_MARKERS, *alphabet))}
    return _over_bytes(Tokenizer(models.BPE(vocabulary, [])))


def learned_tokenizer(texts: Iterable[str], size: int) -> Tokenizer:
    """Byte pairs of `texts`, at most `size` tokens with the four markers and all bytes: it reads anything, too. The same texts give the same."""
    tokenizer = _over_bytes(Tokenizer(models.BPE()), words=True)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(_BYTE_MARKERS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    # Made again without special tokens: a trace that spells a marker must not become one.
    model = models.BPE(learned["vocab"], [(one, other) for one, other in learned["merges"]])
    return _over_bytes(Tokenizer(model), words=True)


def _over_bytes(tokenizer: Tokenizer, *, words: bool = False) -> Tokenizer:
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=words)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _made(scratch: Scratch, question: Asked, lengths: tuple[float, ...], max_length: int) -> Start:
    pad, first, separator, last = range(len(_BYTE_MARKERS))
    hidden = scratch.hidden
    config = LlamaConfig(
        vocab_size=scratch.tokenizer.get_vocab_size(),
        hidden_size=hidden,
        intermediate_size=64 * max(1, round(hidden * 8 / 3 / 64)),
        num_hidden_layers=scratch.layers,
        num_attention_heads=max(1, hidden // 64),
        max_position_embeddings=max_length,
        pad_token_id=pad,
        bos_token_id=first,
        eos_token_id=last,
    )
    config.num_labels = 1
    card = JudgeCard(question=question, lengths=lengths, max_length=max_length, first=first, separator=separator, last=last)
    return Start(LlamaForSequenceClassification(config), Reader(card, scratch.tokenizer))  # type: ignore[no-untyped-call]
