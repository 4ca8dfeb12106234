"""Engines: token ids in, token ids out."""

from .base import Capabilities, Completion, Constraint, Engine, Finish, Request, Sampling, Timings
from .scores import Scores

__all__ = ["Capabilities", "Completion", "Constraint", "Engine", "Finish", "Request", "Sampling", "Scores", "Timings"]
