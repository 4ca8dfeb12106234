"""Countdown: the arithmetic game on which the shipped model forks threads."""

from .attempt import Attempt, Setup, attempt
from .model import shipped_model
from .problem import Problem, generate

__all__ = ["Attempt", "Problem", "Setup", "attempt", "generate", "shipped_model"]
