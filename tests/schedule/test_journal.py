"""Journals refuse what is no journal and leave it as it is, belong to one process, and say why they cannot be written."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from orchestra.engine.virtual import run_virtual
from orchestra.errors import JournalError
from orchestra.plan.plan import Plan
from orchestra.schedule.events import NodeFinished, RunEvent
from orchestra.schedule.execution import execute
from orchestra.schedule.journal import Journal
from orchestra.schedule.outcome import Outcome
from orchestra.schedule.runtime import Runtime

from .journaled import Calls, call, resume


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


# Files that are no good


def begun(path: Path) -> bytes:
    with Journal(path, run="r") as journal:
        for number in range(300):
            journal.begin(f"n{number}", "k", "once")
            journal.finish(f"n{number}", "k", Outcome("succeeded", "x" * 100, attempts=1))
    return path.read_bytes()


def refused(path: Path, says: str) -> None:
    before = path.read_bytes()
    with pytest.raises(JournalError, match=says) as caught:
        Journal(path, run="r")
    with pytest.raises(JournalError):
        Journal.read(path)
    assert str(path) in str(caught.value) and path.read_bytes() == before


@pytest.mark.parametrize("cut", [1, 15, 100, 4096, 5000, 8192, -1, -4096])
def test_a_truncated_file_is_refused(path: Path, cut: int) -> None:
    path.write_bytes(begun(path)[:cut])
    refused(path, "damaged")


def test_garbage_is_refused(path: Path) -> None:
    path.write_bytes(b"{}\n" * 5000)
    refused(path, "is not a journal of this program, or it is damaged")


def test_overwritten_pages_are_refused(path: Path) -> None:
    content = begun(path)
    path.write_bytes(content[:4096] + b"\x5a" * 8192 + content[12288:])
    refused(path, "damaged")


def test_another_programs_database_is_refused(path: Path) -> None:
    database = sqlite3.connect(path)
    database.executescript("create table about (version, run); insert into about values (1, 'r'); create table calls (id);")
    database.close()
    refused(path, "a database of another program: give another file")


def spoil(path: Path, statement: str) -> None:
    begun(path)
    database = sqlite3.connect(path)
    with database:
        database.execute(statement)
    database.close()


def test_another_versions_file_is_refused(path: Path) -> None:
    spoil(path, "update about set version = 99")
    refused(path, "another version of this program .format 99, this one reads 1")


@pytest.mark.parametrize("outcome", ["{", "[]", "{}", '{"value": 1, "attempts": 1, "usage": 5}', "null"])
def test_a_row_that_cannot_be_read_is_refused(path: Path, outcome: str) -> None:
    spoil(path, f"update calls set outcome = '{outcome}' where id = 'n7'")
    refused(path, "holds a row that cannot be read")


def test_the_journal_of_another_run_is_refused_and_names_both(path: Path) -> None:
    before = begun(path)
    with pytest.raises(JournalError, match=r"another run \(r, this is other\).*a journal of its own"):
        Journal(path, run="other")
    assert path.read_bytes() == before


def test_a_file_that_was_created_empty_becomes_a_journal(path: Path) -> None:
    path.touch()
    with Journal(path, run="r") as journal:
        journal.begin("1", "k", "once")
    assert Journal.owner(path) == "r" and Journal.read(path)[0].uncertain


def test_a_missing_journal_cannot_be_read(path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        Journal.read(path)
    assert list(path.parent.iterdir()) == []


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="No such file or directory.*its folder must exist"):
        Journal(tmp_path / "no" / "j", run="r")


def test_a_folder_is_no_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="must be a file"):
        Journal(tmp_path, run="r")


def test_odd_names_are_files_like_others(tmp_path: Path) -> None:
    path = tmp_path / "what? 100%#1.db"
    begun(path)
    assert len(Journal.read(path)) == 300


UNPRIVILEGED = """
import os, sys
from orchestra.schedule.journal import Journal
if os.getuid() == 0:
    os.setuid(65534)
from orchestra.errors import JournalError
try:
    Journal(sys.argv[1], run="r")
except JournalError as error:
    print(error)
"""


@pytest.mark.parametrize("writable", [True, False])
def test_what_may_not_be_written_is_said_before_the_run_starts(writable: bool) -> None:
    """`writable`: the folder, in which the file is not."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j"
        before = begun(path)
        path.chmod(0o444)
        for file in Path(folder).iterdir():
            if file != path:
                file.unlink()
        Path(folder).chmod(0o777 if writable else 0o555)
        told = subprocess.run([sys.executable, "-c", UNPRIVILEGED, str(path)], capture_output=True, text=True, check=True).stdout
        assert ("readonly" in told) if writable else ("Permission denied" in told and "allowed to write there" in told), told
        assert path.read_bytes() == before
        Path(folder).chmod(0o755)


