"""What a trace's vote weighs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .events import Finished
from .policy import Needs

Kind = Literal["uniform", "length", "entropy", "confidence", "tail", "lowest", "bottom", "certainty", "borda"]


@dataclass(frozen=True, slots=True)
class Weight:
    """A rule that weighs finished traces.

    "uniform"     1
    "length"      tokens^-power: short traces are right more often (notes on lengths: `docs/sampling.md`)
    "entropy"     1 / mean entropy (inverse-entropy voting, The Sequential Edge, arXiv 2511.02309)
    "confidence", "tail", "lowest", "bottom"    that score of the trace (DeepConf, arXiv 2508.15260, section 3.1), to the power `power`
    "certainty"   self-certainty over the top candidates (arXiv 2502.18581)
    "borda"       (N - rank + 1)^power by self-certainty, the surest first (arXiv 2502.18581, section 4.2)
    """

    kind: Kind = "uniform"
    power: float = 1.0

    @property
    def needs(self) -> Needs:
        return Needs(scores=self.kind not in ("uniform", "length"))

    def of(self, traces: Sequence[Finished]) -> list[float]:
        """One weight for each trace, in their order. Traces without the score that a rule needs weigh nothing."""
        match self.kind:
            case "uniform":
                return [1.0] * len(traces)
            case "length":
                return [max(1, trace.tokens) ** -self.power for trace in traces]
            case "entropy":
                return [1.0 / max(trace.scores.entropy, 1e-6) ** self.power if trace.scores else 0.0 for trace in traces]
            case "borda":
                certainty = [trace.scores.certainty if trace.scores else -math.inf for trace in traces]
                order = sorted(range(len(traces)), key=lambda index: -certainty[index])
                weights = [0.0] * len(traces)
                for rank, index in enumerate(order, start=1):
                    weights[index] = (len(traces) - rank + 1) ** self.power
                return weights
            case _:
                return [max(0.0, getattr(trace.scores, self.kind)) ** self.power if trace.scores else 0.0 for trace in traces]


UNIFORM = Weight()
