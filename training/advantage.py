"""Advantages: how much better a rollout did than its group, as one number for all of its sampled tokens.

A group is the rollouts of one problem that are compared with each other. Groups that cannot be compared, those with one member and those in
which all earned the same, get zeros and are counted: they cost sampling and teach nothing. Where threads are credited by themselves, a thread and its peers take the place of a rollout and its group
(`grpo.credit`). Plain lists, no torch.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal, assert_never

Baseline = Literal["centred", "centred_std", "leave_one_out", "batch"]
"""centred: r - mean of the group. P-GRPO (arXiv 2512.07843, section on RL; `norm_adv_by_std_in_grpo=False` in its launch line), Dr. GRPO
(arXiv 2503.20783).
centred_std: (r - mean) / std of the group. GRPO (arXiv 2402.03300), APR (arXiv 2504.15466). Where all are correct, it blows the small terms up
to the size of correctness: P-GRPO lost 5 points with it.
leave_one_out: r - mean of the others in the group = n / (n - 1) · centred. RLOO (arXiv 2402.14740).
batch: (r - mean of the group) / std of all rewards of the batch. NPR's PAPO (arXiv 2512.07461); its released code takes that std while it
overwrites the rewards, so that later groups are scaled by others' advantages; here it is taken once.

A std is the sample's (n - 1), as verl and TRL's GRPOTrainer take it."""

_SAME = 1e-9
"""Rewards that differ by less (for rewards above 1: by a smaller share of the larger one) count as equal: sums of the same terms may differ in
their last bit, which a division by their std would make as large as a right answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advantages:
    """One batch's, with an account of the groups that got zeros."""

    values: tuple[float, ...]
    """One for each reward, in their order. They add up to zero in each group."""
    groups: int
    """Groups in the batch (number)."""
    alone: int
    """Groups with one member, whose values are zero (number)."""
    equal: int
    """Groups of several members with the same reward, whose values are zero (number)."""

    @property
    def silent_share(self) -> float:
        """Share of the groups that teach nothing; 0.0 for an empty batch."""
        return (self.alone + self.equal) / self.groups if self.groups else 0.0


def advantages(rewards: Sequence[float], groups: Sequence[Hashable], baseline: Baseline) -> Advantages:
    """The advantage of each reward within its group: `groups[i]` is the group of `rewards[i]`, in any order.

    Rewards must be finite, and those of errors must not be among them (`rewards.score_rollouts` drops them).
    """
    assert len(rewards) == len(groups), (len(rewards), len(groups))
    assert all(map(math.isfinite, rewards)), rewards
    members: defaultdict[Hashable, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    values = [0.0] * len(rewards)
    alone = equal = 0
    for indices in members.values():
        own = [rewards[index] for index in indices]
        if len(own) == 1:
            alone += 1
        elif math.isclose(min(own), max(own), rel_tol=_SAME, abs_tol=_SAME):
            equal += 1
        else:
            mean, scale = fmean(own), _scale(own, rewards, baseline)
            for index in indices:
                values[index] = (rewards[index] - mean) * scale
    return Advantages(values=tuple(values), groups=len(members), alone=alone, equal=equal)


def _scale(own: Sequence[float], batch: Sequence[float], baseline: Baseline) -> float:
    """What the centred rewards of a group with at least two different ones are multiplied by."""
    match baseline:
        case "centred":
            return 1.0
        case "centred_std":
            return 1 / stdev(own)
        case "leave_one_out":
            return len(own) / (len(own) - 1)
        case "batch":
            return 1 / stdev(batch)
        case _:
            assert_never(baseline)


def per_rollout(values: Sequence[float], num_tokens: Sequence[int]) -> tuple[float, ...]:
    """Token advantages under which each rollout weighs the same, however long: value · mean tokens / own tokens.

    A loss that is the mean over all tokens (DAPO, arXiv 2503.14476; P-GRPO) lets a rollout of twice the work pull twice as hard, and every child
    adds to it. GRPO's own mean within each rollout first (arXiv 2402.03300) is that mean with these values. `num_tokens[i]` is the
    work that is trained of rollout i, over all of its units; one without tokens has nothing to weigh, stays as it is and is in no mean.
    """
    assert len(values) == len(num_tokens) and all(number >= 0 for number in num_tokens), (len(values), num_tokens)
    lengths = [number for number in num_tokens if number]
    mean = fmean(lengths) if lengths else 0.0
    return tuple(value * mean / number if number else value for value, number in zip(values, num_tokens, strict=True))
