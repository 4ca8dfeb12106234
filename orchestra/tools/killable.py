"""Calls in a process of their own, which can be ended at any time. Each starts a fresh interpreter: tenths of a second.

The process leads a group of its own, so that what it has started ends with it and Ctrl-C reaches it only through us; it ends itself when
this process dies.
"""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from ..errors import ConfigError, ToolError
from ..user_modules import import_again
from .context import idempotency_key
from .output import bounded
from .threads import Threads

_REAP_S = 2.0  # a killed process is gone in milliseconds, unless it hangs in the kernel


@dataclass(frozen=True, slots=True)
class FunctionName:
    """A function as another process finds it."""

    module: str
    name: str
    file: str | None

    @classmethod
    def of(cls, function: Callable[..., Any]) -> FunctionName:
        """Raises `ConfigError` for a function that cannot be found by its name."""
        if inspect.isfunction(function) and "<" not in function.__qualname__:  # <lambda>, <locals>
            file = getattr(sys.modules.get(function.__module__), "__file__", None)
            if file or function.__module__ != "__main__":  # which has no file where Python is typed in
                return cls(function.__module__, function.__qualname__, file)
        raise ConfigError(
            f"`process=True` needs a function at the top level of a file, got {function!r}: its process has to find it by its name"
        )

    def find(self) -> Callable[..., Any]:
        # multiprocessing imports the script that was started under this name
        found: Any = sys.modules["__mp_main__"] if self.module == "__main__" else import_again(self.module, self.file)
        for part in self.name.split("."):
            found = getattr(found, part)
        return found if inspect.isfunction(found) else found.function  # `@tool` has put a tool in its place


async def run_in_process(
    name: str, function: FunctionName, arguments: Mapping[str, Any], limit: int | None, threads: Threads
) -> Any:
    """What the function returns or raises. Cancelling this kills the process and all that it has started.

    Outputs larger than `limit` are treated as `bounded` says, before they are sent. Raises `ToolError` when the process dies, or when
    arguments or outputs cannot be pickled.
    """
    try:
        message = pickle.dumps((function, dict(arguments), limit, name, idempotency_key.get()))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise ToolError(f"the arguments of {name} cannot be sent to its process: {error}") from error
    child = _Child(name, message)
    # A task, so that cancelling this call does not leave the thread before the process is dead.
    answer = asyncio.create_task(threads.run(name, child.run))
    try:
        await asyncio.wait({answer})
    except asyncio.CancelledError:
        answer.add_done_callback(lambda answer: answer.cancelled() or answer.exception())  # nobody else looks at it
        try:
            if child.end():
                await asyncio.wait({answer}, timeout=_REAP_S)
        finally:
            answer.cancel()
        await asyncio.wait({answer})
        raise
    output, failure = answer.result()
    if failure is not None:
        raise failure
    return output


class _Child:
    """One call's process. It is run in one thread and may be ended from another."""

    def __init__(self, name: str, message: bytes) -> None:
        self._name = name
        self._message = message
        self._lock = threading.Lock()
        self._process: SpawnProcess | None = None
        self._ended = False

    def run(self) -> tuple[Any, BaseException | None]:
        """The output or what was raised. Returns when the process is gone."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        # A daemon, in multiprocessing's sense: at exit it is ended, not waited for.
        process = context.Process(target=_work, args=(theirs,), daemon=True)
        with ours:
            with theirs, self._lock:
                if self._ended:
                    return None, None
                process.start()
                self._process = process
            try:
                ours.send_bytes(self._message)
                answer: tuple[Any, BaseException | None] = pickle.loads(ours.recv_bytes())
            except (EOFError, OSError):
                process.join(_REAP_S)
                return None, ToolError(
                    f"{self._name} has ended its process (exit code {process.exitcode}). If it could not start: put the code that runs "
                    'the agent under `if __name__ == "__main__":`, because the process imports that file, too'
                )
            finally:
                _kill(process)
                process.join(_REAP_S)
        return answer

    def end(self) -> bool:
        """Kill the process, or see to it that it does not start. False if it has not started."""
        with self._lock:
            self._ended = True
            if self._process:
                _kill(self._process)
            return self._process is not None


def _kill(process: SpawnProcess) -> None:
    if process.is_alive():
        process.kill()
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):  # it had not become the leader of a group yet
                os.killpg(process.pid or 0, signal.SIGKILL)


def _work(connection: Connection) -> None:
    """The process."""
    if hasattr(os, "setsid"):
        os.setsid()
    threading.Thread(target=_follow_parent, daemon=True).start()
    function, arguments, limit, name, key = pickle.loads(connection.recv_bytes())
    idempotency_key.set(key)  # other context variables stay behind: not all can be sent
    output: Any = None
    error: BaseException | None = None
    try:
        output = function.find()(**arguments)
        if inspect.isawaitable(output):
            output = asyncio.run(_awaited(output))
        output = bounded(output, limit, name)
    except BaseException as raised:  # noqa: BLE001 # the boundary: whatever it raises is for the caller, in the other process
        error = raised
        error.add_note("in the tool's process:\n" + "".join(traceback.format_exception(raised)))
    answer = _pickled(name, output, error)
    sys.stdout.flush()  # what follows the answer is a SIGKILL
    sys.stderr.flush()
    connection.send_bytes(answer)


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def _pickled(name: str, output: Any, error: BaseException | None) -> bytes:
    if error is not None and not isinstance(error, Exception):
        error = ToolError(f"{name} raised {error!r}: it should return, or raise an ordinary exception")
    try:
        answer = pickle.dumps((output, error))
        if error is not None:
            pickle.loads(answer)  # many exceptions can be written and not read
    except Exception as problem:  # noqa: BLE001 # the boundary: users' classes may raise anything while they are pickled
        if error is None:
            error = ToolError(f"the output of {name} cannot be sent from its process: {problem}")
        else:
            error = ToolError(f"{name} raised {type(error).__name__}: {error}")
        return pickle.dumps((None, error))
    return answer


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent
    parent.join()
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
