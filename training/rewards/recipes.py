"""Rewards of papers, and ours, as compositions of terms. Each is the text's `name(…)` too, and appears term by term in scores."""

from __future__ import annotations

from .outcome import correct, format_gate, malformed
from .parallel_r1 import parallel_bonus, parallel_correct
from .reward import Reward
from .speed import acceleration, concurrency
from .steps import early, late


def p_grpo(*, rho: float = 0.5, clip: float = 0.2) -> Reward:
    """c + c · min(ρη, ρ_clip): P-GRPO as in its paper (ThreadWeaver, arXiv 2512.07843, equations 7 and 8), to be centred without std."""
    return correct() + acceleration(scale=rho, max=clip)


def p_grpo_code(*, factor: float = 0.5, clip: float = 0.2, wrong: float = -1.0) -> Reward:
    """(1 or `wrong`) + c · `factor` · min(η, `clip`): P-GRPO as its released code is launched.

    `threadweaver_rl/deepscaler/rewards/math_rewardv2.py` with the ratio's reward at 1. The bonus is at most 0.1 of a gap of 2 between right
    and wrong, the paper's at most 0.2 of a gap of 1. (Its READMEs print a third formula, `factor` · min(ratio - 1, `clip`).)
    """
    return correct(wrong=wrong) + factor * acceleration(max=clip)


def p_grpo_gated(*, rho: float = 0.5, clip: float = 0.2) -> Reward:
    """c + c · format · min(ρη, ρ_clip): P-GRPO in which only well-formed rollouts are paid for their parallelism; our default."""
    return correct() + format_gate() * acceleration(scale=rho, max=clip)


def apr() -> Reward:
    """c: APR's reinforcement on Countdown (arXiv 2504.15466), with centred/std advantages over groups of 5."""
    return correct()


def parallel_r1_accuracy() -> Reward:
    """1 or -1: Parallel-R1's S1 (arXiv 2509.07980, reinforcement on DAPO-Math)."""
    return correct(wrong=-1.0)


def parallel_r1_stage2() -> Reward:
    """1 or -1 for correct and parallel: Parallel-R1's stage 2 on GSM8K (variant "Seen")."""
    return parallel_correct()


def parallel_r1_alternating(*, window: int = 10, steps: int = 8) -> Reward:
    """Parallel-R1's S2: of each `window` steps the first `steps` pay the accuracy, 1 or -1, the others 1.2, 1.0 or -1 (`parallel_bonus`)."""
    return early(window=window, steps=steps) * correct(wrong=-1.0) + late(window=window, steps=steps) * parallel_bonus()


def async_think(*, pool: int, max: float, weight: float, error: float) -> Reward:
    """R_FE if there are format errors, else R_A + λ · R_η: AsyncThink (arXiv 2510.26658), without its several answers a problem.

    `error` is R_FE (negative), `weight` λ, `max` τ and `pool` c. No defaults: its values for them could not be verified.
    """
    gate = format_gate(refusals="errors")
    return gate * (correct() + weight * concurrency(pool=pool, max=max)) + error * malformed(refusals="errors")
