"""Tools in processes of their own: what goes in and out, how they fail, and that they really end."""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from orchestra.errors import ConfigError, ToolError
from orchestra.tools.context import idempotency_key
from orchestra.tools.function import tool
from orchestra.tools.killable import FunctionName
from orchestra.tools.threads import Threads


@pytest.fixture
def samples(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import sample_tools  # type: ignore[import-not-found]

    return sample_tools


def test_a_process_takes_and_returns_objects(samples: Any, capfd: pytest.CaptureFixture[str]) -> None:
    async def main() -> list[Any]:
        idempotency_key.set("run-1/node-2")
        calls = [
            samples.key.call({}),
            samples.moved.call({"point": {"x": 1, "y": "2"}}),
            samples.asynchronous.call({"text": "a"}),
            samples.process_id.call({}),
        ]
        return await asyncio.gather(*calls, samples.talkative.call({"length": 20}))

    key, point, text, process, cut = asyncio.run(main())
    assert key == "run-1/node-2"
    assert point == samples.Point(2, 3)
    assert text == "A"
    assert not Path(f"/proc/{process}").exists()
    assert cut.startswith("x" * 10 + "\n[cut here: 10 of 20")
    assert capfd.readouterr().out == "printed in the process\n"
    assert samples.moved(samples.Point(0, 0)) == samples.Point(1, 1), "it is still a function"


def test_a_process_that_fails_says_how(samples: Any) -> None:
    async def failure(how: str) -> Exception:
        with pytest.raises(Exception) as caught:  # which one is what is tested
            await samples.fails.call({"how": how})
        return caught.value

    async def main() -> list[Exception]:
        return await asyncio.gather(*map(failure, ["raise", "picky", "exit", "die", "lock"]))

    raised, picky, left, died, lock = asyncio.run(main())
    assert isinstance(raised, ValueError)
    assert "line" in raised.__notes__[0], "its traceback"
    assert str(picky) == "fails raised Picky: hard to read"
    assert str(left) == "fails raised SystemExit(3): it should return, or raise an ordinary exception"
    assert str(died).startswith("fails has ended its process (exit code 7)")
    assert str(lock).startswith("the output of fails cannot be sent from its process")


class Guests:
    """Waits until both processes of `hangs` are here, and until the kernel has closed the connections of both, which then are dead."""

    def __init__(self) -> None:
        self.here: set[bytes] = set()
        self.all_here, self.all_gone = asyncio.Event(), asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = await reader.readexactly(6)
        self.here.add(name)
        if self.here == {b"parent", b"child "}:
            self.all_here.set()
        await reader.read()
        writer.close()
        self.here.remove(name)
        if not self.here:
            self.all_gone.set()


def test_cancelling_a_call_kills_its_process_and_what_that_has_started(samples: Any) -> None:
    async def main() -> None:
        guests = Guests()
        async with await asyncio.start_server(guests.serve, "localhost", 0) as server:
            hanging = asyncio.create_task(samples.hangs.call({"port": server.sockets[0].getsockname()[1]}))
            await guests.all_here.wait()
            hanging.cancel()
            with pytest.raises(asyncio.CancelledError):
                await hanging
            await guests.all_gone.wait()

    asyncio.run(main())


PROGRAM = """
import asyncio, sys
from sample_tools import hangs

if __name__ == "__main__":
    asyncio.run(hangs.call({"port": int(sys.argv[1])}))
"""


def test_killing_the_program_kills_the_processes_of_its_tools(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)

    async def main() -> None:
        guests = Guests()
        async with await asyncio.start_server(guests.serve, "localhost", 0) as server:
            command = [sys.executable, str(program), str(server.sockets[0].getsockname()[1])]
            process = await asyncio.create_subprocess_exec(
                *command, env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
            )
            await guests.all_here.wait()
            process.kill()
            await process.wait()
            await guests.all_gone.wait()

    asyncio.run(main())


def test_a_tool_in_the_script_that_was_started_is_found(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    source = """
        import asyncio
        from dataclasses import dataclass
        from orchestra.tools.function import tool

        @dataclass
        class Number:
            value: int

        @tool(process=True)
        def double(x: Number) -> Number:
            return Number(2 * x.value)

        {guard}print(asyncio.run(double.call({{"x": {{"value": 4}}}})))
    """
    program.write_text(textwrap.dedent(source.format(guard='if __name__ == "__main__": ')))
    assert subprocess.run([sys.executable, program], capture_output=True, text=True, check=True).stdout == "Number(value=8)\n"
    program.write_text(textwrap.dedent(source.format(guard="")))
    failed = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert 'put the code that runs the agent under `if __name__ == "__main__":`' in failed.stderr


def test_only_what_can_be_found_by_its_name_can_have_a_process() -> None:
    for function in (lambda: 1, str.upper, functools.partial(print, end="")):
        with pytest.raises(ConfigError, match="`process=True` needs a function at the top level of a file"):
            FunctionName.of(function)


def test_arguments_that_cannot_be_sent_are_refused(samples: Any) -> None:
    with pytest.raises(ToolError, match="the arguments of anything cannot be sent to its process"):
        asyncio.run(samples.anything.call({"value": threading.Lock()}))


def test_a_call_that_is_cancelled_before_it_has_a_thread_starts_no_process(samples: Any) -> None:
    async def main() -> None:
        pool, busy, done = Threads(1), threading.Event(), threading.Event()
        blocking = asyncio.create_task(pool.run("blocking", lambda: (busy.set(), done.wait())))
        await asyncio.to_thread(busy.wait)
        waiting = asyncio.create_task(tool(samples.anything.function, process=True, threads=pool).call({"value": 1}))
        for _ in range(3):  # the call, its task, and the pool
            await asyncio.sleep(0)
        assert pool.statistics.waiting == 1
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        done.set()
        await blocking
        assert pool.statistics.idle == 1

    asyncio.run(main())
