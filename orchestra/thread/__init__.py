"""Threads, the run tree and its ledger, and the fork–join loop."""

from .budget import Limits
from .ledger import Ledger, ledger
from .loop import Event, Observer, run_tree
from .tree import Fork, Join, RunTree, Segment, Status, Thread

__all__ = ["Event", "Fork", "Join", "Ledger", "Limits", "Observer", "RunTree", "Segment", "Status", "Thread", "ledger", "run_tree"]
