"""One optimizer step for each minibatch: packed forward passes, the clipped loss, and a stop before anything that is not a number is learned."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from orchestra.errors import ConfigError, OrchestraError

from ..attention import Attention, Batch, batch_of, label_logprobs
from ..memory import first_line, ran_out
from ..trie import batches, pack
from .lesson import Minibatch
from .loss import Objective, Sums, policy_loss


class BadBatch(OrchestraError):
    """A minibatch that must not be learned: its loss or gradient is no number, or another model has sampled it. The weights are untouched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How units go through the model. Smaller sizes take less memory and change nothing else."""

    row_tokens: int = 1024
    slots: int = 65_536
    """Most tokens of a forward pass, padding included."""
    attention: Attention = "sdpa"
    temperature: float = 1.0
    """At which the units were sampled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What one optimizer step did. Means are over sampled tokens."""

    tokens: int
    packed: int
    """Tokens that were forwarded."""
    loss: float
    sampler_kl: float
    ratio: float
    ratio_max: float
    ratio_min: float
    clip_share: float
    entropy: float
    reference_kl: float
    grad_norm: float
    """Before it was clipped."""


class Learner:
    """A policy, its optimizer, and how one minibatch changes it."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        objective: Objective,
        packing: Packing,
        *,
        reference: nn.Module | None = None,
        max_grad_norm: float = 1.0,
    ) -> None:
        if objective.kl and reference is None:
            raise ConfigError(f"a KL weight of {objective.kl} needs a reference model")
        self.model = model
        self.optimizer = optimizer
        self._objective = objective
        self._packing = packing
        self._reference = reference if objective.kl else None
        self._max_grad_norm = max_grad_norm
        self._device = next(model.parameters()).device
        self._dtype = torch.bfloat16 if self._device.type == "cuda" else torch.float32

    def learn(self, minibatch: Minibatch, *, max_sampler_kl: float | None = None) -> Update:
        """Take one optimizer step. `max_sampler_kl` is for a minibatch that was sampled with the weights as they are: most nats a token that rounding
        can explain.

        Raises `BadBatch`, with the weights untouched, and `ConfigError` when memory runs out.
        """
        if not all(math.isfinite(value) for unit in minibatch.units for value in unit.logprobs):
            raise BadBatch("the engine recorded log-probabilities that are no numbers: the policy has diverged, lower --lr")
        rows = pack(minibatch.units, budget=self._packing.row_tokens, weights=minibatch.weights)
        tokens = sum(len(row.target) for row in rows)
        self.optimizer.zero_grad(set_to_none=True)
        try:
            found = [
                self._accumulate(batch_of(part, device=self._device), tokens) for part in batches(rows, slots=self._packing.slots)
            ]
        except RuntimeError as error:
            if not ran_out(error):
                raise
            raise ConfigError(
                f"memory ran out in a forward pass of {self._packing.slots} tokens: lower --slots, --row-tokens or --gpu-memory"
                f" ({first_line(error)})"
            ) from error
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), self._max_grad_norm))
        update = _update(found, tokens=tokens, packed=sum(map(len, rows)), grad_norm=norm)
        if not (math.isfinite(update.loss) and math.isfinite(norm)):
            raise BadBatch(
                f"the loss is {update.loss} and its gradient's norm {norm}, at ratios from {update.ratio_min:.3g} to"
                f" {update.ratio_max:.3g}: lower --lr"
            )
        if max_sampler_kl is not None and update.sampler_kl > max_sampler_kl:
            raise BadBatch(
                f"sampler and trainer are {update.sampler_kl:.3g} nats a token apart, more than {max_sampler_kl}: the engine has other weights,"
                " or rounds too coarsely (--sampler-dtype float32)"
            )
        self.optimizer.step()
        return update

    def _accumulate(self, batch: Batch, tokens: int) -> Sums:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"):
            now = self._logprobs(self.model, batch)
            with torch.no_grad():
                reference = None if self._reference is None else self._logprobs(self._reference, batch)
        loss, sums = policy_loss(now, batch, self._objective, reference)
        torch.autograd.backward(loss / tokens)
        return sums

    def _logprobs(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        return label_logprobs(
            model, batch, attention=self._packing.attention, dtype=self._dtype, temperature=self._packing.temperature
        )


def _update(found: Iterable[Sums], *, tokens: int, packed: int, grad_norm: float) -> Update:
    found = list(found)

    def mean(name: str) -> float:
        return float(sum(float(getattr(sums, name)) for sums in found)) / tokens

    return Update(
        tokens=tokens,
        packed=packed,
        loss=mean("loss"),
        sampler_kl=mean("sampler_kl"),
        ratio=mean("ratio"),
        ratio_max=max(float(sums.largest) for sums in found),
        ratio_min=min(float(sums.smallest) for sums in found),
        clip_share=mean("clipped"),
        entropy=mean("surprise"),
        reference_kl=mean("reference_kl"),
        grad_norm=grad_norm,
    )


def summary(updates: list[Update], *, seconds: float = math.inf) -> dict[str, Any]:
    """One step's updates, which took `seconds`, for the log: `sampler_kl` and `ratio` of the first minibatch, when the trainer still has the
    weights that sampled, so that they show the engine's rounding and nothing else; extremes over all; means by tokens. {} without updates."""
    if not updates:
        return {}
    tokens, packed = sum(update.tokens for update in updates), sum(update.packed for update in updates)
    rows = [asdict(update) for update in updates]
    means = {
        name: sum(row[name] * row["tokens"] for row in rows) / tokens for name in ("loss", "clip_share", "entropy", "reference_kl")
    }
    return means | {
        "sampler_kl": updates[0].sampler_kl,
        "ratio": updates[0].ratio,
        "policy_kl": updates[-1].sampler_kl,
        "ratio_max": max(update.ratio_max for update in updates),
        "ratio_min": min(update.ratio_min for update in updates),
        "grad_norm": sum(update.grad_norm for update in updates) / len(updates),
        "trained_tokens": tokens,
        "packed_tokens": packed,
        "trained_tokens_per_second": round(tokens / seconds),
        "packed_tokens_per_second": round(packed / seconds),
    }
