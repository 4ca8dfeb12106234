"""How a sandboxed program ends: by itself, at a limit, with its caller; and that nothing of it is left then."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from orchestra.errors import ToolError
from orchestra.tools.isolation import Isolation
from orchestra.tools.python_process import LayerError, PythonResult, run_supervised
from orchestra.tools.sandbox import run_python

pytestmark = pytest.mark.anyio

SOON = 2.0
"""Seconds in which a program has surely started, on a machine that is busy with other things."""


def processes_of(folder: Path) -> list[int]:
    """Processes that were started with this folder in their arguments or environment: supervisors, and their programs."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended while we looked, or is somebody else's
        if os.fsencode(folder) in told and int(process.name) != os.getpid():
            found.append(int(process.name))
    return found


def children(wanted_state: str | None = None) -> list[int]:
    """Our child processes; those in one state (`Z`: ended, not waited for) or all."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state, parent, *_ = (process / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == os.getpid() and wanted_state in (state, None):
            found.append(int(process.name))
    return found


@contextmanager
def watched(alive: Path) -> Iterator[int]:
    """The pipe's reading end. Reading it gives no bytes while nobody has it open for writing, and `BlockingIOError` while somebody has."""
    reading = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield reading
    finally:
        os.close(reading)


async def readable(pipe: int) -> None:
    """Until something was written, or the last writer is gone."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    loop.add_reader(pipe, event.set)
    await event.wait()
    loop.remove_reader(pipe)


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("def f(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("x = bytearray(10**12)", "MemoryError"),
        ("x = []\nwhile True: x.append(bytearray(10**7))", "MemoryError"),
        ("\x00", "null byte"),
    ],
)
async def test_a_failing_program_is_a_result(isolation: Isolation, program: str, error: str) -> None:
    result = await run_python(program, isolation=isolation)
    assert (result.exit_code, result.stopped) == (1, None)
    assert error in result.stderr


async def test_exit_codes_and_signals_are_told_apart(isolation: Isolation) -> None:
    assert (await run_python("import sys; sys.exit(3)", isolation=isolation)).exit_code == 3
    assert (await run_python("import os; os.abort()", isolation=isolation)).exit_code == -signal.SIGABRT


async def test_what_was_printed_before_the_time_limit_is_kept(isolation: Isolation, folder: Path) -> None:
    result = await run_python("print('first')\nwhile True: pass", folder=folder, seconds=SOON, isolation=isolation)
    assert (result.stdout, result.exit_code, result.stopped) == ("first\n", None, "time")
    assert processes_of(folder) == []


async def test_the_time_limit_ends_whoever_ignores_signals_and_has_a_session_of_its_own(
    isolation: Isolation, folder: Path, alive: Path
) -> None:
    program = dedent("""
        import os, signal, time
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        if os.fork() == 0:
            try:
                os.setsid()
            except PermissionError:
                pass
        pipe = open("alive", "w")
        time.sleep(1000)
    """)
    with watched(alive) as pipe:
        result = await run_python(program, folder=folder, seconds=SOON, isolation=isolation)
        assert result.stopped == "time"
        assert os.read(pipe, 1) == b""


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_endless_output_is_cut_and_said_so(isolation: Isolation, folder: Path, stream: str) -> None:
    program = f"import sys\nwhile True: sys.{stream}.write('x' * 10_000)"
    result = await run_python(program, folder=folder, output_bytes=20_000, isolation=isolation)
    assert result.stopped == "output"
    assert result.stdout + result.stderr == "x" * 20_000
    assert "too much output" in str(result)
    assert processes_of(folder) == []


async def test_a_fork_bomb_is_bounded_and_leaves_nothing(isolation: Isolation, folder: Path) -> None:
    program = dedent("""
        import os
        while True:
            try:
                os.fork()
            except OSError:
                break
    """)
    result = await run_python(program, folder=folder, processes=10, isolation=isolation)
    assert result.exit_code == 0
    assert processes_of(folder) == []
    assert children("Z") == []


async def test_processes_left_behind_end_with_the_program(isolation: Isolation, folder: Path, alive: Path) -> None:
    program = dedent("""
        import os, subprocess, sys
        pipe = os.open("alive", os.O_RDWR)
        child = subprocess.Popen([sys.executable, "-c", "print('ready', flush=True); input()"], stdin=pipe, stdout=subprocess.PIPE)
        print(child.stdout.readline().decode().strip())
    """)
    with watched(alive) as pipe:
        result = await run_python(program, folder=folder, isolation=isolation)
        assert (result.stdout, result.exit_code) == ("ready\n", 0)
        assert os.read(pipe, 1) == b""
    assert processes_of(folder) == []


THREE_FOR_EVER = (
    "import os\nif os.fork() == 0: os.fork()\npipe = open('alive', 'w')\nprint('here', file=pipe, flush=True)\nwhile True: pass"
)
ONE_FOR_EVER = "pipe = open('alive', 'w')\nprint('here', file=pipe, flush=True)\nwhile True: pass"


async def test_cancelling_the_call_ends_every_process(isolation: Isolation, folder: Path, alive: Path) -> None:
    with watched(alive) as pipe:
        task = asyncio.create_task(run_python(THREE_FOR_EVER, folder=folder, seconds=1000, isolation=isolation))
        await readable(pipe)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert b"here" in os.read(pipe, 100)
        assert os.read(pipe, 1) == b""
    assert processes_of(folder) == []
    assert children("Z") == []


def test_a_caller_that_is_killed_takes_every_process_along(isolation: Isolation, folder: Path, alive: Path) -> None:
    caller = dedent(f"""
        import asyncio
        from orchestra.tools.sandbox import Isolation, run_python
        asyncio.run(run_python({THREE_FOR_EVER!r}, folder={str(folder)!r}, seconds=1000, isolation={isolation!r}))
    """)
    with subprocess.Popen([sys.executable, "-c", caller]) as process:
        try:
            with open(alive) as pipe:
                pipe.readline()
                process.kill()
                pipe.read()  # to its end
        finally:
            process.kill()


async def test_a_supervisor_that_is_killed_is_no_result_of_the_program(isolation: Isolation, folder: Path, alive: Path) -> None:
    with watched(alive) as pipe:
        task = asyncio.create_task(run_python(ONE_FOR_EVER, folder=folder, seconds=1000, isolation=isolation))
        await readable(pipe)
        assert os.read(pipe, 100) == b"here\n"
        (supervisor,) = set(processes_of(folder)) & set(children())
        os.kill(supervisor, signal.SIGKILL)
        with pytest.raises(ToolError, match="killed from outside"):
            await task
        await readable(pipe)
        assert os.read(pipe, 1) == b""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process that leaves its group is lost")
async def test_without_any_layer_processes_that_left_the_group_end_too(folder: Path, alive: Path) -> None:
    program = "import os\nif os.fork() == 0: os.setsid(); os.fork()\npipe = open('alive', 'w')\nwhile True: pass"
    with watched(alive) as pipe:
        result = await run_python(program, folder=folder, seconds=SOON, allow_unsandboxed=True, isolation=Isolation(layers=()))
        assert result.stopped == "time"
        assert os.read(pipe, 1) == b""


async def test_a_sandbox_that_cannot_be_set_up_is_no_result_of_the_program(isolation: Isolation, folder: Path) -> None:
    with pytest.raises(LayerError, match="No such file"):
        await run_supervised(
            "print(1)", layers=isolation.layers, folder=folder / "gone", seconds=9, memory_mb=900, processes=9, output_bytes=99
        )


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (PythonResult(stdout="4\n", stderr="", exit_code=0), "4"),
        (PythonResult(stdout="", stderr="", exit_code=0), "[no output]"),
        (PythonResult(stdout="4\n", stderr="Oops\n", exit_code=1), "4\nOops\n[exit code 1]"),
        (PythonResult(stdout="4", stderr="", exit_code=None, stopped="time"), "4\n[stopped: out of time]"),
    ],
)
def test_a_result_reads_well(result: PythonResult, text: str) -> None:
    assert str(result) == text
