"""The judges of a run that was given none: words in common for pairs of traces, the model itself for everything else."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...chat.base import ChatModel
from ...errors import ConfigError
from .ask import AskJudge
from .base import Judge
from .similar import Similar

PAIRS = frozenset({"same_answer", "similar"})
TEMPLATES: Mapping[str, str] = {"reward": "correct", "difficulty": "difficulty", "tests": "tests"}
"""For each question, which `prompts/sample_judge_<template>.j2` a model is asked. Not for "accept", whose scores must be those that `Atts` was
calibrated with, and high for what is strange."""


def default_judges(questions: Collection[str], model: ChatModel | None) -> dict[str, Judge]:
    """A judge for each of `questions`. What a model is asked is paid for like everything else: `Account.judge`, `Account.judge_read`.

    Raises `ConfigError` for a question that needs a model where there is none, or one that nobody knows.
    """
    judges: dict[str, Judge] = {}
    for question in sorted(questions):
        if question in PAIRS:
            judges[question] = Similar()
        elif question in TEMPLATES and model is not None:
            judges[question] = AskJudge(model, TEMPLATES[question])
        else:
            raise ConfigError(
                f"the policy asks the judge {question!r}, and there is no {'default for it' if model else 'chat model here to be it'}: give one in Python, "
                f"`bench=Bench(judges={{{question!r}: …}})`, or choose another policy"
            )
    return judges
