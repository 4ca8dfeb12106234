"""The journal of a run: what was begun and what came out, in SQLite, so that a later process goes on where this one died.

Write-ahead: an intention is written before a call starts and an outcome before anything follows from it. A call whose effect happens once is
begun only after its intention is committed; when it has an intention and no outcome, nobody knows whether it happened, and it is never
repeated.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from pydantic_core import PydanticSerializationError

from ..errors import JournalError
from ..plan.node import Effect
from .file_lock import FileLock
from .kept import bring_back, dump, typed
from .outcome import Outcome, Usage

VERSION = 1
_APPLICATION = 0x6F726A6C  # "orjl", in the header of the file: what tells a journal from other programs' databases
_HEAD = b"SQLite format 3\0"
"""Of every database. SQLite would overwrite a file of a few bytes without it."""
_SCHEMA = (
    "create table about (version integer not null, run text not null)",
    "create table calls (id text not null, key text not null, effect text not null, outcome text, primary key (id, key)) without rowid",
    f"pragma application_id = {_APPLICATION}",
)


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a call."""

    effect: Effect
    outcome: Outcome | None
    """None: it was begun, and how it ended was never written."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a journal, for people."""

    id: str
    key: str
    effect: Effect
    outcome: Outcome | None

    @property
    def uncertain(self) -> bool:
        return self.outcome is None and self.effect == "once"


