"""One generated task: words, the facts that answer it, the plan, and the answer that this plan must lead to."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

from orchestra.errors import ConfigError

from .expression import Answer, Unanswerable, answer_of, calls_of, plan_of
from .grammar import Split, expression
from .names import namer
from .wording import Wording

Fact = tuple[str, str, float | str]
"""Entity, attribute or relation, and value: a row of a `FactTable`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningTask:
    task: str
    plan: str
    """In LLMCompiler's text, as short as it can be."""
    answer: Answer
    facts: tuple[Fact, ...]
    """All that the plan looks up, and nothing else."""
    split: Split
    skeleton: str
    """The composition: tools and their nesting."""
    calls: int
    depth: int
    """Calls on the longest path: the least span that a plan can have."""
    width: int
    templates: tuple[str, ...]
    """Phrases that the task is made of."""

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Raises `ConfigError` for a line that holds no task."""
        try:
            value: dict[str, Any] = json.loads(line)
            facts = tuple((str(entity), str(attribute), fact) for entity, attribute, fact in value.pop("facts"))
            return cls(**value | {"facts": facts, "templates": tuple(value["templates"])})
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{line[:80]!r} is no planning task ({error}): make the file again") from error


def tasks(split: Split, seed: int) -> Iterator[PlanningTask]:
    """Endless tasks of a split, the same for the same seed."""
    rng = random.Random(f"{split}/{seed}")
    while True:
        try:
            yield _task(rng, split)
        except Unanswerable:
            continue


def _task(rng: random.Random, split: Split) -> PlanningTask:
    held_out = split != "train"
    name = namer(rng, held_out=held_out)
    asked = expression(rng, split, name, held_out_words=held_out)
    facts = _Facts(rng, held_out=held_out)
    answer = answer_of(asked, facts)
    wording = Wording(rng)
    return PlanningTask(
        task=wording.ask(asked),
        plan=plan_of(asked),
        answer=answer,
        facts=tuple((entity, attribute, value) for (entity, attribute), value in facts.known.items()),
        split=split,
        skeleton=asked.skeleton,
        calls=len(calls_of(asked)),
        depth=asked.depth,
        width=asked.width,
        templates=tuple(wording.used),
    )


class _Facts:
    """Invented when they are asked for, and remembered."""

    def __init__(self, rng: random.Random, *, held_out: bool) -> None:
        self.known: dict[tuple[str, str], float | str] = {}
        self._rng = rng
        self._name = namer(rng, held_out=held_out)
        self._size = 10 ** rng.randint(1, 5)

    def __call__(self, tool: str, entity: str, attribute: str) -> float | str:
        key = entity, attribute
        if key not in self.known:
            self.known[key] = self._name() if tool == "related" else self._number()
        return self.known[key]

    def _number(self) -> float:
        number = self._rng.randint(self._size, 20 * self._size)
        return number if self._rng.random() < 0.8 or number % 10 == 0 else number / 10
