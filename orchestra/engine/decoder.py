"""Continuous batching over a causal language model of `transformers`: plain torch, no asyncio. The engine is in `transformers.py`.

Row r of the batch owns row r of one key-value buffer a layer and fills it from the left, so that rows of different lengths need no
padding on the left, keep the positions they would have alone, and join or leave without the others being copied. A new row is
prefilled alone; all older rows then decode one token in one forward pass.
"""

# Shapes: R rows, Q tokens a row that go through the model, T tokens a row in the cache, H key-value heads, D head size, V vocabulary.

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch
from torch import Tensor

from ..errors import EngineError
from .base import Request, Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PREFILL_CHUNK = 512
"""Most prompt tokens in one forward pass: bounds the memory of its attention mask."""


class LogitsError(EngineError):
    """A model gave logits of which none can be drawn: its weights are damaged, have diverged, or overflow in their dtype."""


class Row(Protocol):
    """What the decoder reads of a sequence. Its owner appends each sampled token to `token_ids` before the next step."""

    request: Request
    token_ids: list[int]
    random: Random


class Drawn(NamedTuple):
    """A token, its log-probability, and those of the most probable candidates for its place where somebody asked for them."""

    token: int
    logprob: float
    top_logprobs: list[float] | None = None


class Decoder:
    """Not thread-safe: one step at a time."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._rows: list[Row] = []
        self._cache = _KeyValues()

    @torch.inference_mode()
    def step(self, rows: Sequence[Row]) -> list[Drawn]:
        """Sample one token for each of `rows`. Rows of earlier steps that are not among them are forgotten. Raises `LogitsError`."""
        self._forget_all_but(rows)
        decoding = {id(row) for row in self._rows}
        joining = [row for row in rows if id(row) not in decoding]
        logits = []
        if self._rows:
            last_tokens = [row.token_ids[-1:] for row in self._rows]
            positions = [[len(row.request.prompt) + len(row.token_ids) - 1] for row in self._rows]
            logits.append(self._forward(last_tokens, positions, first_row=0))
        for num_ahead, row in enumerate(joining):
            logits.append(self._prefill(row.request.prompt, len(self._rows) + num_ahead))
        self._rows += joining
        logits_RV = torch.cat(logits).float().cpu()
        drawn = [_draw(logits_V, row.request.sampling, row.random) for row, logits_V in zip(self._rows, logits_RV, strict=True)]
        sampled = {id(row): token for row, token in zip(self._rows, drawn, strict=True)}
        return [sampled[id(row)] for row in rows]

    def _forget_all_but(self, rows: Sequence[Row]) -> None:
        wanted = {id(row) for row in rows}
        for index in reversed(range(len(self._rows))):
            if id(self._rows[index]) not in wanted:
                last = self._rows.pop()
                if index < len(self._rows):
                    self._rows[index] = last
                    self._cache.move(len(self._rows), index)
        if not self._rows:
            self._cache.clear()

    def _prefill(self, prompt: Sequence[int], row: int) -> Tensor:
        for start in range(0, len(prompt), PREFILL_CHUNK):
            chunk = list(prompt[start : start + PREFILL_CHUNK])
            logits_RV = self._forward([chunk], [list(range(start, start + len(chunk)))], first_row=row)
        return logits_RV

    def _forward(self, token_ids: list[list[int]], positions: list[list[int]], first_row: int) -> Tensor:
        device = self._model.device
        positions_RQ = torch.tensor(positions, device=device)
        num_tokens = 1 + max(row[-1] for row in positions)
        self._cache.select(slice(first_row, first_row + len(positions)), positions_RQ, num_tokens)
        sees_RQT = torch.arange(num_tokens, device=device) <= positions_RQ[:, :, None]
        output = self._model(
            input_ids=torch.tensor(token_ids, device=device),
            position_ids=positions_RQ,
            attention_mask=sees_RQT[:, None],
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits_RV: Tensor = output.logits[:, -1]
        return logits_RV


class _KeyValues:
    """Stands in for the `Cache` of transformers, of which models call only `update` when they are given positions and a 4D mask."""

    def __init__(self) -> None:
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}
        """Keys and values, each R x H x T x D, larger than needed in R and T."""

    def select(self, rows: slice, positions_RQ: Tensor, num_tokens: int) -> None:
        """The next forward pass writes `rows` at `positions_RQ` and sees their first `num_tokens` tokens."""
        self._rows = rows
        self._indices_RQ = (torch.arange(rows.start, rows.stop, device=positions_RQ.device)[:, None], positions_RQ)
        self._num_tokens = num_tokens

    def update(self, keys_RHQD: Tensor, values_RHQD: Tensor, layer: int, *_: object) -> tuple[Tensor, Tensor]:
        old = self._layers.get(layer, (None, None))
        keys = self._grown(old[0], like=keys_RHQD)
        values = self._grown(old[1], like=values_RHQD)
        self._layers[layer] = keys, values
        rows_R1, positions_RQ = self._indices_RQ
        keys[rows_R1, :, positions_RQ] = keys_RHQD.transpose(1, 2)
        values[rows_R1, :, positions_RQ] = values_RHQD.transpose(1, 2)
        return keys[self._rows, :, : self._num_tokens], values[self._rows, :, : self._num_tokens]

    def move(self, source: int, target: int) -> None:
        for keys, values in self._layers.values():
            keys[target] = keys[source]
            values[target] = values[source]

    def clear(self) -> None:
        self._layers.clear()

    def _grown(self, buffer: Tensor | None, like: Tensor) -> Tensor:
        num_rows, num_tokens = (buffer.shape[0], buffer.shape[2]) if buffer is not None else (0, 0)
        if buffer is not None and self._rows.stop <= num_rows and self._num_tokens <= num_tokens:
            return buffer
        # Zeros: a masked value still enters the attention with weight 0, and 0 times an uninitialised NaN is NaN.
        grown = like.new_zeros(
            max(num_rows, _round_up(self._rows.stop, 8)),
            like.shape[1],
            max(num_tokens, _round_up(self._num_tokens, 256)),
            like.shape[3],
        )
        if buffer is not None:
            grown[:num_rows, :, :num_tokens] = buffer
        return grown


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _draw(logits_V: Tensor, sampling: Sampling, random: Random) -> Drawn:
    """After temperature and top-p; greedy: the likeliest, under temperature 1."""
    highest = logits_V.max()  # NaN where any is
    if not highest.isfinite():
        raise LogitsError("its logits are no numbers: the weights are damaged or have diverged, or their dtype is too narrow")
    if sampling.temperature == 0:
        logprobs_V = logits_V.log_softmax(-1)
        token = int(logprobs_V.argmax())
    else:
        # Only differences count; without the maximum a tiny temperature cannot overflow.
        temperature = max(sampling.temperature, torch.finfo(logits_V.dtype).tiny)  # 0 in this dtype, and 0 / 0 is NaN
        logprobs_V = ((logits_V - highest) / temperature).log_softmax(-1)
        if sampling.top_p < 1:
            logprobs_V = _nucleus(logprobs_V, sampling.top_p)
        mass_V = logprobs_V.double().exp().cumsum(-1)
        token = int(torch.searchsorted(mass_V, random.random() * mass_V[-1], right=True))
    top = min(sampling.top_logprobs, len(logprobs_V))
    return Drawn(token, float(logprobs_V[token]), logprobs_V.topk(top).values.tolist() if top else None)


def _nucleus(logprobs_V: Tensor, top_p: float) -> Tensor:
    """Keeps the fewest likeliest tokens that hold `top_p` of the mass, and renormalises."""
    sorted_V, order_V = logprobs_V.sort(descending=True)
    mass_V = sorted_V.exp()
    sorted_V[mass_V.cumsum(-1) - mass_V >= top_p] = -torch.inf
    return torch.empty_like(logprobs_V).scatter(0, order_V, sorted_V).log_softmax(-1)