class Journal:
    """The file at `path`, which belongs to one `run` (any text that says which) and to one process at a time.

    `durable`: "process" survives the death of the process at any point; "power" also waits for the disk, and survives that of the machine.

    Raises `JournalError` when the file is no journal, is damaged, belongs to another run, or is in use.
    """

    def __init__(self, path: str | Path, *, run: str, durable: Literal["process", "power"] = "process") -> None:
        self.path = Path(path)
        self._run = run
        self._begun: dict[tuple[str, str], Effect] = {}
        self._finished: list[tuple[str, str, Effect, str]] = []
        self._lock = FileLock(self.path)
        try:
            with _readable(self.path):
                self._database = self._open(durable)
                self._past = {(row.id, row.key): Past(row.effect, row.outcome) for row in _rows(self._database)}
        except BaseException:
            self._lock.release()
            raise

    def past(self, id: str, key: str) -> Past | None:
        """What an earlier process knew of the call of node `id` with the content `key`. An outcome's value is as it was given to `finish`."""
        return self._past.get((id, key))

    def orphan(self, key: str, known: Container[str]) -> Past | None:
        """What an earlier process knew of the same call under an id that is not among the `known` ones of this run: a plan that was changed while it
        ran may name its calls otherwise the next time. Only calls whose effect happens once are looked for."""
        for (id, other), past in self._past.items():
            if other == key and past.effect == "once" and id not in known:
                return past
        return None

    def begin(self, id: str, key: str, effect: Effect) -> str:
        """The call is about to start. Returns a key that is the same for every try of it, for services that take one.

        Committed before it returns when the effect happens once; otherwise with the next flush.
        """
        self._begun[id, key] = effect
        if effect == "once":
            try:
                self.flush()
            except JournalError:
                del self._begun[id, key]  # it does not start
                raise
        return hashlib.sha256(f"{self._run}\0{id}\0{key}".encode()).hexdigest()[:32]

    def finish(self, id: str, key: str, outcome: Outcome) -> None:
        """It ended so; written with the next flush. The value is JSON (see `kept.keep`); raises `JournalError` for any other."""
        usage = outcome.usage
        spent = [usage.calls, usage.tokens, usage.prompt_tokens, usage.cached_tokens, usage.money]
        try:
            text = dump({"value": outcome.value, "attempts": outcome.attempts, "usage": spent})
        except (PydanticSerializationError, TypeError, ValueError, RecursionError) as error:
            raise JournalError(f"the output of {id} cannot be kept in a journal, it is no JSON value ({error})") from error
        # What begins and ends between two flushes is written once.
        self._finished.append((id, key, self._begun.pop((id, key), "idempotent"), text))

    def flush(self) -> None:
        """Commits everything since the last one. Raises `JournalError` when it cannot be written; it may then be tried again."""
        if not self._begun and not self._finished:
            return
        begun = [(id, key, effect) for (id, key), effect in self._begun.items()]
        with _written(self.path), self._database:
            self._database.executemany("insert or ignore into calls (id, key, effect) values (?, ?, ?)", begun)
            self._database.executemany(
                "insert into calls values (?, ?, ?, ?) on conflict do update set outcome = excluded.outcome", self._finished
            )
        self._begun.clear()
        self._finished.clear()

    def resolve(self, id: str, *, happened: bool, value: Any = None) -> None:
        """A person knows what became of an uncertain call: it happened, with this output, or it did not and may be made again.

        Raises `JournalError` when no call of `id` is uncertain.
        """
        rows = [row for row in _rows(self._database) if row.id == id and row.uncertain]
        if not rows:
            raise JournalError(f"{self.path} knows no uncertain call of {id!r}: see `orchestra journal show {self.path}`")
        for row in rows:
            if happened:
                outcome = Outcome("succeeded", typed(value), attempts=1, source="journal")
                self.finish(row.id, row.key, outcome)
                self.flush()
                self._past[row.id, row.key] = Past(row.effect, outcome)
            else:
                with _written(self.path), self._database:
                    self._database.execute("delete from calls where id = ? and key = ?", (row.id, row.key))
                self._past.pop((row.id, row.key), None)

    def close(self) -> None:
        try:
            self.flush()
        finally:
            self._database.close()
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @staticmethod
    def read(path: str | Path) -> list[Row]:
        """All rows, also while a run writes. Raises `JournalError` for what is no journal."""
        with _reading(Path(path)) as database:
            return [
                row if row.outcome is None else replace(row, outcome=replace(row.outcome, value=bring_back(row.outcome.value)))
                for row in _rows(database)
            ]

    @staticmethod
    def owner(path: str | Path) -> str:
        """Which run the journal belongs to."""
        with _reading(Path(path)) as database:
            return _about(database, Path(path))

    def _open(self, durable: str) -> sqlite3.Connection:
        self._check_head()
        database = sqlite3.connect(self.path, isolation_level="IMMEDIATE", cached_statements=16)
        try:
            database.execute(f"pragma synchronous = {'full' if durable == 'power' else 'normal'}")
            # Whoever dies in here leaves a database without tables, which is begun again, or a whole one.
            if database.execute("select count(*) from sqlite_master").fetchone() == (0,) and not _application(database):
                database.execute("pragma journal_mode = wal")
                database.execute("begin immediate")
                with database:
                    for statement in _SCHEMA:
                        database.execute(statement)
                    database.execute("insert into about values (?, ?)", (VERSION, self._run))
            run = _about(database, self.path)
            if run != self._run:
                raise JournalError(
                    f"{self.path} is the journal of another run ({run}, this is {self._run}): the task, the plan or the tools are not the same."
                    " Give this run a journal of its own, or delete that file"
                )
            # A file that cannot be written raises now rather than in mid-run.
            database.execute("update about set version = version")
            database.rollback()
        except BaseException:
            database.close()
            raise
        return database

    def _check_head(self) -> None:
        if self.path.is_file():
            with self.path.open("rb") as file:
                head = file.read(len(_HEAD))
            if head not in (b"", _HEAD):
                raise JournalError(f"{self.path} is not a journal of this program, or it is damaged: it begins with {head!r}")


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        raise JournalError(f"there is no journal {str(path)!r}")
    with _readable(path):
        database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            _about(database, path)
            yield database
        finally:
            database.close()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise JournalError(
            f"the journal {path} cannot be used ({error}): it must be a file that you may write, in a folder that you may write in,"
            " and no other program may hold it"
        ) from error
    except sqlite3.DatabaseError as error:
        raise JournalError(
            f"{path} is not a journal of this program, or it is damaged ({error}): give another file, or delete it"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise JournalError(
            f"{path} holds a row that cannot be read ({error}): the file is damaged, delete it to start anew"
        ) from error


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(
            f"the journal {path} cannot be written ({error}), so the run cannot go on: mend that (is the disk full?) and resume"
        ) from error


def _application(database: sqlite3.Connection) -> int:
    (application,) = database.execute("pragma application_id").fetchone()
    return int(application)


def _about(database: sqlite3.Connection, path: Path) -> str:
    if _application(database) != _APPLICATION:
        raise JournalError(f"{path} is a database of another program: give another file")
    row = database.execute("select version, run from about").fetchone()
    if row is None:
        raise JournalError(f"{path} does not say which run it belongs to, so it is damaged: delete it to start anew")
    version, run = row
    if version != VERSION:
        raise JournalError(
            f"{path} was written by another version of this program (format {version}, this one reads {VERSION}):"
            " finish the run with that version, or give another file"
        )
    return str(run)


def _rows(database: sqlite3.Connection) -> Iterator[Row]:
    for id, key, effect, outcome in database.execute("select id, key, effect, outcome from calls order by id, key"):
        yield Row(id, key, effect, None if outcome is None else _outcome(json.loads(outcome)))


def _outcome(fields: dict[str, Any]) -> Outcome:
    return Outcome("succeeded", fields["value"], attempts=fields["attempts"], source="journal", usage=Usage(*fields["usage"]))
