"""Rewards as small functions that add and multiply, read from executed forks; `spec` reads them from text."""

from .outcome import correct, format_errors, format_gate, long_children, malformed
from .parallel_r1 import parallel_bonus, parallel_correct
from .prices import children, redundancy, span, wasted, width, work
from .recipes import (
    apr,
    async_think,
    p_grpo,
    p_grpo_code,
    p_grpo_gated,
    parallel_r1_accuracy,
    parallel_r1_alternating,
    parallel_r1_stage2,
)
from .reward import Read, Reward, Score, Setting, Term, term
from .scoring import Scored, score_rollouts
from .spec import KINDS, read_reward
from .speed import acceleration, concurrency
from .steps import early, late

__all__ = [
    "KINDS",
    "Read",
    "Reward",
    "Score",
    "Scored",
    "Setting",
    "Term",
    "acceleration",
    "apr",
    "async_think",
    "children",
    "concurrency",
    "correct",
    "early",
    "format_errors",
    "format_gate",
    "late",
    "long_children",
    "malformed",
    "p_grpo",
    "p_grpo_code",
    "p_grpo_gated",
    "parallel_bonus",
    "parallel_correct",
    "parallel_r1_accuracy",
    "parallel_r1_alternating",
    "parallel_r1_stage2",
    "read_reward",
    "redundancy",
    "score_rollouts",
    "span",
    "term",
    "wasted",
    "width",
    "work",
]
