"""Continuous batching over a causal language model of `transformers`: plain torch, no asyncio. The engine is in `transformers.py`.

The prompts of rows that join go through the model together, without their last tokens. After that all rows, new and old, are alike: each step
is one forward pass over the last token of each, from which the next ones are drawn on the model's device. What a step needs goes there in one
copy, and what it gave comes back in one.

On CUDA, passes have one of a few shapes, filled up with rows that nobody reads and tokens that nobody sees, and are replayed as graphs.
"""

# Shapes: R rows, Q tokens a row that go through the model, T tokens a row in the cache, V vocabulary.

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from .attention import quick_attention
from .base import Request
from .cuda_graphs import CudaGraphs
from .drawing import How, LogitsError, draw, refuse_no_numbers
from .key_values import KeyValues
from .prefill import MOST_FILLED, PREFILL_CHUNK, Group, groups
from .shapes import TOKENS_AT_ONCE, few_rows, few_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TOKEN, POSITION, UNIFORM, TEMPERATURE, TOP_P, TOP = range(6)
"""Columns of what a step needs of each row. float64 holds them all exactly."""


class Row(Protocol):
    """What the decoder reads of a sequence, which equals no other one."""

    request: Request
    random: Random


class Drawn(NamedTuple):
    """What a step sampled, one element a row."""

    tokens: list[int]
    logprobs: list[float]
    top_logprobs: list[list[float] | None] | None
    """Those of the most probable candidates for a row's token, where it asks for them; None where no row does."""


