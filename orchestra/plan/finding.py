"""What is wrong with a plan, in words that a model can act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ..errors import PlanError

Code = Literal[
    "syntax",
    "unknown-tool",
    "missing-argument",
    "unknown-argument",
    "wrong-type",
    "dangling-reference",
    "forward-reference",
    "self-reference",
    "duplicate-id",
    "id-gap",
    "cycle",
    "missing-join",
    "unreachable",
    "too-wide",
    "too-deep",
    "too-many",
    "bad-policy",
    "kept-as-text",
    "empty",
]


@dataclass(frozen=True, slots=True)
class Finding:
    code: Code
    message: str
    """What is wrong, with the value, and what would be right."""
    node: str | None = None
    severity: Literal["error", "warning"] = "error"
    """A plan with a warning runs; one with an error does not."""

    def __str__(self) -> str:
        return f"node {self.node}: {self.message}" if self.node else self.message


def errors(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity == "error"]


class InvalidPlan(PlanError):
    """A plan with errors. `findings` holds all of them, warnings included."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        lines = "".join(f"\n- {finding}" for finding in errors(self.findings))
        super().__init__(f"the plan cannot be run:{lines}")
