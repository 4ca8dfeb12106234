"""Scores for a batch of rollouts: errors are dropped here, and nowhere scored."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ..rollout import Rollout, scorable
from .reward import Reward, Score, Setting


@dataclass(frozen=True, slots=True)
class Scored:
    """The rollouts that say something about the policy, in their order, and what each has earned."""

    rollouts: tuple[Rollout, ...]
    scores: tuple[Score, ...]
    dropped: int
    """Rollouts with an error. They are in no mean, and count for no group."""

    def __post_init__(self) -> None:
        assert len(self.rollouts) == len(self.scores), (len(self.rollouts), len(self.scores))

    @property
    def rewards(self) -> list[float]:
        return [score.value for score in self.scores]

    @property
    def groups(self) -> list[str]:
        """The group of each rollout, for `advantage.advantages`."""
        return [rollout.group for rollout in self.rollouts]

    @property
    def means(self) -> dict[str, float]:
        """The mean of each term over the rollouts, which add up to the mean reward; empty when all were dropped."""
        if not self.scores:
            return {}
        return {name: math.fsum(score.terms[name] for score in self.scores) / len(self.scores) for name in self.scores[0].terms}


def score_rollouts(rollouts: Sequence[Rollout], reward: Reward, *, step: int) -> Scored:
    """Score what ran without an error at training step `step` (from 1).

    Groups should be complete: how easy a problem is, is the share of its group's kept rollouts that are correct.
    """
    kept = scorable(rollouts)
    outcomes: defaultdict[str, list[bool]] = defaultdict(list)
    for rollout in kept:
        outcomes[rollout.group].append(rollout.facts.correct)
    settings = {group: Setting(step=step, solved=sum(correct) / len(correct)) for group, correct in outcomes.items()}
    scores = tuple(reward(rollout.facts, settings[rollout.group]) for rollout in kept)
    return Scored(tuple(kept), scores, len(rollouts) - len(kept))
