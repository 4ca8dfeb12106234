"""Facts and rollouts with a few numbers of interest, for the tests of rewards."""

from __future__ import annotations

from typing import Any

from orchestra.training.rewards import Reward, Setting
from orchestra.training.rollout import Facts, Rollout


def facts(*, correct: bool = True, work: int = 1000, span: int = 1000, **more: Any) -> Facts:
    return Facts(correct=correct, answer="3*8" if correct else None, ended="finished", work=work, span=span, **more)


def rollout(group: str, *, error: str | None = None, **about: Any) -> Rollout:
    return Rollout(problem=group, group=group, units=(), facts=facts(**about), error=error)


def value(reward: Reward, of: Facts, *, step: int = 1, solved: float = 0.5) -> float:
    return reward(of, Setting(step=step, solved=solved)).value
