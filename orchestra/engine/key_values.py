"""The key-value buffers of a batch: row r of the batch owns row r of one buffer for keys and one for values in each layer.

Every row fills its own from the left, so that rows of different lengths keep the positions they would have alone, and join or leave
without the others being copied. What lies behind a row's last token is never seen, so that it may be anything but NaN.
"""

# Shapes: R rows, Q tokens a row that go through the model, T tokens a row in the buffers, H key-value heads, D head size.

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .shapes import TOKENS_AT_ONCE, round_up

ROWS_AT_ONCE = 8
_SHARE = 0.5
"""Of the memory that is free, for buffers: a layer that grows is there twice, and passes need some."""


class KeyValues:
    """Stands in for the `Cache` of transformers, of which models call only `update` when they are given positions and a 4D mask."""

    def __init__(self) -> None:
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}
        """Keys and values, each R x H x T x D."""
        self._num_rows = self._num_tokens = 0

    def rows_within(self, free: int, num_tokens: int) -> int:
        """Rows of `num_tokens` tokens that fit into `free` bytes of memory, however they grew to that length; 1 at least."""
        return max(1, int(_SHARE * free) // (self.bytes_a_token * _ahead(num_tokens)))

    def reserve(self, num_rows: int, num_tokens: int) -> bool:
        """Make room; whether buffers have moved for it, with all that is in them. What fails for want of memory has lost them: `clear`."""
        if num_rows <= self._num_rows and num_tokens <= self._num_tokens:
            return False
        self._num_rows = max(self._num_rows, round_up(num_rows, ROWS_AT_ONCE))
        if num_tokens > self._num_tokens:
            self._num_tokens = _ahead(num_tokens)
        for layer, (keys, values) in self._layers.items():
            self._layers[layer] = self._grown(keys), self._grown(values)
        return True

    def aim(self, rows: slice | Tensor, positions_RQ: Tensor, num_tokens: int) -> None:
        """The next forward pass writes `rows` at `positions_RQ` and sees their first `num_tokens` tokens; there must be room for them."""
        self._rows = rows
        rows_R = torch.arange(rows.start, rows.stop, device=positions_RQ.device) if isinstance(rows, slice) else rows
        self._places_RQ = rows_R[:, None], positions_RQ
        self._visible = num_tokens

    def update(self, keys_RHQD: Tensor, values_RHQD: Tensor, layer: int, *_: object) -> tuple[Tensor, Tensor]:
        if layer not in self._layers:
            self._layers[layer] = self._empty(keys_RHQD), self._empty(values_RHQD)
        keys, values = self._layers[layer]
        rows_R1, positions_RQ = self._places_RQ
        keys[rows_R1, :, positions_RQ] = keys_RHQD.transpose(1, 2)
        values[rows_R1, :, positions_RQ] = values_RHQD.transpose(1, 2)
        if keys_RHQD.shape[2] == self._visible:  # it sees nothing but what it brings
            return keys_RHQD, values_RHQD
        return keys[self._rows, :, : self._visible], values[self._rows, :, : self._visible]

    def move(self, sources: Sequence[int], targets: Sequence[int], num_tokens: int) -> None:
        """Copy the first `num_tokens` tokens of rows. No row may be both source and target."""
        buffers = [buffer for pair in self._layers.values() for buffer in pair]
        from_R, to_R = torch.tensor([sources, targets], device=buffers[0].device)
        for buffer in buffers:
            buffer[to_R, :, :num_tokens] = buffer[from_R, :, :num_tokens]

    @property
    def bytes_a_token(self) -> int:
        """Of one row, in all layers that have been written."""
        return sum(buffer.element_size() * buffer.shape[1] * buffer.shape[3] for pair in self._layers.values() for buffer in pair)

    def clear(self) -> None:
        self._layers.clear()
        self._num_rows = self._num_tokens = 0

    def _grown(self, old: Tensor) -> Tensor:
        new = self._empty(old)
        new[: old.shape[0], :, : old.shape[2]] = old
        return new

    def _empty(self, like: Tensor) -> Tensor:
        # Zeros: a masked value still enters the attention with weight 0, and 0 times an uninitialised NaN is NaN.
        return like.new_zeros(self._num_rows, like.shape[1], self._num_tokens, like.shape[3])


def _ahead(num_tokens: int) -> int:
    """Half as much again, so that a long text is copied only a few times."""
    return round_up(num_tokens * 3 // 2, TOKENS_AT_ONCE)
