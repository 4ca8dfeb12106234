"""From the rollouts of one step to minibatches of weighted units: rewards, advantages, and what is left out. No torch.

Rollouts with an error are dropped. Groups without a difference in reward teach nothing and are left out, so that they neither cost a forward
pass nor dilute the mean over tokens; both are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..advantage import Advantages, Baseline, advantages, per_rollout
from ..rewards import Reward, Scored, score_rollouts
from ..rollout import Rollout, Unit

Normalise = Literal["token", "rollout"]
"""token: each token weighs the same (DAPO, arXiv 2503.14476). rollout: each rollout does, however long (GRPO, arXiv 2402.03300)."""


@dataclass(frozen=True, slots=True)
class Minibatch:
    """What one optimizer step trains on. Groups are whole."""

    rollouts: tuple[Rollout, ...]
    values: tuple[float, ...]
    """The weight of each rollout's tokens."""

    def __post_init__(self) -> None:
        assert self.rollouts and len(self.rollouts) == len(self.values)

    @property
    def units(self) -> list[Unit]:
        return [unit for rollout in self.rollouts for unit in rollout.units]

    @property
    def weights(self) -> list[float]:
        """One for each of `units`."""
        return [value for rollout, value in zip(self.rollouts, self.values, strict=True) for _ in rollout.units]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one step's rollouts teach."""

    scored: Scored
    advantages: Advantages
    minibatches: tuple[Minibatch, ...]
    """Empty when no group has a signal."""


def make_lesson(
    rollouts: Sequence[Rollout],
    reward: Reward,
    *,
    step: int,
    baseline: Baseline,
    normalise: Normalise = "token",
    minibatches: int = 1,
    seed: int = 0,
) -> Lesson:
    """Score `rollouts` at training step `step` (from 1) and split the groups with a signal into at most `minibatches` parts, in an order that
    `seed` and the step decide."""
    scored = score_rollouts(rollouts, reward, step=step)
    found = advantages(scored.rewards, scored.groups, baseline)
    groups: dict[str, list[tuple[Rollout, float]]] = {}
    for rollout, value in zip(scored.rollouts, found.values, strict=True):
        groups.setdefault(rollout.group, []).append((rollout, value))
    loud = [members for members in groups.values() if any(value for _, value in members)]
    order = np.random.default_rng([seed, step]).permutation(len(loud))
    parts = np.array_split(order, min(minibatches, max(1, len(loud))))
    made = [_minibatch([member for group in part for member in loud[group]], normalise) for part in parts if len(part)]
    return Lesson(scored, found, tuple(made))


def _minibatch(members: Sequence[tuple[Rollout, float]], normalise: Normalise) -> Minibatch:
    rollouts = tuple(rollout for rollout, _ in members)
    values = tuple(value for _, value in members)
    if normalise == "rollout":
        values = per_rollout(values, [rollout.num_sampled for rollout in rollouts])
    return Minibatch(rollouts, values)
