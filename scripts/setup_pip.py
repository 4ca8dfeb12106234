"""pip as `setup_env.py` runs it: with progress in one line a step, its noise in a log file, its failures in words, its torn packages found."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self  # Python 3.11

HEARTBEAT_S = 20
"""Between two lines of progress where the output is no terminal."""
NO_SPACE = "no space left on device"
NO_NETWORK = (
    "nameresolutionerror", "name resolution", "newconnectionerror", "connecttimeout", "readtimeout", "read timed out", "connection refused",
    "connection reset", "connection aborted", "network is unreachable", "max retries exceeded", "proxyerror", "sslerror",
)  # fmt: skip


class SetupError(Exception):
    """The set-up cannot go on. The message ends with what to do."""


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@contextmanager
def only_one(path: Path) -> Iterator[int]:
    """Held by one set-up of this checkout at a time. pip inherits it: a set-up whose pip outlived a kill -9 still counts as running."""
    with path.open("w") as file:
        with suppress(ImportError):  # Windows has no such locks
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another set-up of this checkout is at work: waiting for it")
                fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


class Pip:
    """Commands in the environment of `python`; their full output goes to `log`, and they hold the lock `lock` while they live."""

    def __init__(self, python: Path, log: Path, lock: int) -> None:
        self.python, self.log, self.lock = python, log, lock
        self.prefix = ""

    def works(self) -> bool:
        return (
            self.python.exists()
            and subprocess.run([self.python, "-m", "pip", "--version"], check=False, capture_output=True).returncode == 0
        )

    def install(self, args: list[str], title: str) -> str:
        # No bytecode: all of it would be 350 MB and 25 s; what is really imported is compiled at its first import.
        options = ["--no-compile", "--no-input", "--disable-pip-version-check", "--no-warn-script-location", "--progress-bar=off"]
        return self.command([str(self.python), "-m", "pip", "install", *options, *args], title)

    def command(self, command: list[str], title: str) -> str:
        """Run it to its end and return what it printed. Raises `SetupError` when it fails."""
        temporary = self.python.parents[1] / "tmp"  # beside the packages: /tmp may be small
        temporary.mkdir(exist_ok=True)
        unwanted = (
            "PYTHONPATH",
            "PYTHONHOME",
            "PYTHONDONTWRITEBYTECODE",
            "PIP_TARGET",
            "PIP_PREFIX",
            "PIP_REQUIRE_HASHES",
            "PIP_CONSTRAINT",
        )
        env = {name: value for name, value in os.environ.items() if name not in unwanted}
        env |= {"TMPDIR": str(temporary), "PIP_USER": "0", "PIP_ROOT_USER_ACTION": "ignore", "PYTHONUNBUFFERED": "1"}
        lines: list[str] = []
        with self.log.open("a", buffering=1, encoding="utf-8") as log, Line(self.prefix + title) as line:
            log.write(f"\n$ {' '.join(command)}\n")
            process = subprocess.Popen(
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                pass_fds=() if os.name == "nt" else (self.lock,),
            )

            def read() -> None:
                assert process.stdout
                for text in process.stdout:
                    log.write(text)
                    lines.append(text.rstrip())
                    line.follow(text)

            reader = threading.Thread(target=read, daemon=True)
            reader.start()
            try:
                while reader.is_alive():
                    reader.join(1)
                    line.show()
                status = process.wait()
            except BaseException:
                process.terminate()
                process.wait()
                raise
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
            if status:
                raise SetupError(f"{explain(lines, status)}\nThe full output is in {self.log}.")
        return "\n".join(lines)


class Line:
    """The progress of one step: a line that is rewritten each second on a terminal, and a line now and then elsewhere."""

    def __init__(self, title: str) -> None:
        self._title, self._start, self._shown = title, time.monotonic(), 0.0
        self._count, self._detail = 0, ""
        self._live = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._detail = "done" if kind is None else "stopped"
        self._write(final=True)

    def follow(self, output: str) -> None:
        """Take what is worth showing out of a line of pip's output."""
        word, _, rest = output.strip().partition(" ")
        if word == "Collecting":
            self._count += 1
            self._detail = f"package {self._count}: {rest.split(' (')[0]}"
        elif word == "Downloading" and (size := re.search(r"\(([\d.]+ [MG]B)\)", rest)):
            self._detail = f"{self._detail.split(' (')[0]} ({size[1]})"
        elif output.startswith("Installing collected"):
            self._detail = f"unpacking {output.count(',') + 1} packages"

    def show(self) -> None:
        if self._live or time.monotonic() - max(self._shown, self._start) > HEARTBEAT_S:
            self._write(final=False)

    def _write(self, *, final: bool) -> None:
        self._shown = time.monotonic()
        text = "  " + "  ".join(filter(None, [self._title, self._detail, f"{self._shown - self._start:.0f} s"]))
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{text[:width]}" + "\n" * final)
            sys.stderr.flush()
        else:
            say(text)


def explain(lines: list[str], status: int) -> str:
    """Why a command failed, and what to do, from its output."""
    output = "\n".join(lines).lower()
    errors = [line for line in lines if line.startswith("ERROR:")] or [line for line in lines if line.strip()]
    last = errors[-1].removeprefix("ERROR: ") if errors else ""
    if NO_SPACE in output:
        return "The disk is full: make room, then run this again."
    if any(sign in output for sign in NO_NETWORK):
        return "The network failed: check the connection and the proxy, then run this again; what has been downloaded is kept."
    if missing := re.search(r"no matching distribution found for (\S+)", output):
        return f"pip finds no {missing[1]} for this Python and platform in the places it is configured for."
    if status < 0:
        return f"It was killed by {signal.Signals(-status).name}{': memory may have run out' if status == -9 else ''}."
    return last or f"It ended with status {status}."


def forget_torn(site: Path) -> list[str]:
    """Delete the records of packages in `site` whose files are not all there, so that pip takes them for missing. Returns their names."""
    torn = []
    for info in site.glob("*.dist-info"):
        try:
            with (info / "RECORD").open(newline="", encoding="utf-8") as file:
                whole = all(not size or (site / path).stat().st_size == int(size) for path, _, size in csv.reader(file))
        except (OSError, ValueError):
            whole = False
        if not whole:
            shutil.rmtree(info)
            torn.append(info.name.split("-")[0])
    for leftover in site.glob("~*"):  # what pip had moved aside
        shutil.rmtree(leftover, ignore_errors=True)
    return sorted(torn)
