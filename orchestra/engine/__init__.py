"""Engines: token ids in, token ids out."""

from .base import Capabilities, Completion, Constraint, Engine, Finish, Request, Sampling, Timings

__all__ = ["Capabilities", "Completion", "Constraint", "Engine", "Finish", "Request", "Sampling", "Timings"]
