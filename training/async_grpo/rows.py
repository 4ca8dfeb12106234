"""From a lesson to what TRL's asynchronous trainer consumes: one row for each unit of a rollout, and figures to report. No TRL, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..grpo.lesson import Lesson
from ..rollout import Rollout, Unit

Figure = float | tuple[float, float]
"""A count that adds up over a step, under a name that ends with "total"; or numerator and denominator, summed before they are divided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One request to train: the attributes that TRL 1.16 reads of its `RolloutSample`, under its names."""

    prompt: list[dict[str, str]]
    """The problem, to be looked at in traces."""
    completion: list[dict[str, str]]
    """Its outcome, to be looked at in traces."""
    input_ids: np.ndarray[Any, np.dtype[np.int64]]
    """Prompt and sampled tokens."""
    completion_mask: np.ndarray[Any, np.dtype[np.int64]]
    """1 where a token was sampled."""
    old_log_probs: np.ndarray[Any, np.dtype[np.float32]]
    """As the engine recorded them; 0 where nothing was sampled."""
    advantage: float
    """Of its thread: by default the same for all of a rollout (`grpo.credit`)."""
    model_version: int
    """Of the weights that the rollout's round began with; they may have changed before it ended."""
    group_id: int
    metrics: dict[str, float] = field(default_factory=dict)
    """Empty: TRL averages over rows, so rollouts with many threads would count more. Figures go their own way."""
    enqueued_at: float | None = None
    """Seconds since the epoch."""


def rows_of(lesson: Lesson, *, version: int, group_ids: dict[str, int], now: float) -> list[Row]:
    """Groups with a signal only, each group's rows together. `group_ids` numbers groups by their names, and is added to."""
    return [
        row_of(unit, rollout, advantage=value, version=version, group=group_ids.setdefault(rollout.group, len(group_ids)), now=now)
        for minibatch in lesson.minibatches
        for rollout, values in zip(minibatch.rollouts, minibatch.values, strict=True)
        for unit, value in zip(rollout.units, values, strict=True)
    ]


def row_of(unit: Unit, rollout: Rollout, *, advantage: float, version: int, group: int, now: float) -> Row:
    before, sampled = len(unit.prompt), len(unit.sampled)
    assert len(unit.logprobs) == sampled, (
        f"{rollout.problem}: a unit of {sampled} tokens has {len(unit.logprobs)} log-probabilities"
    )
    outcome = rollout.facts.answer or rollout.facts.flaw or rollout.facts.ended
    return Row(
        prompt=[{"role": "user", "content": rollout.problem}],
        completion=[{"role": "assistant", "content": f"thread {unit.thread}: {outcome}"}],
        input_ids=np.array([*unit.prompt, *unit.sampled], dtype=np.int64),
        completion_mask=np.array([0] * before + [1] * sampled, dtype=np.int64),
        old_log_probs=np.array([0.0] * before + [*unit.logprobs], dtype=np.float32),
        advantage=advantage,
        model_version=version,
        group_id=group,
        enqueued_at=now,
    )


def figures_of(rollouts: Sequence[Rollout], lesson: Lesson) -> dict[str, Figure]:
    """What one round adds to the log. Means are over scored rollouts."""
    number = len(lesson.scored.rollouts)
    return {
        **{name: (value * number, float(number)) for name, value in lesson.means.items()},
        **{name: (float(part), float(whole)) for name, (part, whole) in lesson.shares.items()},
        "rollouts_total": float(number),
        "dropped_total": float(lesson.scored.dropped),
        "groups_total": float(lesson.advantages.groups),
        "sampled_tokens_total": float(sum(rollout.num_sampled for rollout in rollouts)),
    }
