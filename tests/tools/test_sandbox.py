"""Python as a tool, on the real kernel: what a program can do, what it cannot, and where it is not run at all."""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from orchestra.errors import ConfigError
from orchestra.tools.isolation import Isolation, broken_promises, self_test
from orchestra.tools.python_process import PythonResult
from orchestra.tools.sandbox import python_tool, run_python

linux = pytest.mark.skipif(sys.platform != "linux", reason="there is a sandbox on Linux only")


def run(code: str, **options: Any) -> PythonResult:
    return asyncio.run(run_python(code, **options))


def attempts(isolation: Isolation, folder: Path, *statements: str) -> list[str]:
    """The outcome of each statement: "did it", or the name of the exception."""
    program = dedent("""
        import os, socket
        for statement in {statements!r}:
            try:
                exec(statement)
                print("did it")
            except Exception as error:
                print(type(error).__name__)
    """)
    result = run(program.format(statements=statements), folder=folder, isolation=isolation)
    assert result.stderr == ""
    return result.stdout.splitlines()


def test_a_program_prints_and_leaves_files_in_its_folder(isolation: Isolation, folder: Path) -> None:
    (folder / "given").write_text("äöü")
    result = run("print(open('given').read()); open('made', 'w').write('x' * 3)", folder=folder, isolation=isolation)
    assert (result.stdout, result.stderr, result.exit_code, result.stopped) == ("äöü\n", "", 0, None)
    assert (folder / "made").read_text() == "xxx"


def test_installed_packages_and_modules_in_the_folder_can_be_imported(isolation: Isolation, folder: Path) -> None:
    (folder / "helper.py").write_text("answer = 42")
    result = run("import pydantic, sqlite3, helper; print(helper.answer)", folder=folder, isolation=isolation)
    assert (result.stdout, result.stderr) == ("42\n", "")


def test_without_a_folder_it_has_an_empty_one_that_is_gone_afterwards(isolation: Isolation) -> None:
    program = "import os; print(os.getcwd(), os.listdir()); os.makedirs('a/b'); open('a/b/c', 'w'); os.symlink('/', 'a/link')"
    where, listing = run(program, isolation=isolation).stdout.split()
    assert listing == "[]"
    assert not Path(where).exists()


def test_no_socket_can_be_opened(isolation: Isolation, folder: Path) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        outcomes = attempts(
            isolation,
            folder,
            f"socket.create_connection({listening.getsockname()!r}, timeout=5)",
            "socket.socket(socket.AF_INET6)",
            "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
            "socket.socket(socket.AF_UNIX)",
            "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
        )
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert outcomes == ["PermissionError"] * 5


def test_files_outside_the_folder_cannot_be_read(isolation: Isolation, folder: Path) -> None:
    secret = folder.parent / "secret"
    secret.write_text("secret")
    (folder / "link").symlink_to(secret)
    paths = [secret, "../secret", "link", "/etc/passwd", f"/proc/{os.getpid()}/environ", "/proc/self/environ", __file__]
    directories = ["/", "..", "/proc", Path.home()]
    reading = [f"open({str(path)!r}).read()" for path in paths] + [f"os.listdir({str(path)!r})" for path in directories]
    assert set(attempts(isolation, folder, *reading)) <= {"PermissionError", "FileNotFoundError"}


def test_files_outside_the_folder_cannot_be_changed(isolation: Isolation, folder: Path) -> None:
    secret, new = folder.parent / "secret", folder.parent / "new"
    secret.write_text("secret")
    before = secret.stat()
    outcomes = attempts(
        isolation,
        folder,
        *(f"open({str(secret)!r}, {mode!r})" for mode in ("w", "a", "r+")),
        f"os.truncate({str(secret)!r}, 0)",
        f"os.chmod({str(secret)!r}, 0o777)",
        f"os.utime({str(secret)!r})",
        f"os.remove({str(secret)!r})",
        f"os.link({str(secret)!r}, 'hard')",
        f"os.rename({str(secret)!r}, 'moved')",
        f"os.mkdir({str(new)!r})",
        f"open({str(new)!r}, 'w')",
        "open(os.__file__, 'a')",
        "os.remove(os.__file__)",
        "open(os.path.join(os.path.dirname(os.__file__), 'new.py'), 'w')",
    )
    assert set(outcomes) <= {"PermissionError", "FileNotFoundError", "OSError"}
    assert secret.read_text() == "secret"
    after = secret.stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_nlink) == (before.st_mode, before.st_mtime_ns, before.st_nlink)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["folder", "secret"]


