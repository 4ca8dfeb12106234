"""Sampling: one problem tried many times at once, and policies that launch, stop, prune and vote.

A policy is a pure object: events in (`events`), decisions out (`decisions`). `sample` runs one on a live engine; `replay.replay` runs the same
one on recorded traces.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .account import Account, Price
    from .again import decide_again
    from .bench import Bench
    from .live import run_live
    from .named import RECOMMENDED, read_policy
    from .outcome import Outcome
    from .policy import Decider, Needs, Policy, Standing
    from .sampling import Sampled, sample
    from .source import Ending, LiveTrace, Source, Usage

__all__ = [
    "RECOMMENDED",
    "Account",
    "Bench",
    "Decider",
    "Ending",
    "LiveTrace",
    "Needs",
    "Outcome",
    "Policy",
    "Price",
    "Sampled",
    "Source",
    "Standing",
    "Usage",
    "decide_again",
    "read_policy",
    "run_live",
    "sample",
]

_PLACES = {
    "account": ("Account", "Price"),
    "again": ("decide_again",),
    "bench": ("Bench",),
    "live": ("run_live",),
    "named": ("RECOMMENDED", "read_policy"),
    "outcome": ("Outcome",),
    "policy": ("Decider", "Needs", "Policy", "Standing"),
    "sampling": ("Sampled", "sample"),
    "source": ("Ending", "LiveTrace", "Source", "Usage"),
}


def __getattr__(name: str) -> object:
    # By name: `orchestra --help` takes its arguments from this package and must not wait for HTTP clients and templates.
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
