"""What became of the children of a run tree, each judged by what it found itself: what thread-level credit is paid for (`grpo.credit`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from orchestra.countdown.notation import read_path
from orchestra.countdown.problem import Problem
from orchestra.countdown.rules import verify
from orchestra.thread import RunTree, Status, Thread


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an executed thread below the root ended."""

    thread: str
    """Path from the root, as in `orchestra.thread.Thread.id`."""
    status: Status
    succeeded: bool
    """It finished and what it found is verified, whatever its parent or the root made of that."""

    def __post_init__(self) -> None:
        assert self.status != "running", f"thread {self.thread} has not ended"
        assert self.status == "finished" or not self.succeeded, (self.thread, self.status)

    @property
    def whole(self) -> bool:
        """Whether it ended by itself or at its limit: what others cancelled might have ended in any way."""
        return self.status in ("finished", "cut")


def outcomes_of(tree: RunTree, succeeded: Callable[[Thread], bool]) -> Iterator[Outcome]:
    """One for each executed thread below the root, of a tree that has ended. `succeeded` is asked about finished ones."""
    for thread in tree.threads:
        if thread.depth > 0 and thread.started is not None:
            yield Outcome(thread.id, thread.status, thread.status == "finished" and succeeded(thread))


def solved(problem: Problem, child: Thread) -> bool:
    """Whether a Countdown thread's own last words hold a path that solves the problem."""
    path = read_path(child.last_words)
    return path is not None and verify(problem.numbers, problem.target, path) is None
