"""What a decider knows of its traces: the state that nearly every policy keeps."""

from __future__ import annotations

from .decisions import Launch
from .events import Event, Failed, Finished


class Board:
    """Traces by what became of them. `see` every event first, and tell it every launch and abort."""

    def __init__(self) -> None:
        self.launched = 0
        self.running: dict[int, None] = {}
        """In the order of their launches."""
        self.finished: list[Finished] = []
        """In the order in which they ended."""
        self.failed: list[Failed] = []
        self.aborted: set[int] = set()
        self.now = 0.0

    def see(self, event: Event) -> None:
        self.now = event.at
        if isinstance(event, Finished):
            self.running.pop(event.trace, None)
            self.finished.append(event)
        elif isinstance(event, Failed):
            self.running.pop(event.trace, None)
            self.failed.append(event)

    def launch(self, launch: Launch) -> Launch:
        """Book a launch and return it."""
        self.running.update(dict.fromkeys(range(self.launched, self.launched + launch.count)))
        self.launched += launch.count
        return launch

    def abort(self, *traces: int) -> None:
        for trace in traces:
            if trace in self.running:
                del self.running[trace]
                self.aborted.add(trace)

    @property
    def ended(self) -> int:
        """Traces that ended by themselves, lost ones included."""
        return len(self.finished) + len(self.failed)
