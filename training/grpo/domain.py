"""What `grpo` asks of the domain that a policy is trained on: rollouts for a step, and greedy answers to held-out problems.

`grpo.countdown` runs fork–join searches, `grpo.planner` plans. Everything behind this seam (rewards, advantages, loss, checkpoints) sees
units and facts alone and is the same for both.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Protocol

from orchestra.engine import Engine
from orchestra.errors import ConfigError, EngineError

from ..rollout import Facts, Rollout, scorable

STEP_STRIDE = 1_000_003
"""A prime: seeds of steps of runs with near seeds do not meet."""


TEST = "test"
"""The split by which nothing is chosen: it is reported beside the others."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A greedy answer to a held-out problem."""

    facts: Facts
    error: str | None = None
    """As in `Rollout`: then it is neither right nor wrong."""


class Domain(Protocol):
    """Problems depend on seed and step alone, so that a resumed run of `grpo` sees the same; `async_grpo` counts rounds of rollouts as steps, and
    says in `async_grpo/worker.py` which a resumed run sees again."""

    @property
    def held_out(self) -> Sequence[str]:
        """The splits to evaluate on."""
        ...

    async def rollouts(self, engine: Engine, *, step: int, seed: int | None) -> list[Rollout]:
        """A group of each of the step's training problems, sampled with log-probabilities; `seed` None: with the engine's own.

        Rollouts whose engine failed are among them, with their error. Raises `EngineError` when all of them failed.
        """
        ...

    async def answers(self, engine: Engine, split: str) -> list[Answer]:
        """One to each problem of a held-out split."""
        ...


def some_succeeded(rollouts: Sequence[Rollout], *, step: int) -> list[Rollout]:
    """Them all. Raises `EngineError` when not one says anything about the policy."""
    if rollouts and not scorable(rollouts):
        raise EngineError(f"all {len(rollouts)} rollouts of step {step} failed, the first with: {rollouts[0].error}")
    return list(rollouts)


def held_out_splits(wanted: Sequence[str] | None, known: Sequence[str], default: str) -> tuple[str, ...]:
    """Raises `ConfigError` for a split that the domain does not have, or trains on, and where none may choose the best policy."""
    for split in wanted or ():
        if split not in known:
            raise ConfigError(f"--eval-split may name {', '.join(known)} here, got {split!r}")
    if wanted and set(wanted) == {TEST}:
        raise ConfigError(
            f"--eval-split {TEST} is measured beside others and chooses no best policy: give --eval-split {default} {TEST}"
        )
    return tuple(dict.fromkeys(wanted or (default,)))


async def evaluate(domain: Domain, engine: Engine) -> dict[str, Any]:
    """Means over the held-out problems on which the engine did not fail, of all splits but "test"; `splits` has those of each where there are
    several.

    Raises `EngineError` when it failed on all."""
    async with asyncio.TaskGroup() as tasks:
        running = {split: tasks.create_task(domain.answers(engine, split)) for split in domain.held_out}
    found = {split: task.result() for split, task in running.items()}
    whole = summary([answer for split, answers in found.items() if split != TEST for answer in answers])
    return whole | ({"splits": {split: summary(answers) for split, answers in found.items()}} if len(found) > 1 else {})


def summary(answers: Sequence[Answer]) -> dict[str, Any]:
    """Raises `EngineError` when all of them failed."""
    kept = [answer.facts for answer in answers if answer.error is None]
    if not kept:
        raise EngineError(f"all {len(answers)} evaluation problems failed, the first with: {answers[0].error}")
    return {
        "accuracy": fmean(one.correct for one in kept),
        "work": fmean(one.work for one in kept),
        "span": fmean(one.span for one in kept),
        "parallelism": fmean(one.parallelism for one in kept),
        "children": fmean(one.children for one in kept),
        "format_errors": fmean(one.malformed for one in kept),
        "by_children": by_children(kept),
        "problems": len(kept),
        "failed": len(answers) - len(kept),
    }


def by_children(facts: Sequence[Facts]) -> dict[str, tuple[int, int]]:
    """{children: (right, tries)}, fewest children first."""
    outcomes: defaultdict[int, list[bool]] = defaultdict(list)
    for one in facts:
        outcomes[one.children].append(one.correct)
    return {str(children): (sum(right), len(right)) for children, right in sorted(outcomes.items())}


def score(evaluation: Mapping[str, Any]) -> tuple[float, float]:
    """The higher the better: accuracy first, then less work."""
    return evaluation["accuracy"], -evaluation["work"]


def means(facts: Sequence[Facts]) -> dict[str, float]:
    """What the log says about a step's scored rollouts."""
    explored = [one.explored for one in facts if one.explored is not None]
    return {
        "accuracy": fmean(one.correct for one in facts),
        "work": fmean(one.work for one in facts),
        "span": fmean(one.span for one in facts),
        "parallelism": fmean(one.parallelism for one in facts),
        "children": fmean(one.children for one in facts),
        "wasted": fmean(one.wasted for one in facts),
        "format_errors": fmean(one.malformed for one in facts),
        "refused": fmean(one.refused for one in facts),
        "cut": fmean(one.cut for one in facts),
        "wrong": fmean(one.flaw is not None for one in facts),
        **({"explored": fmean(explored)} if explored else {}),
    }
