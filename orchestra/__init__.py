"""Parallel reasoning with language models: threads that fork and join on vLLM, with exact tokens and an honest account."""

from .engine import Capabilities, Completion, Engine, Request, Sampling, Timings
from .engine.open import open_engine
from .errors import ConfigError, EngineError, OrchestraError, ProblemError
from .thread import Event, Fork, Ledger, Limits, Observer, RunTree, Segment, Thread, ledger, run_tree

__all__ = [
    "Capabilities",
    "Completion",
    "ConfigError",
    "Engine",
    "EngineError",
    "Event",
    "Fork",
    "Ledger",
    "Limits",
    "Observer",
    "OrchestraError",
    "ProblemError",
    "Request",
    "RunTree",
    "Sampling",
    "Segment",
    "Thread",
    "Timings",
    "ledger",
    "open_engine",
    "run_tree",
]
