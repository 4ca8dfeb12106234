"""How sure a model was of each of its tokens, in three numbers a token, from the most probable candidates for it."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, log
from operator import mul
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_LOGPROB = -18.0
"""What a candidate counts with that is less likely than this (1.5e-8), or that the sampling cut off."""
_BITS_A_NAT = 1 / log(2)


def _floats() -> array[float]:
    return array("f")


@dataclass(slots=True)
class Scores:
    """One element a token in each array, computed from the `top` most probable candidates under the distribution it was drawn from.

    Candidates that are missing, because top-p cut them off or the vocabulary is small, count as improbable: were they left out, a token that
    stands alone would get the confidence of a toss between many.
    """

    top: int
    confidence: array[float] = field(default_factory=_floats)
    """Minus the mean natural log-probability of the candidates, none below `LEAST_LOGPROB` (DeepConf, arXiv 2508.15260, C_i, which has no such
    floor): the higher, the surer."""
    entropy: array[float] = field(default_factory=_floats)
    """Sum of -p log2 p over the candidates, in bits, not renormalised (arXiv 2511.02309)."""
    mass: array[float] = field(default_factory=_floats)
    """Sum of their probabilities. entropy / mass + log2(mass) is the entropy of the renormalised candidates (arXiv 2510.24698)."""

    def add(self, top_logprobs: Sequence[float]) -> None:
        """One token: the natural log-probabilities of its most probable candidates, at most `top` of them, in any order."""
        assert 0 < len(top_logprobs) <= self.top, (len(top_logprobs), self.top)
        missing = self.top - len(top_logprobs)
        floored = [max(logprob, LEAST_LOGPROB) for logprob in top_logprobs]
        probabilities = list(map(exp, top_logprobs))
        # No log-probability is positive: `abs` turns the sign, and leaves no -0.0.
        self.confidence.append(abs(sum(floored) + missing * LEAST_LOGPROB) / self.top)
        self.entropy.append(abs(sum(map(mul, probabilities, floored))) * _BITS_A_NAT)
        self.mass.append(sum(probabilities))

    def add_rows(self, top_logprobs: NDArray[np.floating[Any]]) -> None:
        """The same for a row of candidates a token, which takes a quarter of the time when there are hundreds. Needs numpy."""
        import numpy as np

        missing = self.top - top_logprobs.shape[1]
        floored = np.maximum(top_logprobs, LEAST_LOGPROB)
        probabilities = np.exp(top_logprobs)
        for scores, new in (
            (self.confidence, abs(floored.sum(1) + missing * LEAST_LOGPROB) / self.top),
            (self.entropy, abs((probabilities * floored).sum(1)) * _BITS_A_NAT),
            (self.mass, probabilities.sum(1)),
        ):
            scores.frombytes(new.astype(np.float32).tobytes())

    def extend(self, other: Scores) -> None:
        """The tokens of `other` after these."""
        assert other.top == self.top, (other.top, self.top)
        self.confidence.extend(other.confidence)
        self.entropy.extend(other.entropy)
        self.mass.extend(other.mass)

    def __len__(self) -> int:
        return len(self.mass)

    def __getitem__(self, tokens: slice) -> Scores:
        """A copy of those of some tokens."""
        return Scores(self.top, self.confidence[tokens], self.entropy[tokens], self.mass[tokens])
