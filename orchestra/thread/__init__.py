"""Threads, the run tree and its ledger, the fork–join loop, and races."""

from .budget import Limits
from .ledger import Ledger, ledger
from .loop import Event, Observer, run_tree
from .race import RACE, Runner, race
from .tree import Fork, Join, RunTree, Segment, Status, Thread

__all__ = [
    "RACE",
    "Event",
    "Fork",
    "Join",
    "Ledger",
    "Limits",
    "Observer",
    "RunTree",
    "Runner",
    "Segment",
    "Status",
    "Thread",
    "ledger",
    "race",
    "run_tree",
]
