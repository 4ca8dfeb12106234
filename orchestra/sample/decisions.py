"""What a policy answers to an event. Traces are numbered 0, 1, 2, … in the order in which their launches were decided."""

from __future__ import annotations

from dataclasses import dataclass

from .events import Group


@dataclass(frozen=True, slots=True)
class Fresh:
    """From the problem alone."""


@dataclass(frozen=True, slots=True)
class Branch:
    """From the problem and the first `tokens` sampled tokens of another trace."""

    trace: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Revise:
    """From the problem and what other traces wrote, put into the prompt `purpose` (`prompts/sample_<purpose>.j2`)."""

    traces: tuple[int, ...]
    purpose: str
    """ "refine", "distill", "summarise", "select" … What it samples is booked as summary when it gives no answer of its own ("distill")."""


Start = Fresh | Branch | Revise
FRESH = Fresh()


@dataclass(frozen=True, slots=True)
class Launch:
    """Start `count` more traces."""

    count: int = 1
    arm: str = ""
    """Which of the run's sources: another model, mode or prompt. "" is the main one."""
    start: Start = FRESH


@dataclass(frozen=True, slots=True)
class Abort:
    """End traces now. Those that have ended already are passed over."""

    traces: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """Make running traces answer now, beside their own decoding; all answers come in one `Probed`."""

    traces: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Judge:
    """Ask the judge called `question` about groups of traces; all scores come in one `Judged`."""

    question: str
    groups: tuple[Group, ...]
    tokens: int | None = None
    """How much of each trace it is shown; None for all there is."""


@dataclass(frozen=True, slots=True)
class Wake:
    """Send `Woken` at this time, or at once if it is over."""

    at: float


@dataclass(frozen=True, slots=True)
class Stop:
    """The run is over and this is its answer. All that still runs is aborted."""

    answer: str | None
    why: str
    """For people, such as "5 of 7 agree: posterior 0.96"."""
    trace: int | None = None
    """The trace whose words are the answer, where one is; else any that gave it."""


Decision = Launch | Abort | Probe | Judge | Wake | Stop
