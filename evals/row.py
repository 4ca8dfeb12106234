"""One row of a run: one try at one problem, what came out and what it cost."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Row(BaseModel):
    """One finished (problem, epoch). Counts are tokens unless they say otherwise; see `orchestra.thread.Ledger` and `orchestra.sample.Account`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    benchmark: str
    problem: str
    """The problem's id: a hash of its content."""
    name: str = ""
    group: str = ""
    epoch: int = 0
    gold: Any = None
    answer: str | None
    """As it was read from the text."""
    correct: bool
    score: float
    """In 0 … 1."""
    flaw: str | None = None
    """Why the answer is wrong, where the grader can say."""
    error: str | None = None
    """An infrastructure failure: such a row is neither right nor wrong, and is tried again by the next run."""
    status: str
    """How it ended: "finished", "cut", "failed" …"""
    timed_out: bool = False
    work: int
    span: int
    wasted: int = 0
    """Sampled by what was cancelled or pruned; part of `work`."""
    unobserved: int = 0
    """Upper bound on what was sampled after aborts and never reported; no part of `work`."""
    injected: int = 0
    cached: int | None = None
    """Prompt tokens from the prefix cache; None when the engine does not say."""
    prefilled: int | None = None
    judged: int = 0
    """Prompt tokens that judges read; no part of `prefilled`."""
    context: int | None = None
    """The most tokens that any one context held."""
    requests: int = 0
    threads: int = 1
    """Threads, traces or plan nodes that were started."""
    refused: int = 0
    """Children that a limit kept from starting."""
    cut: int | None = None
    """Children that ran out of their window or of the tokens of a budget; None where nobody counted them."""
    explored: int | None = None
    """Countdown: operations whose result the model wrote, a measure of work that does not depend on the tokenizer."""
    engine_seconds: float = 0.0
    wall_seconds: float
    at_once: int
    """Problems that were running at once: wall seconds of loaded runs do not compare with idle ones."""
    retries: int = 0
    """Tries that infrastructure failures took from it before this one."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """What a method wants known, such as why a policy stopped."""

    @property
    def key(self) -> tuple[str, int]:
        return self.problem, self.epoch
