"""No forks: one thread from prompt to end. The baseline for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...engine import Completion
from ..tree import Thread
from .base import Finish, Move, Splice


@dataclass(frozen=True, slots=True)
class Serial:
    """One thread that ends at any of `end`, or at the model's own end token."""

    end: tuple[int, ...] = ()
    name: str = "serial"

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        return self.end

    def after(self, thread: Thread, completion: Completion) -> Move:
        return Finish()

    def succeeded(self, child: Thread) -> bool:
        raise AssertionError("a serial thread has no children")

    def join(self, thread: Thread, children: Sequence[Thread]) -> Splice:
        raise AssertionError("a serial thread has no children")
