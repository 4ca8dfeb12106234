"""From the rollouts of one step to minibatches of weighted units: rewards, advantages, and what is left out. No torch.

Rollouts with an error are dropped. Groups without a difference teach nothing and are left out, so that they neither cost a forward pass nor
dilute the mean over tokens; with thread-level credit, so are single threads. All are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..advantage import Advantages, Baseline, advantages, per_rollout
from ..rewards import Reward, Scored, score_rollouts
from ..rollout import Rollout, Unit
from .credit import Credit, ThreadAdvantages, thread_advantages
from .domain import means

Normalise = Literal["token", "rollout"]
"""token: each token weighs the same (DAPO, arXiv 2503.14476). rollout: each rollout does, however long (GRPO, arXiv 2402.03300)."""


@dataclass(frozen=True, slots=True)
class Minibatch:
    """What one optimizer step trains on: whole groups, less the units that thread-level credit gives no weight."""

    rollouts: tuple[Rollout, ...]
    values: tuple[tuple[float, ...], ...]
    """For each rollout, the weight of each of its units' tokens."""

    def __post_init__(self) -> None:
        assert self.rollouts
        assert [len(one.units) for one in self.rollouts] == list(map(len, self.values))

    @property
    def units(self) -> list[Unit]:
        return [unit for rollout in self.rollouts for unit in rollout.units]

    @property
    def weights(self) -> list[float]:
        """One for each of `units`."""
        return [value for values in self.values for value in values]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one step's rollouts teach."""

    scored: Scored
    advantages: Advantages
    """Of whole rollouts."""
    threads: ThreadAdvantages | None
    """None where a rollout's advantage is for all of its threads."""
    minibatches: tuple[Minibatch, ...]
    """Empty when no group has a signal."""

    @property
    def means(self) -> dict[str, float]:
        """For the log, over scored rollouts."""
        scored = self.scored
        return {
            "reward": sum(scored.rewards) / len(scored.rewards),
            **{f"reward/{name}": value for name, value in scored.means.items()},
            **means([rollout.facts for rollout in scored.rollouts]),
        }

    @property
    def shares(self) -> dict[str, tuple[int, int]]:
        """For the log, as (part, whole): of groups whose rollouts all earned the same; of whole children, where there are any, those that
        succeeded, that were cut, and that were credited by themselves and taught nothing."""
        children = [child for rollout in self.scored.rollouts for child in rollout.children if child.whole]
        shares = {
            "silent_share": (self.advantages.alone + self.advantages.equal, self.advantages.groups),
            "child_success": (sum(child.succeeded for child in children), len(children)),
            "child_cut": (sum(child.status == "cut" for child in children), len(children)),
            "silent_threads": (self.threads.silent, self.threads.compared) if self.threads else (0, 0),
        }
        return {name: (part, whole) for name, (part, whole) in shares.items() if whole}


def make_lesson(
    rollouts: Sequence[Rollout],
    reward: Reward,
    *,
    step: int,
    baseline: Baseline,
    normalise: Normalise = "token",
    credit: Credit = "rollout",
    thread_price: float = 0.0,
    minibatches: int = 1,
    seed: int = 0,
) -> Lesson:
    """Score `rollouts` at training step `step` (from 1) and split the groups with a signal into at most `minibatches` parts, in an order that
    `seed` and the step decide. `baseline` is that of rollouts and of threads."""
    scored = score_rollouts(rollouts, reward, step=step)
    found = advantages(scored.rewards, scored.groups, baseline)
    threads = thread_advantages(scored.rollouts, baseline, price=thread_price) if credit == "thread" else None
    groups: dict[str, list[_Member]] = {}
    for index, (rollout, value) in enumerate(zip(scored.rollouts, found.values, strict=True)):
        shared = (rollout, (value,) * len(rollout.units))
        member = shared if threads is None else _loud(rollout, threads.weights(index, rollout, value))
        groups.setdefault(rollout.group, []).append(member)
    loud = [members for members in groups.values() if any(value for _, values in members for value in values)]
    order = np.random.default_rng([seed, step]).permutation(len(loud))
    parts = np.array_split(order, min(minibatches, max(1, len(loud))))
    made = [_minibatch([member for group in part for member in loud[group]], normalise) for part in parts if len(part)]
    return Lesson(scored, found, threads, tuple(made))


_Member = tuple[Rollout, tuple[float, ...]]
"""A rollout, and the weight of each of its units."""


def _loud(rollout: Rollout, weights: Sequence[float]) -> _Member:
    """Without the units that weigh nothing."""
    kept = [(unit, weight) for unit, weight in zip(rollout.units, weights, strict=True) if weight]
    return replace(rollout, units=tuple(unit for unit, _ in kept)), tuple(weight for _, weight in kept)


def _minibatch(members: Sequence[_Member], normalise: Normalise) -> Minibatch:
    rollouts, values = tuple(rollout for rollout, _ in members), tuple(values for _, values in members)
    if normalise == "rollout":
        scales = per_rollout([1.0] * len(rollouts), [rollout.num_sampled for rollout in rollouts])
        values = tuple(tuple(value * scale for value in own) for own, scale in zip(values, scales, strict=True))
    return Minibatch(rollouts, values)
