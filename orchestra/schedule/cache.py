"""Caches of pure calls' outputs, by what was called and with what: one in memory, and one in a file that processes share.

Values are JSON (`kept.keep` makes it of outputs). The key holds the name of a tool and not its code: when a tool changes, delete the file.
"""

from __future__ import annotations

import json
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..errors import ConfigError
from .kept import dump

MAX_ITEMS = 10_000
_APPLICATION = 0x6F726361  # "orca", in the header of the file: what tells a cache from other programs' databases
_SCHEMA = (
    "create table items (key text primary key, value text not null, used integer not null) without rowid",
    "create index by_use on items (used)",
    f"pragma application_id = {_APPLICATION}",
)
_TOUCH = "update items set used = (select coalesce(max(used), 0) + 1 from items) where key = ?"
_PUT = (
    "insert into items values (?, ?, (select coalesce(max(used), 0) + 1 from items))"
    " on conflict do update set value = excluded.value, used = excluded.used"
)
_BOUND = "delete from items where key in (select key from items order by used limit max((select count(*) from items) - ?, 0))"


class MemoryCache:
    """The `max_items` values that were used last."""

    def __init__(self, max_items: int = MAX_ITEMS) -> None:
        self._max_items = _positive(max_items)
        self._items: OrderedDict[str, str] = OrderedDict()

    def get(self, key: str) -> tuple[Any] | None:
        text = self._items.get(key)
        if text is None:
            return None
        self._items.move_to_end(key)
        return (json.loads(text),)  # a value of its own: who gets it may change it

    def put(self, key: str, value: Any) -> None:
        self._items[key] = dump(value)
        self._items.move_to_end(key)
        while len(self._items) > self._max_items:
            self._items.popitem(last=False)

    def __len__(self) -> int:
        return len(self._items)


class FileCache:
    """A SQLite file with the `max_items` values that were used last, by any process. Each process and thread opens its own; close it.

    Uses are written with the next value. A value that cannot be written (the disk is full, say) is left out and counted in `unwritten`: a
    cache is no reason to fail. Raises `ConfigError` for a file that cannot be opened, is damaged, or is another program's.
    """

    def __init__(self, path: str | Path, max_items: int = MAX_ITEMS) -> None:
        self.path = Path(path)
        self.unwritten = 0
        self._max_items = _positive(max_items)
        self._every = max_items // 64 + 1
        """Values between two looks at the bound, which count all rows; the file may hold so many too many."""
        self._since = self._every - 1
        self._used: dict[str, None] = {}
        """Since the last value was written, in order."""
        with self._readable():
            self._database = self._open()

    def get(self, key: str) -> tuple[Any] | None:
        with self._readable():
            row = self._database.execute("select value from items where key = ?", (key,)).fetchone()
            if row is None:
                return None
            value = (json.loads(row[0]),)
        self._used.pop(key, None)
        self._used[key] = None
        return value

    def put(self, key: str, value: Any) -> None:
        text = dump(value)
        self._since += 1
        with self._readable():
            try:
                with self._database:
                    self._write_uses()
                    self._database.execute(_PUT, (key, text))
                    if self._since >= self._every:
                        self._database.execute(_BOUND, (self._max_items,))
            except sqlite3.OperationalError:
                self.unwritten += 1
                return
        self._since %= self._every
        self._used.clear()

    def close(self) -> None:
        with suppress(sqlite3.Error), self._database:
            self._write_uses()
        self._database.close()

    def __len__(self) -> int:
        with self._readable():
            (count,) = self._database.execute("select count(*) from items").fetchone()
        return int(count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _write_uses(self) -> None:
        self._database.executemany(_TOUCH, [(key,) for key in self._used])

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, isolation_level="IMMEDIATE")
        try:
            (tables,) = database.execute("select count(*) from sqlite_master").fetchone()
            if not tables:
                database.execute("pragma journal_mode = wal")
            database.execute("pragma synchronous = normal")
            with database:
                database.execute("begin immediate")
                # Looked at again, now that no other process can be between the look and the tables.
                if database.execute("select count(*) from sqlite_master").fetchone() == (0,):
                    for statement in _SCHEMA:
                        database.execute(statement)
            if database.execute("pragma application_id").fetchone() != (_APPLICATION,):
                raise ConfigError(f"{self.path} is a database of another program, and no cache: give another file")
            database.execute("select key, value, used from items limit 1").fetchone()
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise ConfigError(
                f"the cache {self.path} cannot be used ({error}): it must be a file that you may write, in a folder that is there"
            ) from error
        except (sqlite3.DatabaseError, json.JSONDecodeError) as error:
            raise ConfigError(f"{self.path} is damaged, or no cache ({error}): delete it, or give another file") from error


def _positive(max_items: int) -> int:
    if max_items < 1:
        raise ConfigError(f"`max_items` of a cache must be positive, got {max_items}")
    return max_items
