"""Engines: token ids in, token ids out."""

from .base import Capabilities, Completion, Engine, Finish, Request, Sampling, Timings

__all__ = ["Capabilities", "Completion", "Engine", "Finish", "Request", "Sampling", "Timings"]
