"""Votes by canonical answer, and how sure one can be of the leader."""

from __future__ import annotations

import math
from functools import lru_cache


class Tally:
    """Vote masses by answer. Ties are broken by who came first, so that the same events give the same leader."""

    def __init__(self) -> None:
        self.mass: dict[str, float] = {}
        self.total = 0.0

    def add(self, answer: str, weight: float = 1.0) -> None:
        """Raises `ValueError` for a weight that is negative or no number."""
        if not 0 <= weight < math.inf:
            raise ValueError(f"a vote's weight must be a number of at least 0, got {weight}")
        self.mass[answer] = self.mass.get(answer, 0.0) + weight
        self.total += weight

    @property
    def leader(self) -> str | None:
        return max(self.mass, key=self.mass.__getitem__, default=None)

    @property
    def top_two(self) -> tuple[float, float]:
        """Masses of the leader and of the second; 0 where there is none."""
        first = second = 0.0
        for mass in self.mass.values():
            if mass > first:
                first, second = mass, first
            elif mass > second:
                second = mass
        return first, second

    @property
    def posterior(self) -> float:
        """P(p1 > p2) for the shares p1, p2 of leader and second under a uniform prior: 1 - I_½(v1 + 1, v2 + 1) (Adaptive-Consistency, Aggarwal
        et al. 2023, arXiv 2305.11860, section 3.2). 0.5 without votes. Masses may be fractional."""
        return ahead(*self.top_two)

    @property
    def entropy(self) -> float:
        """Semantic entropy of the answers, in bits: -Σ p log2 p over shares of the mass (Farquhar et al. 2024, with equal answers as the
        clusters). 0 without votes."""
        shares = [mass / self.total for mass in self.mass.values() if mass] if self.total else []
        return -math.fsum(share * math.log2(share) for share in shares) + 0.0


@lru_cache(maxsize=65_536)
def ahead(first: float, second: float) -> float:
    """1 - I_½(first + 1, second + 1)."""
    if first == int(first) and second == int(second):
        # The integral is a binomial tail: P(Bin(v1 + v2 + 1, ½) <= v1).
        n = int(first + second) + 1
        return float(sum(math.comb(n, k) for k in range(int(first) + 1)) / 2**n)
    return 1.0 - _half_beta(first + 1, second + 1)


def _half_beta(a: float, b: float) -> float:
    """Regularised incomplete beta function at ½, by its continued fraction (DLMF 8.17.22) with the modified Lentz method."""
    if a < b:  # the fraction converges fast only on this side; the other is the other tail
        return 1.0 - _half_beta(b, a)
    x, tiny = 0.5, 1e-300
    c, d = 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1) or tiny)
    fraction = d
    for m in range(1, 300):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / (1.0 + numerator * d or tiny)
            c = 1.0 + numerator / c or tiny
            fraction *= c * d
        if abs(c * d - 1.0) < 1e-14:
            break
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) - (a + b) * math.log(2)
    return math.exp(log_front) * fraction / a
