"""The clipped policy loss on packed labels, and what to report about it.

Each label is a sampled token with the log-probability that the sampler recorded, its unit's advantage A (`Batch.weight`), and the trainer's
log-probability now; ratio = exp(now - recorded). PPO's pessimistic surrogate (arXiv 1707.06347) with a higher upper bound (DAPO, arXiv
2503.14476), plus a KL to a reference in its low-variance form (arXiv 2402.03300):

    -min(ratio · A, clip(ratio, 1 - low, 1 + high) · A) + kl · (exp(d) - d - 1),    d = reference - now

Values are sums over labels: whoever sees the whole minibatch divides by its number of tokens. Because the ratio is to what the *sampler*
recorded, its rounding is corrected for, too, and shows in `sampler_kl`.

Shapes: L = labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from orchestra.errors import ConfigError

from ..attention import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What one update minimises."""

    clip_low: float = 0.2
    clip_high: float = 0.28
    kl: float = 0.0
    """Weight of the KL to the reference; 0: there is none."""

    def __post_init__(self) -> None:
        """Raises `ConfigError` for bounds that clip everything, and for a negative weight."""
        if not 0 < self.clip_low < 1 or self.clip_high <= 0:
            raise ConfigError(f"clip bounds must lie in (0, 1) and above 0, got {self.clip_low} and {self.clip_high}")
        if self.kl < 0:
            raise ConfigError(f"the weight of the KL must not be negative, got {self.kl}")


@dataclass(frozen=True, slots=True)
class Sums:
    """Over the labels of one batch; every tensor is a scalar without a gradient."""

    loss: Tensor
    sampler_kl: Tensor
    """Σ (ratio - 1 - log ratio): never negative, and 0 exactly where sampler and trainer agree."""
    ratio: Tensor
    largest: Tensor
    """The largest ratio, no sum."""
    smallest: Tensor
    clipped: Tensor
    """Labels that have no gradient because the clip bound them (number)."""
    surprise: Tensor
    """Σ -recorded log-probability; its mean estimates the sampler's entropy."""
    reference_kl: Tensor


def policy_loss(now: Tensor, batch: Batch, objective: Objective, reference: Tensor | None = None) -> tuple[Tensor, Sums]:
    """The summed loss with gradients, and its account. `now` and `reference` are [L] log-probabilities.

    Raises `ConfigError` for demonstrations among the units: nobody sampled them, so there is no ratio.
    """
    if bool(batch.logprob.isnan().any()):
        raise ConfigError(
            "units without recorded log-probabilities cannot be trained by policy gradient: train demonstrations with `sft`"
        )
    log_ratio = now - batch.logprob
    ratio = log_ratio.exp()
    advantage = batch.weight
    bounded = ratio.clamp(1 - objective.clip_low, 1 + objective.clip_high)
    loss = -torch.minimum(ratio * advantage, bounded * advantage)
    away = torch.zeros_like(now)
    if objective.kl:
        assert reference is not None, "a KL needs the reference's log-probabilities"
        difference = reference - now
        away = difference.expm1() - difference
        loss = loss + objective.kl * away
    total = loss.sum()
    with torch.no_grad():
        bound = torch.where(advantage > 0, ratio > 1 + objective.clip_high, (advantage < 0) & (ratio < 1 - objective.clip_low))
        sums = Sums(
            loss=total.detach(),
            sampler_kl=(log_ratio.expm1() - log_ratio).sum(),
            ratio=ratio.sum(),
            largest=ratio.max(),
            smallest=ratio.min(),
            clipped=bound.sum(),
            surprise=-batch.logprob.sum(),
            reference_kl=away.sum(),
        )
    return total, sums
