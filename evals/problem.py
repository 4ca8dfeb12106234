"""What an eval asks: problems of benchmarks, and what graders say of answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem of a benchmark."""

    benchmark: str
    text: str
    """What is to be solved, in words: chat models are sent this within the benchmark's prompt."""
    gold: Any
    """What grading compares with, as JSON; None where the grader needs nothing."""
    name: str = ""
    """What people call it: the benchmark's own number, or its content when that is short."""
    group: str = ""
    """A part of the benchmark that reports show apart, such as a level."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """The same problem as data, as JSON, for methods and graders that need more than words: numbers, tools, graphs."""

    @property
    def id(self) -> str:
        """Hash of its content: its identity across runs, whatever the order or the version of a file."""
        content = json.dumps([self.benchmark, self.text, self.gold, dict(self.data)], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """What a grader says of one answer."""

    correct: bool
    answer: str | None
    """As it was read from the text, for people and for votes; None when the text holds none."""
    score: float | None = None
    """In 0 … 1, where a benchmark gives part marks; None: 1 for correct answers and 0 for others."""
    flaw: str | None = None
    """What is wrong with it, in a few words, where the grader can say."""
