"""A question with the steps that answer it: lookups of several things at once, and arithmetic on what they return."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from orchestra.tools.arithmetic import arithmetic

from .facts import FACTS

Kind = Literal["movie", "parallelqa"]
TOLERANCE = 0.1
"""Of numbers, relative: LLMCompiler's own measure."""

_PLACE = re.compile(r"\{(\d+)\}")


@dataclass(frozen=True, slots=True)
class Step:
    """One tool call."""

    tool: Literal["search", "math"]
    argument: str
    """What is searched for; or an expression, in which {2} is what step 2 found (steps count from 1)."""

    @property
    def needs(self) -> list[int]:
        return [int(place) for place in _PLACE.findall(self.argument)] if self.tool == "math" else []

    def filled(self, fill: Callable[[int], str]) -> str:
        """The argument with its places filled in."""
        return _PLACE.sub(lambda place: fill(int(place[1])), self.argument) if self.tool == "math" else self.argument


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    id: str
    kind: Kind
    text: str
    answer: str
    steps: tuple[Step, ...]
    asks: Literal["film", "number", "largest", "smallest"]
    """number: the last step's value. largest, smallest: the thing whose adjusted value is."""

    def __post_init__(self) -> None:
        assert all(need <= place for place, step in enumerate(self.steps) for need in step.needs), "steps come after what they need"
        assert self.depths == sorted(self.depths), "steps that can run together stand together"

    @property
    def depths(self) -> list[int]:
        """How many steps each has to wait for, one after another."""
        depths: list[int] = []
        for step in self.steps:
            depths.append(max((depths[need - 1] + 1 for need in step.needs), default=0))
        return depths

    @property
    def entities(self) -> list[str]:
        return [step.argument for step in self.steps if step.tool == "search"]

    def expression(self, place: int, outputs: Sequence[Any]) -> str:
        """The argument of step `place`, with the values that the steps before it returned."""
        return self.steps[place - 1].filled(lambda need: repr(value_of(outputs[need - 1])))

    def answer_from(self, outputs: Sequence[Any]) -> str:
        """What follows from the outputs of all steps. Raises `LookupError`, `TypeError` when they are not what the steps return."""
        if self.asks == "film":
            if [output["entity"] for output in outputs] != self.entities:
                raise LookupError("not every film was looked up")
            return self.answer  # which of the films is most like the others is for a real model to know
        if self.asks == "number":
            return f"{value_of(outputs[len(self.steps) - 1]):.6g}"
        adjusted = [value_of(output) for output, step in zip(outputs, self.steps, strict=True) if step.tool == "math"]
        pick = max if self.asks == "largest" else min
        return self.entities[adjusted.index(pick(adjusted))]

    def is_right(self, answer: str) -> bool:
        """By LLMCompiler's measure: numbers within a tenth, texts alike but for case, punctuation and articles."""
        try:
            gold, number = float(self.answer), float(answer)
        except ValueError:
            return _normal(answer) == _normal(self.answer)
        return abs(number - gold) <= TOLERANCE * abs(gold)


def value_of(output: Any) -> float:
    """The number in what a tool returned."""
    value = output["value"] if isinstance(output, dict) else output
    if not isinstance(value, int | float):
        raise TypeError(f"expected a number, got {output!r}")
    return value


def look_up(entity: str) -> dict[str, Any]:
    """What the search tool returns; anything that has no fact is a film."""
    fact = FACTS.get(entity)
    if fact is None:
        return {
            "entity": entity,
            "text": f"{entity} is a feature film. The article goes on with its plot, its cast and its reception.",
        }
    text = f"The {fact.quantity} of {entity} is {fact.value:,.10g} {fact.unit}. The article goes on with its history."
    return {"entity": entity, "text": text, "value": fact.value, "unit": fact.unit}


def outputs_of(question: Question) -> list[Any]:
    """What the tools return, step by step."""
    outputs: list[Any] = []
    for place, step in enumerate(question.steps, start=1):
        argument = question.expression(place, outputs)
        outputs.append(look_up(argument) if step.tool == "search" else arithmetic(argument))
    return outputs


def _normal(text: str) -> str:
    words = text.lower().translate(str.maketrans("", "", string.punctuation)).split()
    return " ".join(word for word in words if word not in ("a", "an", "the"))
