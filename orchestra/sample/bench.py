"""What a live run may use beside its main source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .judges.base import Judge
from .run import check_slots
from .source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a live run may use beside its main source."""

    arms: Mapping[str, Source] = field(default_factory=dict)
    """Other models, modes or prompts, by the names that policies launch on."""
    judges: Mapping[str, Judge] = field(default_factory=dict)
    judge_timeout_s: float = 60.0
    """After which a judge has no opinion."""
    slots: int | None = None
    """Traces that run at once; further launches wait."""

    def __post_init__(self) -> None:
        check_slots(self.slots)
