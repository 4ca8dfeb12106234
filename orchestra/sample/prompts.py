"""What sampling writes to models: `prompts/sample_<name>.j2`, one file a purpose, with their variables named on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
from ..prompt_files import template

OPENING, CLOSING = "<think>", "</think>"
WITHOUT_ANSWER = frozenset({"choose_outline", "distill", "outline", "report"})
"""Purposes whose traces condense others or prepare them: what looks like an answer there is somebody else's."""
LONGEST_UNSAID = 4000
"""Characters of a thought without an end that stand for what was never said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A trace as other traces are shown it: a variable of the prompts that revise, distill or select."""

    text: str
    """Without its thinking."""
    answer: str | None
    """In its own words; None when it states none."""


def attempts(traces: Sequence[tuple[str, str | None]]) -> list[Attempt]:
    """From what each trace has written, and its answer."""
    return [Attempt(text=said(text), answer=answer) for text, answer in traces]


def said(text: str) -> str:
    """`text` without its thinking. Where the thinking never ended, its last characters: that is all there is."""
    _, closed, after = text.rpartition(CLOSING)
    if is_thinking(text):
        return text[-LONGEST_UNSAID:].rpartition(OPENING)[2].strip()
    return (after if closed else text).strip()


def is_thinking(text: str) -> bool:
    """Whether `text` ends inside a thought."""
    return text.rfind(OPENING) > text.rfind(CLOSING)


def render(name: str, **variables: Any) -> str:
    """`prompts/sample_<name>.j2` with its variables, without white space around it.

    A missing variable is an error, not an empty text. What stands in the variables is never read as a template. Raises `ConfigError` when
    there is no such file.
    """
    prompt = template(f"sample_{name}")
    if prompt is None:
        raise ConfigError(f"there is no prompt {name!r}: add prompts/sample_{name}.j2, or name one that is there")
    return prompt.render(**variables).strip()
