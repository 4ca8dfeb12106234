"""The folder of one eval run while it is written: a row is appended the moment it is finished, and one process at a time may do so.

    DIR/config.json        what was asked for, resolved, with versions
    DIR/rows.jsonl         one `Row` a line
    DIR/traces.jsonl.gz    what is kept of tries for looking at them
    DIR/.lock              locked by the operating system while a process writes here; a killed process leaves no lock behind

A run is resumed by opening its folder again: finished rows stay, rows with an error and a torn last line are owed again. What config.json
said of versions, commit and engine of the rows before is kept in its "earlier", and nothing in it changes when nothing is run.
"""

from __future__ import annotations

import errno
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from orchestra.errors import ConfigError
from orchestra.trace.files import write_text

from .method import Kept
from .row import Row
from .run import CONFIG, ROWS, TRACES, line_of, packed, read_rows

_PIECE = 1 << 20


class RowFolder:
    """Appends rows to a folder and knows which tries are already there. Use as a context manager: it holds the folder's lock.

    Of finished tries only their keys are held in memory.
    """

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        """`config` has at least "experiment": what decides the results, and must not change within a folder."""
        self.path = path
        self.done: set[tuple[str, int]] = set()
        """(problem id, epoch) of rows that need not run again."""
        self.correct = 0
        """Of those that were done when the folder was opened."""
        self._config = dict(config)
        self._written = False
        """Whether config.json says where this process's rows come from."""
        self._lock: IO[str] | None = None
        self._rows: _Appended | None = None
        self._traces: _Appended | None = None

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / ".lock").open("w")
        except OSError as error:
            raise ConfigError(f"cannot write to {self.path}: {error.strerror}; choose another --out") from error
        if not _lock(self._lock):
            self._lock.close()
            raise ConfigError(f"another process is writing to {self.path}; wait for it, or choose another --out")
        try:
            check_config(self.path, self._config)
            self._tidy()
            if not (self.path / CONFIG).exists():
                self._write_config()
            _cut_torn_trace(self.path / TRACES)
            self._rows = _Appended(self.path / ROWS)
            self._traces = _Appended(self.path / TRACES)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def append(self, row: Row, kept: Kept | None = None) -> None:
        """Write one row; it is in the operating system's hands when this returns, so that `kill -9` cannot lose it.

        Raises `ConfigError` when the disk is full or gone; no half of a row stays behind.
        """
        assert self._rows is not None and self._traces is not None, "open the folder first"
        assert row.key not in self.done, f"{row.key} has run twice"
        if not self._written:
            self._write_config()
        self._rows.append(line_of(row))
        if row.error is None:
            self.done.add(row.key)
            if kept is not None:
                # After its row: a process that dies between the two leaves a row without a trace, never two traces of one try.
                self._traces.append(packed(row.problem, row.epoch, kept))

    def check_server(self, name: str) -> None:
        """Raises `ConfigError` when rows that are here are of another model than that of the server `name`: its URL does not tell."""
        before = (_read_config(self.path).get("engine") or {}).get("name")
        if self.done and before not in (None, name):
            raise ConfigError(f"{self.path} holds rows of {before}, and the server is now {name}; choose another --out")

    def note(self, name: str, value: Any) -> None:
        """Add to config.json what is known only once the engine runs."""
        self._config[name] = value
        self._write_config()

    def _write_config(self) -> None:
        if not self._written and (before := _read_config(self.path)):
            earlier = before.pop("earlier", [])
            origin = {name: value for name, value in before.items() if name != "experiment"}
            now = {name: value for name, value in self._config.items() if name != "experiment"}
            self._config["earlier"] = [*earlier, origin] if self.done and origin != now else earlier
        self._written = True
        write_text(self.path / CONFIG, json.dumps(self._config, indent=1, ensure_ascii=False) + "\n")

    def _tidy(self) -> None:
        """Read what is done. Torn and errored rows go, in one atomic step."""
        path = self.path / ROWS
        num_rows = 0
        for row in read_rows(self.path):
            num_rows += 1
            if row.error is None and row.key not in self.done:
                self.done.add(row.key)
                self.correct += row.correct
        if not path.exists() or (num_rows == len(self.done) and _ends_with_newline(path)):
            return
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        written: set[tuple[str, int]] = set()
        try:
            try:
                with temporary.open("w", encoding="utf-8") as file:
                    for row in read_rows(self.path):
                        if row.error is None and row.key not in written:
                            written.add(row.key)
                            file.write(line_of(row).decode())
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot write to {self.path}: {error.strerror}; make room, or choose another --out") from error

    def _close(self) -> None:
        for file in (self._rows, self._traces):
            if file is not None:
                file.close()
        if self._lock is not None:
            self._lock.close()


class _Appended:
    """A file that grows by whole entries."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Unbuffered: an entry that did not fit on the disk must not come up again when the file is closed.
        self._file = path.open("ab", buffering=0)

    def append(self, entry: bytes) -> None:
        size = os.fstat(self._file.fileno()).st_size
        try:
            if self._file.write(entry) < len(entry):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            os.ftruncate(self._file.fileno(), size)  # or the next entry would be glued to half of this one
            raise ConfigError(
                f"cannot write to {self._path.parent}: {error.strerror}. Rows written so far are safe: make room and run the same command"
                " again"
            ) from error

    def close(self) -> None:
        self._file.close()


def _read_config(folder: Path) -> dict[str, Any]:
    """Of a folder whose config has been checked; empty when there is none."""
    path = folder / CONFIG
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def check_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Raises `ConfigError` when `folder` holds another experiment than `config` is: what decides the results must not change within one."""
    path = folder / CONFIG
    if not path.exists():
        return
    try:
        before = dict(json.loads(path.read_text(encoding="utf-8"))["experiment"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is damaged ({error}); choose another --out, or delete it to vouch for its rows") from error
    now = json.loads(json.dumps(config["experiment"]))
    changed = [
        f"{name}: {before.get(name)!r} → {now.get(name)!r}" for name in {**before, **now} if before.get(name) != now.get(name)
    ]
    if changed:
        raise ConfigError(f"{folder} holds a different run ({'; '.join(changed)}); choose another --out")


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _cut_torn_trace(path: Path) -> None:
    """A killed process may have left half of the last entry, and nothing that is appended to it could be read."""
    if not path.exists():
        return
    whole = 0
    with path.open("r+b") as file:
        decompressor, rest, position = zlib.decompressobj(wbits=31), b"", 0
        while piece := rest or file.read(_PIECE):
            position += 0 if rest else len(piece)
            rest = b""
            try:
                decompressor.decompress(piece)
            except zlib.error as error:
                raise ConfigError(f"{path} is damaged ({error}): delete it to go on without its traces") from error
            if decompressor.eof:
                rest = decompressor.unused_data
                whole = position - len(rest)
                decompressor = zlib.decompressobj(wbits=31)
        file.truncate(whole)


def _lock(file: IO[str]) -> bool:
    """Take the operating system's exclusive lock on an open file; False when another process holds it."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
