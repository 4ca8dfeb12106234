"""Lines on stderr that say what an asynchronous run does or waits for, so that one that does not move shows where within seconds.

Each phase up to the first step has a line when it begins; later ones only have one while they last long. A phase that lasts
very long prints, once, where every thread of the process stands.
"""

from __future__ import annotations

import faulthandler
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

EVERY_S = 10.0
STUCK_S = 150.0
"""More than an engine takes to start."""


def _stacks() -> None:
    try:
        faulthandler.dump_traceback(sys.__stderr__ or sys.stderr, all_threads=True)
    except (OSError, ValueError, AttributeError):  # stderr is no file
        sys.stderr.write("(where the threads stand cannot be written to this stderr)\n")


class Progress:
    """Use it in a `with` block: a thread of its own writes, because the others are those that may be stuck.

    Args:
        details: what else to say in the line of a phase that lasts, such as counts.
        write: gets whole lines; by default stderr.
        stacks: prints where the threads stand.
    """

    def __init__(
        self,
        details: Callable[[], str] = str,
        *,
        write: Callable[[str], object] | None = None,
        stacks: Callable[[], object] = _stacks,
        every_s: float = EVERY_S,
        stuck_s: float = STUCK_S,
    ) -> None:
        self.quiet = False
        """Set after the first step: phases are then announced no more."""
        self._details, self._write, self._stacks = details, write or _to_stderr, stacks
        self._every_s, self._stuck_s = every_s, stuck_s
        self._started = self._since = time.monotonic()
        self._phase, self._dumped = "beginning", False
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._watch, name="orchestra progress", daemon=True)

    def doing(self, what: str) -> None:
        """A new phase begins. For any thread."""
        with self._changed:
            self._phase, self._since, self._dumped = what, time.monotonic(), False
            self._changed.notify()
            if not self.quiet:
                self._say(what)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _watch(self) -> None:
        with self._changed:
            while not self._closed:
                if not self._changed.wait(self._every_s):
                    lasted = time.monotonic() - self._since
                    self._say(f"still {self._phase} ({lasted:.0f} s): {self._details()}")
                    if lasted > self._stuck_s and not self._dumped:
                        self._dumped = True
                        self._stacks()

    def _say(self, text: str) -> None:
        self._write(f"[{time.monotonic() - self._started:5.0f} s] {text}\n")


def _to_stderr(line: str) -> None:
    sys.stderr.write(line)
    sys.stderr.flush()
