"""Keeps a journal to one process: the system lets go when that process dies, however it dies.

It is a record lock and not `flock`, which a process that a tool has forked would inherit, and hold for as long as it lives.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ..errors import JournalError

_held: set[str] = set()
"""By this process: record locks do not tell a process from itself."""


class FileLock:
    """Holds the journal `path` for this process, by a lock on a file beside it. Raises `JournalError`, with the holder's id, when it is held."""

    def __init__(self, path: Path) -> None:
        beside = path.with_name(f"{path.name}.lock")
        self._name = os.path.realpath(beside)
        if self._name in _held:  # without opening it: closing it again would give up the lock that this process has
            raise _in_use(path, f"{os.getpid()}, which is this one")
        try:
            self._file = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise JournalError(
                f"the journal {path} cannot be opened ({error.strerror}): its folder must exist, and you must be allowed to write there"
            ) from error
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            owner = os.read(self._file, 32).decode(errors="replace").strip()
            os.close(self._file)
            raise _in_use(path, owner or "unknown") from error
        except OSError as error:
            os.close(self._file)
            raise JournalError(
                f"the journal {path} cannot be locked ({error.strerror}): give a path on a local file system"
            ) from error
        os.ftruncate(self._file, 0)
        os.write(self._file, str(os.getpid()).encode())
        _held.add(self._name)

    def release(self) -> None:
        _held.discard(self._name)
        os.close(self._file)


def _in_use(path: Path, owner: str) -> JournalError:
    return JournalError(f"{path} is in use by process {owner}: wait for it, or give this run a journal of its own")