# Two at a time


def test_two_runs_in_one_process_do_not_share_a_journal(path: Path) -> None:
    with Journal(path, run="r"):
        for _ in range(2):  # asking does not give the lock away
            with pytest.raises(JournalError, match=f"in use by process {os.getpid()}, which is this one"):
                Journal(path, run="r")
    Journal(path, run="r").close()


HOLDER = """
import sys
from orchestra.schedule.journal import Journal
from orchestra.schedule.outcome import Outcome
with Journal(sys.argv[1], run="r") as journal:
    for line in sys.stdin:
        journal.begin(line.strip(), "k", "once")
        sys.stdout.write("begun\\n")
        sys.stdout.flush()
"""


def test_another_process_is_named_while_it_holds_the_journal_and_what_it_has_written_can_be_read(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        for number in range(3):
            holder.stdin.write(f"n{number}\n")
            holder.stdin.flush()
            assert holder.stdout.readline() == "begun\n"
            assert [row.id for row in Journal.read(path)] == [f"n{i}" for i in range(number + 1)]
            with pytest.raises(JournalError, match=f"in use by process {holder.pid}: wait for it"):
                Journal(path, run="r")
        holder.kill()
    with Journal(path, run="r") as journal:  # the lock died with it
        assert journal.past("n2", "k") is not None


def test_a_child_that_outlives_its_process_does_not_hold_the_journal(path: Path) -> None:
    program = (
        "import os, sys\nfrom orchestra.schedule.journal import Journal\njournal = Journal(sys.argv[1], run='r')\n"
        "if os.fork() == 0:\n    sys.stdin.read()\n    os._exit(0)\nos.kill(os.getpid(), 9)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE) as parent:
        assert parent.wait(timeout=20) == -9
        Journal(path, run="r").close()


# When it cannot be written


def full(journal: Journal) -> None:
    (pages,) = journal._database.execute("pragma page_count").fetchone()
    journal._database.execute(f"pragma max_page_count = {pages}")


def test_a_full_disk_ends_the_run_with_its_reason_and_what_was_written_stays(path: Path) -> None:
    calls = Calls()
    nodes = (call("1", x=1), call("2", x="y" * 50_000, depends_on=("1",)), call("3", x=3, depends_on=("2",)))

    def fill(event: RunEvent) -> None:
        if isinstance(event, NodeFinished):
            full(journal)

    with pytest.raises(JournalError, match="cannot be written .*disk is full.*resume"), Journal(path, run="r") as journal:
        run_virtual(execute(Plan(nodes=nodes), Runtime(tools=calls.tools, journal=journal, observer=fill)))
    assert [x for _, x in calls.made] == [1, "y" * 50_000]
    assert [row.id for row in Journal.read(path) if row.outcome] == ["1"]
    assert resume(path, calls.tools, *nodes).status == "succeeded" and len(calls.made) == 4


def test_an_effect_does_not_start_when_its_intention_cannot_be_written(path: Path) -> None:
    calls = Calls()
    with Journal(path, run="r") as journal:
        database = journal._database
        journal._database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        result = run_virtual(execute(Plan(nodes=(call("1", "once"),)), Runtime(tools=calls.tools, journal=journal)))
        journal._database.close()
        journal._database = database
    assert calls.made == [] and "cannot be written" in str(result.outcomes["1"].error)
    assert resume(path, calls.tools, call("1", "once")).status == "succeeded"


def test_power_waits_for_the_disk_and_process_does_not(path: Path) -> None:
    for durable, level in (("process", 1), ("power", 2)):
        with Journal(path, run="r", durable=durable) as journal:  # type: ignore[arg-type]
            assert journal._database.execute("pragma synchronous").fetchone() == (level,)
            assert journal._database.execute("pragma journal_mode").fetchone() == ("wal",)


def test_what_happens_between_two_flushes_is_one_commit(path: Path) -> None:
    statements: list[str] = []
    with Journal(path, run="r") as journal:
        journal._database.set_trace_callback(statements.append)
        plan = Plan(nodes=tuple(call(str(number)) for number in range(100)))
        run_virtual(execute(plan, Runtime(tools=Calls().tools, journal=journal)))
    assert statements.count("COMMIT") <= 2 and len(Journal.read(path)) == 100
