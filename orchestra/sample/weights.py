"""What a trace's vote weighs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .events import Finished
from .policy import Needs

MOST_POWER = 16
"""Beyond, weights of long traces are lost to rounding."""

Kind = Literal["uniform", "length", "entropy", "confidence", "tail", "lowest", "bottom", "certainty", "borda"]


@dataclass(frozen=True, slots=True)
class Weight:
    """A rule that weighs finished traces.

    "uniform"     1
    "length"      tokens^-power: short traces are right more often (notes on lengths: `docs/sampling.md`)
    "entropy"     1 / mean entropy (inverse-entropy voting, The Sequential Edge, arXiv 2511.02309)
    "confidence", "tail", "lowest", "bottom"    that score of the trace (DeepConf, arXiv 2508.15260, section 3.1), to the power `power`
    "certainty"   self-certainty over the top candidates (arXiv 2502.18581)
    "borda"       (N - rank + 1)^power by self-certainty, the surest first, N counting those that have one (arXiv 2502.18581, section 4.2)
    """

    kind: Kind = "uniform"
    power: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.power <= MOST_POWER:
            raise ValueError(f"the power of a weight must lie between 0 and {MOST_POWER}, got {self.power}")

    @property
    def needs(self) -> Needs:
        return Needs(scores=self.kind not in ("uniform", "length"))

    def of(self, traces: Sequence[Finished]) -> list[float]:
        """One weight for each trace, in their order. Traces whose score is missing or no number weigh nothing where the rule goes by it."""
        match self.kind:
            case "uniform":
                return [1.0] * len(traces)
            case "length":
                return [max(1, trace.tokens) ** -self.power for trace in traces]
            case "entropy":
                entropies = [_score(trace, "entropy") for trace in traces]
                return [0.0 if entropy is None else max(entropy, 1e-6) ** -self.power for entropy in entropies]
            case "borda":
                certainties = [
                    (index, score) for index, trace in enumerate(traces) if (score := _score(trace, "certainty")) is not None
                ]
                weights = [0.0] * len(traces)
                for rank, (index, _) in enumerate(sorted(certainties, key=lambda known: -known[1])):
                    weights[index] = (len(certainties) - rank) ** self.power
                return weights
            case _:
                scores = [_score(trace, self.kind) for trace in traces]
                return [0.0 if score is None else max(0.0, score) ** self.power for score in scores]


def _score(trace: Finished, name: str) -> float | None:
    """None when nobody scored the trace, or with what is no finite number."""
    score = None if trace.scores is None else float(getattr(trace.scores, name))
    return score if score is not None and math.isfinite(score) else None


UNIFORM = Weight()
