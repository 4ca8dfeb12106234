"""Terms that pay for parallelism, measured on executed forks: text that only looks parallel earns nothing."""

from __future__ import annotations

from .limits import When, above_zero, at_least_zero, capped, counts
from .reward import Read, term


@term
def acceleration(*, scale: float = 1.0, max: float | None = None, when: When = "correct") -> Read:
    """min(`scale` · η, `max`) with η = 1 - span / work.

    The second summand of P-GRPO (ThreadWeaver, arXiv 2512.07843): scale=0.5, max=0.2 are ρ and ρ_clip of equations 7 and 8; the released
    code (`threadweaver_rl/deepscaler/rewards/math_rewardv2.py`) caps first and scales after, 0.5 · min(η, 0.2), so that its bonus is at
    most 0.1. It reads η from the tags of the text; here it is the executed tree's, sampled tokens only.
    η also rises when children sample more to no use: keep the cap, and a price on work beside it.
    """
    at_least_zero(scale=scale, max=max)
    return lambda facts, _: capped(scale * facts.acceleration, max) if counts(facts, when) else 0.0


@term
def concurrency(*, pool: int, max: float, when: When = "always") -> Read:
    """min(η / `pool`, `max`) / `max`, where η is the mean number of children that sample at a step of the critical path: 0 … 1.

    AsyncThink's concurrency reward (arXiv 2510.26658, R_η with c = `pool`, the organiser and its workers, and τ = `max`, which keeps it from
    paying for ever wider forks). One token is one step, so that η = tokens sampled below the root / span; the root is no worker.
    """
    above_zero(pool=pool, max=max)
    return lambda facts, _: min(facts.in_children / facts.span / pool, max) / max if facts.span and counts(facts, when) else 0.0
