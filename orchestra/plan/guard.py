"""Keeps planning from going in circles: bounded rounds, and no plan twice."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigError
from .plan import Plan


@dataclass(frozen=True, slots=True)
class Ruling:
    allowed: bool
    reason: str = ""
    """Why not."""


class Guard:
    """For one task: each plan that is to run, the first one and each after a patch or a new plan, is asked about here."""

    def __init__(self, max_rounds: int = 5) -> None:
        if max_rounds < 1:
            raise ConfigError(f"`max_rounds` must be at least 1, for the first plan, got {max_rounds}")
        self.max_rounds = max_rounds
        self._seen: dict[str, int] = {}

    @property
    def rounds(self) -> int:
        """How many were allowed."""
        return len(self._seen)

    def admit(self, plan: Plan) -> Ruling:
        """Allows a plan that does something new, while there are rounds left. What is refused does not count as a round."""
        earlier = self._seen.get(plan.signature)
        if earlier is not None:
            return Ruling(False, f"round {self.rounds + 1} would do the same as round {earlier}: answer with what there is")
        if self.rounds == self.max_rounds:
            return Ruling(False, f"all {self.max_rounds} rounds are used: answer with what there is")
        self._seen[plan.signature] = self.rounds + 1
        return Ruling(True)
