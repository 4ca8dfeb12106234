"""An eval on a real vLLM that is ended from outside: nothing is lost, nothing is left running, nothing is shouted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(180)]


def start(out: Path) -> subprocess.Popen[str]:
    """An eval in a process group of its own, as in a terminal, that has finished a row."""
    pytest.importorskip("vllm")
    command = [sys.executable, "-m", "orchestra.cli", "eval", "countdown", "--engine", "vllm", "--limit", "2000", "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120
    while not ((out / "rows.jsonl").exists() and (out / "rows.jsonl").read_text()):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail("\n".join(process.communicate()))
        time.sleep(0.1)
    return process


def members(session: int) -> list[int]:
    """Live processes of a session, whoever their parent is by now."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def wait_until_gone(session: int, seconds: float) -> list[int]:
    deadline = time.monotonic() + seconds
    while (left := members(session)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def test_ctrl_c_reaches_every_process_and_only_one_line_comes_of_it(tmp_path: Path) -> None:
    process = start(tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (
        errors.strip().splitlines()[-1] == "orchestra: interrupted; finished rows are kept, and the same command goes on from there"
    )
    assert "Traceback" not in errors
    assert '"error":null' in (tmp_path / "rows.jsonl").read_text()
    assert not wait_until_gone(process.pid, 10)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_killed_process_takes_its_engine_with_it(tmp_path: Path) -> None:
    process = start(tmp_path)
    assert len(members(process.pid)) >= 2, "the engine has a process of its own"
    process.kill()
    process.communicate(timeout=30)
    assert not wait_until_gone(process.pid, 20)
