"""From packed rows to log-probabilities: the only torch that trie packing needs, for causal language models of `transformers` whose layers all
attend to everything before (no sliding windows, no recurrence): those take a 4-D attention mask and `position_ids`.

A dense mask costs B · T² bytes and as much attention as if every token saw every other, so rows for it should be short (a few units);
the block mask of flex attention skips what nobody sees and suits long rows on a GPU.

Shapes: B = rows of a batch, T = tokens of its longest row, L = labels of all its rows, V = vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask

from .trie import Row

Attention = Literal["sdpa", "eager", "flex_attention"]
"""What the model was loaded with (`attn_implementation`)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of a batch as tensors on one device."""

    token_ids: Tensor
    """[B, T] int64; 0 beyond a row's end."""
    position: Tensor
    """[B, T] int64"""
    last: Tensor
    """[B, T] int64. Padding is its own last descendant: it sees itself, and no other token sees it."""
    row: Tensor
    """[L] int64 Row of each label."""
    source: Tensor
    """[L] int64"""
    target: Tensor
    """[L] int64"""
    logprob: Tensor
    """[L] fp32"""
    weight: Tensor
    """[L] fp32"""
    unit: Tensor
    """[L] int64"""


def batch_of(rows: Sequence[Row], *, device: torch.device | str = "cpu") -> Batch:
    """Pad `rows` to the longest of them."""
    width = max(map(len, rows))

    def padded(arrays: Sequence[np.ndarray], filler: np.ndarray) -> Tensor:
        grid = np.tile(filler, (len(arrays), 1))
        for number, array in enumerate(arrays):
            grid[number, : len(array)] = array
        return torch.from_numpy(grid).to(device)

    def joined(arrays: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.concatenate(arrays)).to(device)

    zeros = np.zeros(width, dtype=np.int64)
    return Batch(
        token_ids=padded([row.token_ids for row in rows], zeros),
        position=padded([row.position for row in rows], zeros),
        last=padded([row.last for row in rows], np.arange(width)),
        row=joined([np.full(len(row.source), number) for number, row in enumerate(rows)]),
        source=joined([row.source for row in rows]),
        target=joined([row.target for row in rows]),
        logprob=joined([row.logprob for row in rows]),
        weight=joined([row.weight for row in rows]),
        unit=joined([row.unit for row in rows]),
    )


def dense_mask(last: Tensor) -> Tensor:
    """[B, 1, T, T] bool: whether the query (third axis) sees the key (fourth)."""
    index = torch.arange(last.shape[1], device=last.device)
    return ((index[None, :] <= index[:, None]) & (index[:, None] <= last[:, None, :]))[:, None]


def additive_mask(last: Tensor, dtype: torch.dtype) -> Tensor:
    """[B, 1, T, T] of `dtype`: 0 where the query sees the key, the least number elsewhere. What eager attention adds to its scores."""
    hidden = torch.finfo(dtype).min
    return torch.zeros((), dtype=dtype, device=last.device).where(dense_mask(last), hidden)


def block_mask(last: Tensor) -> BlockMask:
    """The same for flex attention, without a T × T tensor where it is compiled."""

    def sees(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return (k <= q) & (q <= last[b, k])

    batch, width = last.shape
    return create_block_mask(sees, batch, None, width, width, device=last.device)


def mask_for(attention: Attention, last: Tensor, dtype: torch.dtype) -> Tensor | BlockMask:
    match attention:
        case "sdpa":
            return dense_mask(last)
        case "eager":
            return additive_mask(last, dtype)
        case "flex_attention":
            return block_mask(last)


def label_logprobs(
    model: nn.Module, batch: Batch, *, attention: Attention = "sdpa", dtype: torch.dtype = torch.float32, temperature: float = 1.0
) -> Tensor:
    """[L] fp32 with gradients: the model's log-probability of each label under its unit's own context.

    `temperature` is the one that the units were sampled at, because recorded log-probabilities are those of the tempered distribution.
    `dtype` is what the model computes in; only eager attention asks. Calls `model` itself, so wrappers (DDP, FSDP) work.
    """
    columns, place = label_columns(batch)
    logits = model(
        input_ids=batch.token_ids,
        position_ids=batch.position,
        attention_mask=mask_for(attention, batch.last, dtype),
        logits_to_keep=columns,
        use_cache=False,
    ).logits
    return at_labels(logits, place, batch, temperature=temperature)


def label_columns(batch: Batch) -> tuple[Tensor, Tensor]:
    """([C] columns that predict something in some row, [L] which of them predicts each label): logits are needed nowhere else."""
    columns, place = torch.unique(batch.source, return_inverse=True)
    return columns, place


def at_labels(logits: Tensor, place: Tensor, batch: Batch, *, temperature: float = 1.0) -> Tensor:
    """[L] fp32 log-probabilities from the [B, C, V] logits at `label_columns`."""
    logits = logits.float() / temperature
    chosen, normaliser = logits[batch.row, place, batch.target], logits.logsumexp(-1)[batch.row, place]
    difference: Tensor = chosen - normaliser
    return difference
