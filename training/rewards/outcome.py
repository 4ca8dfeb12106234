"""Terms about the answer and the format: right or wrong, well formed or not."""

from __future__ import annotations

from typing import Literal

from ..rollout import Facts
from .limits import When, at_least_zero, capped, counts
from .reward import Read, term

Refusals = Literal["allowed", "errors"]
"""Whether calls that a limit kept from starting are errors of format. For AsyncThink an overflow of the agent pool is one."""


def format_errors_of(facts: Facts, refusals: Refusals = "allowed") -> int:
    return facts.malformed + (facts.refused if refusals == "errors" else 0)


@term
def correct(*, right: float = 1.0, wrong: float = 0.0) -> Read:
    """`right` for a verified answer, `wrong` for none or a wrong one.

    1/0 is the reward of APR (arXiv 2504.15466, GRPO on Countdown; `recipes.apr`) and the first summand of P-GRPO (arXiv 2512.07843,
    equation 7); 1/-1 that of Parallel-R1's accuracy stage (arXiv 2509.07980) and what P-GRPO's released code pays
    (`threadweaver_rl/deepscaler/rewards/math_rewardv2.py`: its `incorrect_reward` is -1 unless a flag says otherwise).
    """
    return lambda facts, _: right if facts.correct else wrong


@term
def format_gate(*, refusals: Refusals = "allowed") -> Read:
    """1 if nothing that was executed is malformed, else 0: multiply by it what only a well-formed rollout may earn.

    P-GRPO's released code has such a check switched off (`parallel_format_correct` is always true in `math_rewardv2.py`).
    """
    return lambda facts, _: float(not format_errors_of(facts, refusals))


@term
def malformed(*, refusals: Refusals = "allowed") -> Read:
    """1 if anything that was executed is malformed, else 0: 1 - `format_gate`. AsyncThink's first case (arXiv 2510.26658)."""
    return lambda facts, _: float(bool(format_errors_of(facts, refusals)))


@term
def format_errors(*, price: float, max: float | None = 1.0, when: When = "always", refusals: Refusals = "allowed") -> Read:
    """`price` for each malformed part, at most `max` in all. To subtract.

    With max=2 it has the range of NPR-Zero's format reward (arXiv 2512.07461: accuracy, and 0 down to -2 for the format).
    """
    at_least_zero(price=price, max=max)
    return lambda facts, _: capped(price * format_errors_of(facts, refusals), max) if counts(facts, when) else 0.0


@term
def long_children(*, tokens: int) -> Read:
    """1 if every executed child that was not cancelled has sampled `tokens` or more, or there is none; else 0. To multiply.

    Against children that exist only to be counted, which pay wherever forks are paid by number (ours).
    """
    at_least_zero(tokens=tokens)
    return lambda facts, _: float(facts.shortest_child is None or facts.shortest_child >= tokens)
