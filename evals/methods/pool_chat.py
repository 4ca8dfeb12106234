r"""A chat model that answers from a pool of recorded traces: `--engine pool:FILE`. It takes an eval from end to end without a model.

Each request for a problem gets the problem's next trace: `\boxed{answer}`, counted as the tokens that were recorded. Replies come at once, so
policies that race traces against each other see no race; replaying a pool (`orchestra replay`) is exact for those.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from orchestra.chat import ChatRequest, Reply
from orchestra.errors import ConfigError
from orchestra.sample.pool import Pool, PooledProblem
from orchestra.sample.pool_file import read_pool

from .boxes import boxed

_WORD = re.compile(r"[a-z]+|\d+")
_LEAST_ALIKE = 0.3
"""Cosine of weighed word counts: copies of a problem differ in their LaTeX, some have drawings in them, and prompts add a few words."""


class PoolChat:
    """Copies of one problem differ in their notation, so a request belongs to the problem whose words are most like its own."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        texts = [_words(problem.text) for problem in pool.problems]
        found = Counter(word for words in texts for word in set(words))
        self._rare = {word: math.log((1 + len(texts)) / problems) for word, problems in found.items()}
        """By word: how much it says about which problem it stands in. Words that stand in none, such as a prompt's, say nothing."""
        self._words = [(self._weighed(words), problem) for words, problem in zip(texts, pool.problems, strict=True)]
        self._found: dict[str, PooledProblem] = {}
        self._given: Counter[str] = Counter()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises `ConfigError` for a file that is no pool."""
        return cls(read_pool(path))

    @property
    def name(self) -> str:
        return f"pool:{self._pool.name}"

    async def reply(self, request: ChatRequest) -> Reply:
        """Raises `ConfigError` for a problem that is not in the pool, and when all its traces have been given."""
        problem = self._problem(request.messages[-1].content)
        number = self._given[problem.id]
        if number == len(problem.traces):
            raise ConfigError(
                f"{self.name} has {number} traces of {problem.id}, and all have been given: lower --epochs or the policy's `n`"
            )
        self._given[problem.id] += 1
        trace = problem.traces[number]
        text = "I cannot say." if trace.answer is None else f"The answer is {boxed(trace.answer)}"
        if request.on_text is not None:
            request.on_text(text)
        return Reply(text=text, finish="length" if trace.cut else "stop", sampled_tokens=trace.tokens)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def _problem(self, question: str) -> PooledProblem:
        if question not in self._found:
            words = self._weighed(_words(question))
            alike, best = max(((_cosine(words, other), problem) for other, problem in self._words), key=lambda found: found[0])
            if alike < _LEAST_ALIKE:
                raise ConfigError(f"{self.name} has no problem like {question[:80]!r}: give the benchmark that it was recorded on")
            self._found[question] = best
        return self._found[question]

    def _weighed(self, words: Counter[str]) -> dict[str, float]:
        return {word: count * self._rare[word] for word, count in words.items() if word in self._rare}


def _words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(text.lower()))


def _cosine(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    product = sum(weight * other.get(word, 0.0) for word, weight in one.items())
    return product / (_length(one) * _length(other)) if product else 0.0


def _length(words: Mapping[str, float]) -> float:
    return math.sqrt(sum(weight * weight for weight in words.values()))