class Decoder:
    """Not thread-safe: one step at a time.

    Args:
        model: with full attention in every layer.
        static: whether passes have few shapes; by default on CUDA only, where each is recorded once.
    """

    def __init__(self, model: PreTrainedModel, *, static: bool | None = None) -> None:
        self._model = model
        self._device = model.device
        on_cuda = model.device.type == "cuda"
        self._static = on_cuda if static is None else static
        self._graphs = CudaGraphs(model.device) if on_cuda and self._static else None
        self._rows: list[Row] = []
        """By their places in the batch."""
        self._randoms: list[Callable[[], float]] = []
        """Theirs."""
        self._place: dict[Row, int] = {}
        self._asked: list[Row] = []
        """The same rows in the order of the last step's."""
        self._cache = KeyValues()
        self._prompts = torch.zeros(MOST_FILLED if self._static else 0, dtype=torch.long, device=model.device)
        self._host = np.zeros((0, 1 + TOP))
        self._make_inputs(1)

    @torch.inference_mode()
    def step(self, rows: Sequence[Row]) -> Drawn:
        """Sample one token for each of `rows`, whose owner lets them go on from it, or leaves them out for good.

        Raises `LogitsError`, and torch's `RuntimeError` where memory ends: no row of that step can go on.
        """
        asked = list(rows)
        try:
            if asked != self._asked:
                self._arrange(asked)
            return self._decoded(len(asked))
        except (RuntimeError, LogitsError):
            self._forget()  # memory that was not enough, or NaN, which a weight of 0 does not hide
            raise

    def most_rows(self, num_tokens: int) -> int | None:
        """How many rows of so many tokens fit into the memory that is free, after a first step; None on devices that do not say."""
        if self._device.type != "cuda":
            return None
        free, _ = torch.cuda.mem_get_info(self._device)
        return self._cache.rows_within(free, num_tokens)

    def _decoded(self, num: int) -> Drawn:
        inputs = self._host[:num]
        inputs[:, UNIFORM] = [random() for random in self._randoms]
        num_rows, num_tokens = self._shape(num, int(inputs[:, POSITION].max()) + 1)
        self._reserve(num_rows, num_tokens)
        if self._sent is not self._inputs:
            self._inputs[:num_rows].copy_(self._sent[:num_rows], non_blocking=True)
        drawn = self._run((num_rows, num_tokens, self._how), partial(self._pass, num_rows, num_tokens))
        came = drawn.cpu()[:num]
        refuse_no_numbers(came[:, 2])
        found = came.numpy()
        self._host[:num, TOKEN] = found[:, 0]
        self._host[:num, POSITION] += 1
        found = found[self._places]
        top = None
        if self._how.top:
            asked = self._host[self._places, TOP].astype(int).tolist()
            top = [found[index, 3 : 3 + many].tolist() if many else None for index, many in enumerate(asked)]
        return Drawn(found[:, 0].astype(np.int64).tolist(), found[:, 1].tolist(), top)

    def _pass(self, num_rows: int, num_tokens: int) -> Tensor:
        """Reads nothing but tensors that stay where they are, so that it can be recorded."""
        inputs = self._inputs[:num_rows]
        positions_R1 = inputs[:, POSITION, None].long().to(self._device)
        unseen_RT = torch.arange(num_tokens, device=self._device) > positions_R1
        self._cache.aim(slice(0, num_rows), positions_R1, num_tokens)
        logits_RV = self._forward(inputs[:, TOKEN, None].long().to(self._device), positions_R1, unseen_RT[:, None, None])
        return draw(logits_RV.to(inputs.device), inputs[:, UNIFORM], inputs[:, TEMPERATURE], inputs[:, TOP_P], self._how)

    def _forward(self, ids_RQ: Tensor, positions_RQ: Tensor, unseen: Tensor) -> Tensor:
        """Logits of the last column, R x V."""
        dtype = self._model.dtype
        with quick_attention(self._device, dtype):
            output = self._model(
                input_ids=ids_RQ,
                position_ids=positions_RQ,
                # Added to the scores: not every attention takes a mask of truth values, and it would be turned into this in every layer.
                attention_mask=torch.zeros(unseen.shape, dtype=dtype, device=self._device).masked_fill_(unseen, -torch.inf),
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
            )
        logits_RV: Tensor = output.logits[:, -1]
        return logits_RV

    def _shape(self, num_rows: int, num_tokens: int) -> tuple[int, int]:
        if not self._static:
            return num_rows, num_tokens
        return few_rows(num_rows), max(TOKENS_AT_ONCE, few_tokens(num_tokens))

    def _arrange(self, asked: list[Row]) -> None:
        """Rows that are not among those asked for leave; new ones take their places or come last; the last fill the places that stay empty."""
        old, new = len(self._rows), len(asked)
        kept = [place for place in map(self._place.get, asked) if place is not None]
        joining = [row for row in asked if row not in self._place] if len(kept) < new else []
        stays = np.zeros(old, dtype=bool)
        stays[kept] = True
        free = np.flatnonzero(~stays).tolist()
        for place in free:
            del self._place[self._rows[place]]
        if not kept and not self._static:
            self._cache.clear()  # an engine between two bursts of requests holds nothing
        seen = int(self._host[:old, POSITION].max(initial=0))
        self._reserve(*self._shape(max(old, new), max([seen, *(len(row.request.prompt) for row in joining)])))
        places = [*free, *range(old, old + len(joining))][: len(joining)]
        holes = [place for place in free[len(joining) :] if place < new]
        last = [place for place in range(new, old) if stays[place]]
        if holes:
            self._cache.move(last, holes, seen)
            self._host[holes] = self._host[last]
        self._rows += joining[len(free) :]
        self._randoms += [row.random.random for row in joining[len(free) :]]
        moved = [self._rows[place] for place in last]
        for place, row in zip([*places, *holes], [*joining, *moved], strict=True):
            self._rows[place], self._randoms[place], self._place[row] = row, row.random.random, place
        del self._rows[new:], self._randoms[new:]
        self._host[new:] = 0
        if joining:
            self._prefill(joining, places)
        self._asked = asked
        self._places = np.array([self._place[row] for row in asked])
        self._how = How(nucleus=bool((self._host[:new, TOP_P] < 1).any()), top=int(self._host[:new, TOP].max()))

    def _prefill(self, joining: Sequence[Row], places: Sequence[int]) -> None:
        for place, row in zip(places, joining, strict=True):
            sampling, prompt = row.request.sampling, row.request.prompt
            self._host[place] = prompt[-1], len(prompt) - 1, 0, sampling.temperature, sampling.top_p, sampling.top_logprobs
        for group in groups([row.request.prompt[:-1] for row in joining], places):
            if self._static and group.ids.shape[1] <= PREFILL_CHUNK:
                num_rows, num_tokens = few_rows(len(group.places)), few_tokens(group.ids.shape[1])
                filled = torch.from_numpy(group.filled(num_rows, num_tokens))
                self._prompts[: filled.numel()].copy_(filled.flatten())
                self._run(("prompts", num_rows, num_tokens), partial(self._read, num_rows, num_tokens))
            else:
                self._read_in_chunks(group)

    def _read(self, num_rows: int, num_tokens: int) -> Tensor:
        """Of prompts alone, which see nothing else. It can be recorded, like `_pass`."""
        prompts = self._prompts[: num_rows * (1 + num_tokens)].view(num_rows, 1 + num_tokens)
        positions_Q = torch.arange(num_tokens, device=self._device)
        positions_RQ = positions_Q.expand(num_rows, -1)
        self._cache.aim(prompts[:, 0], positions_RQ, num_tokens)
        return self._forward(prompts[:, 1:], positions_RQ, (positions_Q > positions_Q[:, None])[None, None])

    def _read_in_chunks(self, group: Group) -> None:
        places_R = torch.tensor(group.places, device=self._device)
        ids_RQ = torch.from_numpy(group.ids).to(self._device)
        for start in range(0, ids_RQ.shape[1], PREFILL_CHUNK):
            num_rows = group.longer_than(start)
            chunk_RQ = ids_RQ[:num_rows, start : start + PREFILL_CHUNK]
            stop = start + chunk_RQ.shape[1]
            positions_Q = torch.arange(start, stop, device=self._device)
            positions_RQ = positions_Q.expand(num_rows, -1)
            rows = slice(group.places[0], group.places[0] + 1) if num_rows == 1 else places_R[:num_rows]
            self._cache.aim(rows, positions_RQ, stop)
            unseen_QT = torch.arange(stop, device=self._device) > positions_Q[:, None]
            self._forward(chunk_RQ, positions_RQ, unseen_QT[None, None])

    def _run(self, key: Hashable, work: Callable[[], Tensor]) -> Tensor:
        return work() if self._graphs is None else self._graphs.run(key, work)

    def _reserve(self, num_rows: int, num_tokens: int) -> None:
        moved = self._cache.reserve(num_rows, num_tokens)
        if num_rows > len(self._host):
            self._make_inputs(num_rows)
        elif not moved:
            return
        if self._graphs is not None:
            self._graphs.forget()

    def _make_inputs(self, num_rows: int) -> None:
        on_cuda = self._device.type == "cuda"
        sent = torch.zeros(num_rows, 1 + TOP, dtype=torch.float64, pin_memory=on_cuda)
        # Elsewhere tokens are drawn on the CPU: not every device knows float64.
        inputs = torch.zeros_like(sent, device=self._device) if on_cuda else sent
        host = sent.numpy()
        host[: len(self._host)] = self._host
        self._sent, self._inputs, self._host = sent, inputs, host

    def _forget(self) -> None:
        self._rows, self._randoms, self._place, self._asked = [], [], {}, []
        self._cache.clear()
        if self._graphs is not None:
            self._graphs.forget()
