"""The benchmark seam: each benchmark is a small file in `suite/` that says where it comes from, how it is asked and graded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestra.answers import Equivalence
from orchestra.tools import Tool

from .problem import Grade, Problem

Read = Callable[[Mapping[str, Any]], Problem]
"""One row of the file to one problem. Raises `ProblemError` that says what is wrong with the row."""

Grader = Callable[[Problem, str, Equivalence], Awaitable[Grade]]
"""Problem and final text to a grade. Never raises for any text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """A dataset on the Hugging Face Hub, as `datasets.load_dataset` takes it."""

    id: str
    config: str | None = None
    split: str = "test"
    revision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A file that somebody fetches and gives as `--data`: it lies in a repository, or its licence leaves no other way."""

    repository: str
    """As one would type it into a browser, without `https://`."""
    path: str
    """Of the file in it, or of several, as people write it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """Problems that the package makes or holds itself; nothing is loaded."""

    make: Callable[[int], Iterable[Mapping[str, Any]]]
    """Rows for a seed, as many as are asked for; where the problems are fixed, all of them for any seed."""
    endless: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One set of problems with its grader."""

    name: str
    """As it is written on the command line."""
    title: str
    about: str
    """One sentence: what it asks, and how it is graded."""
    home: Hub | Published | Generated
    licence: str
    size: int
    """Problems in the full set; of generated ones, as many as are made when nobody says how many."""
    fields: Sequence[str]
    """That a row of `--data` must have: what an error about a wrong file names."""
    read: Read
    grade: Grader
    keep: Callable[[Mapping[str, Any]], bool] | None = None
    """Whether a row of the public file belongs to the benchmark; None: all do."""
    shared: Callable[[Sequence[Problem]], Mapping[str, Any]] | None = None
    """What is found out from all problems of a file and put to the `data` of each: a catalogue of APIs, for instance."""
    prompt: str = "problem"
    """Which `prompts/eval_<prompt>.j2` a chat model is asked with; it sees `problem` (the text) and `data`."""
    methods: frozenset[str] = frozenset({"serial", "plan"})
    """The ways to solve it that make sense; sampling policies go with each."""
    tools: Callable[[Problem], Sequence[Tool | Callable[..., Any]]] | None = None
    """What plans may call for a problem; None: arithmetic."""
    citation: str = ""
    """Paper or page that introduced it."""
