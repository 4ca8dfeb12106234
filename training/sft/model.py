"""The model of a fine-tuning run: made or loaded, its loss on packed rows, and its folder.

Shapes: B = rows in a batch, T = row width.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from orchestra.countdown.model import read_card
from orchestra.errors import ConfigError
from orchestra.model_files import check_model

from .language import Language, of_tokenizer


def build_model(args: argparse.Namespace, language: Language, *, width: int) -> PreTrainedModel:
    """In fp32: the one of `--init`, or a new Llama of the arguments' shape. Its context is the rows' width, or that of `--init` if longer.

    Raises `ConfigError` for an `--init` that is damaged or speaks another language.
    """
    torch.manual_seed(args.seed)
    if args.init is not None:
        return _loaded(args.init, language, width=width)
    return LlamaForCausalLM(  # type: ignore[no-untyped-call]
        LlamaConfig(
            vocab_size=language.size,
            hidden_size=args.hidden,
            intermediate_size=args.intermediate or 64 * round(args.hidden * 8 / 3 / 64),
            num_hidden_layers=args.layers,
            num_attention_heads=args.hidden // 64,
            max_position_embeddings=width,
            tie_word_embeddings=True,
            bos_token_id=language.special("bos"),
            eos_token_id=language.special("eos"),
            pad_token_id=language.special("pad"),
            use_cache=False,
        )
    )


def _loaded(folder: Path, language: Language, *, width: int) -> PreTrainedModel:
    if problems := check_model(folder):
        raise ConfigError(f"{folder} is no whole model: {'; '.join(problems)}")
    if flaw := language.flaw_of(of_tokenizer(folder)):
        raise ConfigError(
            f"{folder} has another tokenizer than the rows, those of {language.source} ({flaw}): give rows made with its own"
            f" tokenizer, another --init, or none to begin from scratch"
        )
    if language.domain == "countdown":
        read_card(folder)
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if model.config.vocab_size < language.size:
        model.resize_token_embeddings(language.size)  # tokens that were appended to the vocabulary since
    model.config.max_position_embeddings = max(width, model.config.max_position_embeddings)
    model.config.use_cache = False
    return model


def loss_of(model: Any, token_ids: Tensor, document: Tensor, trained: Tensor) -> tuple[Tensor, Tensor]:
    """Summed cross-entropy over trained tokens, and their number. Arguments are [B, T]."""
    width = token_ids.shape[1]
    index = torch.arange(width, device=token_ids.device)
    new_document = torch.ones_like(document, dtype=torch.bool)
    new_document[:, 1:] = document[:, 1:] != document[:, :-1]
    positions = index - torch.where(new_document, index, 0).cummax(dim=1).values
    same_document = document[:, :, None] == document[:, None, :]
    mask = (same_document & (index[:, None] >= index[None, :]))[:, None]  # [B, 1, T, T]
    logits = model(input_ids=token_ids, position_ids=positions, attention_mask=mask).logits
    labels = torch.where(trained, token_ids, -100)[:, 1:]
    loss = torch.nn.functional.cross_entropy(
        logits[:, :-1].float().flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum"
    )
    return loss, (labels != -100).sum()


def make_optimizer(model: PreTrainedModel, args: argparse.Namespace) -> torch.optim.AdamW:
    """AdamW that decays matrices and leaves norms alone."""
    decay = [p for p in model.parameters() if p.dim() > 1]
    other = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decay, "weight_decay": args.weight_decay}, {"params": other, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.95), fused=True)


def save_model(model: PreTrainedModel, language: Language, out: Path) -> None:
    """Weights in bf16 (shards of at most 14 MB), tokenizer and card: a folder that vLLM and `transformers` load."""
    copy = type(model)(model.config)
    copy.load_state_dict(model.state_dict())
    copy.config.use_cache = True
    copy.bfloat16().save_pretrained(out, max_shard_size="14MB")
    language.write(out)
    language.write_card(out)
