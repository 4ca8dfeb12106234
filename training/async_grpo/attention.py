"""Attention for TRL's tree-packed rows on PyTorch's own kernels, where FlashAttention 3 cannot be fetched from the Hub or there is no GPU.

TRL lays the samples of a row out as a prefix tree in depth-first order (`trl.experimental.async_grpo.packing.TreeRow`): segments one after
the other, and for each segment the positions of its path from the root. In that order whatever a token may see lies before it, so
one boolean mask a row says it all, and one call computes it.

The mask takes N² bytes and as much attention as if every token saw every other: rows of up to about 8,192 tokens.

Shapes: N = tokens of a row, S = segments, K = tokens of all paths laid end to end, H = heads, G = heads of keys and values, D = head size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from orchestra.errors import ConfigError


def tree_mask(path: Tensor, starts: Tensor, path_starts: Tensor, *, tokens: int) -> Tensor:
    """[N, N] bool: whether the query (first axis) sees the key (second). N is `tokens`, given so that nothing waits for a GPU.

    `path` [K] holds positions; `starts` [S + 1] and `path_starts` [S + 1] say where segments begin in the row, and their paths in `path`.
    """
    segment = torch.arange(len(starts) - 1, device=path.device)
    token = torch.arange(tokens, device=path.device)
    on_path = torch.zeros(len(segment), tokens, dtype=torch.bool, device=path.device)
    on_path[segment.repeat_interleave(path_starts.diff(), output_size=len(path)), path] = True
    return on_path[segment.repeat_interleave(starts.diff(), output_size=tokens)] & (token[None, :] <= token[:, None])


def tree_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    tree_kv_index: Tensor,
    tree_cu_seqlens_q: Tensor,
    tree_cu_seqlens_k: Tensor,
    tree_max_seqlen_q: int,
    tree_max_seqlen_k: int,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **others: object,
) -> tuple[Tensor, None]:
    """What `transformers` calls for each layer: `query` [1, H, N, D], `key` and `value` [1, G, N, D] to [1, N, H, D].

    Raises `ConfigError` for layers that do not simply attend to everything before.
    """
    if sliding_window is not None or softcap is not None:
        raise ConfigError(
            f"a layer has a sliding window ({sliding_window}) or a soft cap ({softcap}), which --attention sdpa cannot compute: use flash3"
        )
    found = scaled_dot_product_attention(
        query,
        key.to(query.dtype),
        value.to(query.dtype),
        attn_mask=tree_mask(tree_kv_index, tree_cu_seqlens_q, tree_cu_seqlens_k, tokens=query.shape[2]),
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return found.transpose(1, 2).contiguous(), None
