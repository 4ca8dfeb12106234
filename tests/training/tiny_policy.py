"""Untrained policies of both domains, small enough for many runs on the CPU, and the arguments of such runs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
import transformers
from orchestra.training.checkpoint import CHECKPOINT, METRICS
from orchestra.training.grpo import run as grpo
from orchestra.training.planner.data import make_tokenizer
from orchestra.training.sft.language import of_tokenizer

from orchestra.countdown import notation
from orchestra.countdown.model import ModelCard
from orchestra.countdown.tokenizer import write_tokenizer

WINDOW = 48
_SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def untrained() -> Any:
    """It knows a few markers and numbers, and writes them at random: calls, waits, ends."""
    torch.manual_seed(3)
    special = {"bos_token_id": notation.BOS, "eos_token_id": notation.END, "pad_token_id": notation.PAD}
    config = transformers.LlamaConfig(vocab_size=len(notation.VOCABULARY), max_position_embeddings=WINDOW, **_SIZES, **special)
    model = transformers.LlamaForCausalLM(config).eval()
    with torch.no_grad():
        model.model.embed_tokens.weight[:, 0] = 1.0
        model.lm_head.weight[:, 0] = -2.0
        for token in (notation.CALL, notation.WAIT, notation.NONE, notation.END, notation.ID["+"], *notation.numbers((3, 5, 7))):
            model.lm_head.weight[token, 0] = 2.0
    return model


def write_countdown(folder: Path) -> None:
    untrained().save_pretrained(folder)
    write_tokenizer(folder)
    ModelCard(free=("serial", "fork")).write(folder)


def write_planner(folder: Path, *, samples: int = 200) -> None:
    """It writes tokens at random, and soon an end."""
    make_tokenizer(folder, samples=samples, vocabulary=600)
    language = of_tokenizer(folder)
    torch.manual_seed(3)
    end = language.special("eos")
    config = transformers.LlamaConfig(
        vocab_size=language.size, max_position_embeddings=160, eos_token_id=end, bos_token_id=language.special("bos"), **_SIZES
    )
    model = transformers.LlamaForCausalLM(config).eval()
    with torch.no_grad():
        model.model.embed_tokens.weight[:, 0] = 1.0
        model.lm_head.weight[end, 0] = 0.5
    model.save_pretrained(folder)
    language.write_card(folder)


def arguments(model: Path, out: Path, *more: str) -> argparse.Namespace:
    sizes = ("--group", "3", "--problems-per-step", "2", "--eval-every", "0", "--engine", "transformers")
    schedule = ("--lr", "1e-3", "--warmup", "1")
    own: tuple[str, ...] = ("--reward=-format_errors(price=0.01, max=none)", "--group", "6")
    if (model / "countdown.json").exists():
        own = ("--reward=-work(price=0.001, max=none, when=always)", "--size", "3", "--window", str(WINDOW), "--method", "serial")
    return grpo.parse(["--model", str(model), "--out", str(out), *sizes, *schedule, *own, *more])


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / METRICS).read_text().splitlines()]


def checkpoint(out: Path) -> Any:
    return torch.load(out / CHECKPOINT, weights_only=True)


def same_state(one: Any, other: Any) -> bool:
    """To the last bit: weights, the optimizer's moments and the step."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_state(value, other[name]) for name, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same_state, one, other))
    return bool(one == other)
