"""How an engine starts its child processes: with their own environment, and out of reach of Ctrl-C."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import resource_tracker

from ..errors import ConfigError
from . import parent_death


def check_main_guard() -> None:
    # Set by multiprocessing while a spawned child imports the script that started it.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise ConfigError(
            'vLLM starts child processes by importing this script again: put the code that runs it under `if __name__ == "__main__":`'
        )


@contextmanager
def child_processes(environment: Mapping[str, str]) -> Iterator[None]:
    """Children that start meanwhile have `environment`, where the user has not set it, and end with this process, not with Ctrl-C.

    A terminal sends Ctrl-C to every process in it. The engine's would die of it in mid-request, with pages of tracebacks, before this
    process has cancelled anything; a blocked signal is inherited by children, and they still end when they are told to. The price: Ctrl-C
    during the start takes effect when the start is over.
    """
    missing = {name: value for name, value in environment.items() if name not in os.environ}
    missing[parent_death.VARIABLE] = str(os.getpid())
    os.environ |= missing
    try:
        resource_tracker.ensure_running()  # the first child would start it, and that unblocks the signal
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    finally:
        for name in missing:
            os.environ.pop(name, None)
