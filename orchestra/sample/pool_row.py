"""One problem of a pool as a line of our own format: one array a property, one entry a trace (`pool_file` shows one)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .events import Step
from .pool import PooledProblem, Recorded
from .pool_formats import Count
from .scores import TraceScores

Value = TypeVar("Value")


class Row(BaseModel):
    """Columns that are None hold the default for every trace."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    id: str
    text: str
    gold: str | None = None
    group: str = ""
    answers: list[str]
    """Every answer that occurs, once; the entries of `answer` and `probes` point into it."""
    tokens: Annotated[list[Count], Field(min_length=1)]
    answer: list[Count | None]
    correct: list[bool]
    cut: list[bool] | None = None
    span: list[Count | None] | None = None
    arm: list[str] | None = None
    probes: list[list[Count | None] | None] | None = None
    confidence: list[list[float] | None] | None = None
    scores: list[tuple[float, float, float, float, float, float] | None] | None = None
    """The fields of `TraceScores` in their order."""
    steps: list[list[tuple[Count, float]] | None] | None = None
    reward: list[float | None] | None = None
    words: list[str | None] | None = None
    """Texts of the traces."""
    ids: list[list[int] | None] | None = None

    @model_validator(mode="after")
    def _fit(self) -> Self:
        traces = len(self.tokens)
        for name, column in self:
            if isinstance(column, list) and name not in ("answers", "tokens") and len(column) != traces:
                raise ValueError(f"`{name}` has {len(column)} entries for {traces} traces")
        pointers = [*self.answer, *(pointer for probes in self.probes or () for pointer in probes or ())]
        if max((pointer for pointer in pointers if pointer is not None), default=-1) >= len(self.answers):
            raise ValueError(f"an answer points beyond the {len(self.answers)} in `answers`")
        return self

    def problem(self) -> PooledProblem:
        traces = [
            Recorded(
                tokens=tokens,
                answer=self._at(answer),
                correct=correct,
                cut=cut,
                span=span,
                arm=arm,
                probes=None if probes is None else [self._at(pointer) for pointer in probes],
                confidence=confidence,
                scores=None if scores is None else TraceScores(**dict(zip(_SCORES, scores, strict=True))),
                steps=None if steps is None else [Step(*step) for step in steps],
                reward=reward,
                text=words,
                token_ids=ids,
            )
            for tokens, answer, correct, cut, span, arm, probes, confidence, scores, steps, reward, words, ids in zip(
                self.tokens,
                self.answer,
                self.correct,
                self._each(self.cut, False),
                self._each(self.span, None),
                self._each(self.arm, ""),
                self._each(self.probes, None),
                self._each(self.confidence, None),
                self._each(self.scores, None),
                self._each(self.steps, None),
                self._each(self.reward, None),
                self._each(self.words, None),
                self._each(self.ids, None),
                strict=True,
            )
        ]
        return PooledProblem(id=self.id, text=self.text, gold=self.gold, traces=traces, group=self.group)

    def _at(self, pointer: int | None) -> str | None:
        return None if pointer is None else self.answers[pointer]

    def _each(self, column: Sequence[Value] | None, default: Value) -> Sequence[Value]:
        return [default] * len(self.tokens) if column is None else column


_SCORES = tuple(TraceScores.__dataclass_fields__)


def dumped(problem: PooledProblem) -> str:
    """The line that holds `problem`. Raises `ValueError` for a score that is infinite or no number."""
    answers: dict[str, int] = {}

    def pointer(answer: str | None) -> int | None:
        return None if answer is None else answers.setdefault(answer, len(answers))

    def column(value: Callable[[Recorded], Any], default: Any = None) -> list[Any] | None:
        values = [value(trace) for trace in problem.traces]
        return None if all(value == default for value in values) else values

    columns = {
        "tokens": [trace.tokens for trace in problem.traces],
        "answer": [pointer(trace.answer) for trace in problem.traces],
        "correct": [int(trace.correct) for trace in problem.traces],
        "cut": column(lambda t: int(t.cut), 0),
        "span": column(lambda t: t.span),
        "arm": column(lambda t: t.arm, ""),
        "probes": column(lambda t: None if t.probes is None else [pointer(probe) for probe in t.probes]),
        "confidence": column(lambda t: None if t.confidence is None else _rounded(t.confidence)),
        "scores": column(lambda t: None if t.scores is None else _rounded(astuple(t.scores))),
        "steps": column(lambda t: None if t.steps is None else [(s.start, *_rounded([s.uncertainty])) for s in t.steps]),
        "reward": column(lambda t: None if t.reward is None else _rounded([t.reward])[0]),
        "words": column(lambda t: t.text),
        "ids": column(lambda t: None if t.token_ids is None else list(t.token_ids)),
    }
    row: dict[str, Any] = {
        "id": problem.id,
        "text": problem.text,
        "gold": problem.gold,
        "group": problem.group,
        "answers": list(answers),
    }
    row |= {name: values for name, values in columns.items() if values is not None}
    return json.dumps(row, separators=(",", ":"), allow_nan=False)


def _rounded(values: Iterable[float]) -> list[float]:
    """To five digits: scores are compared and averaged, and more digits would be most of the file."""
    return [float(f"{value:.5g}") for value in values]
