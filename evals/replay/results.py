"""What a comparison on recorded traces says, as it is written to `results.json`. Accuracies and their differences are shares of 1; tokens,
spans and seconds are means a problem."""

from __future__ import annotations

from pydantic import BaseModel


class Estimate(BaseModel):
    value: float
    error: float | None
    """One standard error, over problems; None with a single one."""


class Difference(BaseModel):
    """Paired, with its 95 % interval from a hierarchical bootstrap (problems within their groups, then resamples)."""

    value: float
    low: float
    high: float


class Matched(BaseModel):
    """Plain majority voting with as many traces as cost the same, chosen for each problem, between two whole numbers of traces if need be."""

    accuracy: float
    traces: float
    difference: Difference
    """The policy minus the majority."""
    out_of_reach: int
    """Problems in which one trace costs more already, or all of the pool's cost less: there the nearest majority stands in."""


class Group(BaseModel):
    """The problems of one set."""

    problems: int
    accuracy: Estimate
    tokens: Estimate
    span: Estimate
    difference: Difference | None
    """To the baseline, on this set."""


class Row(BaseModel):
    """One policy."""

    policy: str
    accuracy: Estimate
    tokens: Estimate
    """Work: all sampled tokens, those of aborted traces, probes and judges included."""
    span: Estimate
    """Sampled tokens on the critical path."""
    seconds: Estimate
    """Of virtual time: decoding steps."""
    counts: dict[str, float]
    """Means a problem of the account's other entries; tokens, and numbers of traces."""
    tokens_share: float
    """Of the baseline's tokens."""
    span_share: float
    difference: Difference | None
    """To the baseline; None for itself."""
    at_tokens: Matched
    at_span: Matched
    groups: dict[str, Group]


class Point(BaseModel):
    """Plain majority of `traces` traces."""

    traces: int
    accuracy: Estimate
    tokens: float
    span: float
    seconds: float


class Skipped(BaseModel):
    policy: str
    reason: str


class Report(BaseModel):
    pool: str
    problems: int
    groups: dict[str, int]
    """Problems in each set."""
    depth: int
    """Traces that every problem has at least."""
    resamples: int
    seed: int
    slots: int | None
    baseline: str
    rows: list[Row]
    """The baseline first, the others in the order in which they were asked for."""
    skipped: list[Skipped]
    """Policies that this pool cannot express."""
    curve: list[Point]
    notes: list[str]
    """What a reader should know."""