def test_no_new_namespace_can_be_made(isolation: Isolation) -> None:
    assert run("import ctypes; print(ctypes.CDLL(None).unshare(0x10000000))", isolation=isolation).stdout == "-1\n"


def test_our_environment_and_open_files_are_not_inherited(
    isolation: Isolation, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = dedent("""
        import os
        def is_open(number):
            try:
                return bool(os.fstat(number))
            except OSError:
                return False
        print(dict(os.environ))
        print([number for number in range(1000) if is_open(number)])
    """)
    monkeypatch.setenv("API_KEY", "do-not-tell")
    with open(folder.parent / "open", "w") as opened:
        os.set_inheritable(opened.fileno(), True)
        environment, descriptors = run(program, folder=folder, isolation=isolation).stdout.splitlines()
    assert "do-not-tell" not in environment
    assert descriptors == "[0, 1, 2]"


def test_standard_input_is_at_its_end(isolation: Isolation) -> None:
    assert "EOFError" in run("input()", isolation=isolation).stderr


def test_event_loops_and_threads_work(isolation: Isolation) -> None:
    program = "import asyncio\nasync def main(): print(await asyncio.to_thread(abs, -1))\nasyncio.run(main())"
    assert run(program, isolation=isolation).stdout == "1\n"


def test_many_run_at_once(isolation: Isolation) -> None:
    async def all_of_them() -> list[PythonResult]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run_python(f"print({number} ** 2)", isolation=isolation)) for number in range(8)]
        return [task.result() for task in tasks]

    assert [result.stdout for result in asyncio.run(all_of_them())] == [f"{number**2}\n" for number in range(8)]


OPEN = Isolation(layers=(), missing=("no network",), refused=("namespaces: forbidden here",))


def test_it_refuses_where_the_machine_cannot_enforce_it(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot enforce no network \(namespaces: forbidden here\).*`allow_unsandboxed=True`"):
        run("open('ran', 'w')", folder=folder, isolation=OPEN)
    assert list(folder.iterdir()) == []


def test_the_refusal_can_be_overridden() -> None:
    result = run("print(1)\nimport time\ntime.sleep(1000)", seconds=2.0, allow_unsandboxed=True, isolation=OPEN)
    assert (result.stdout, result.stopped) == ("1\n", "time")


@linux
def test_the_self_test_finds_the_holes_of_missing_layers() -> None:
    assert {"no network", "no reading outside the folder", "no writing outside the folder"} <= set(asyncio.run(broken_promises(())))


def test_the_self_test_says_what_holds_here() -> None:
    found = self_test()
    assert found.layers or found.missing
    assert str(found).endswith(")") == bool(found.refused)


def test_elsewhere_than_on_linux_nothing_is_enforced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    found = self_test.__wrapped__()
    assert (found.layers, found.refused) == ((), ("darwin has neither namespaces nor Landlock",))
    assert "no network" in found.missing


@pytest.mark.parametrize("name", ["seconds", "memory_mb", "processes", "output_bytes"])
def test_limits_are_positive(name: str) -> None:
    with pytest.raises(ConfigError, match=f"`{name}` must be positive and finite, got 0"):
        run("", **{name: 0})


def test_a_folder_must_exist_and_must_not_hold_what_runs_outside_the_sandbox(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no directory"):
        run("", folder=tmp_path / "missing")
    for folder in ("/", sys.prefix, Path(inspect.getfile(run_python)).parents[2], Path(os.__file__).parent / "json"):
        with pytest.raises(ConfigError, match="overlaps with"):
            run("", folder=folder)


def test_the_tool_takes_code_and_keeps_nothing_between_calls(isolation: Isolation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestra.tools.sandbox.self_test", lambda: isolation)
    tool = python_tool(seconds=20)
    assert list(inspect.signature(tool).parameters) == ["code"]
    assert inspect.getdoc(tool)

    async def twice(code: str) -> list[str]:
        return [(await tool(code)).stdout for _ in range(2)]

    program = "import os; print(os.path.exists('made')); open('made', 'w')"
    assert asyncio.run(twice(program)) == ["False\n", "False\n"]
