"""The worker processes: hostile answers cost bounded time, and no process outlives what it was started for."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest

from orchestra.answers import Equivalence

pytestmark = pytest.mark.skipif(find_spec("math_verify") is None, reason="needs math-verify")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

FOR_EVER = r"10^{10^{10}}"
HOSTILE = [
    FOR_EVER,
    r"(10^8)!",
    "9**9**9",
    "9**9**9**9",
    "x^{" + "9" * 190 + "}",
    r"\frac{" * 20 + "1" + "}{2}" * 20,
    r"\frac" * 40,
    r"\sqrt{" * 30 + "2" + "}" * 30,
    "{" * 100 + "}" * 100,
    "(" * 200,
    "\\" * 200,
    "\0",
    "5\0\n\r\u2028",
    "٣٣^{٣٣}½\ud800",
    "9" * 5000,
]
HUGE = [
    "{" * 100_000 + "}" * 100_000,
    r"\frac{" * 50_000 + "1" + "}{2}" * 50_000,
    "{" * 10_000_000,
    "9" * 10_000_000,
    "\0" * 10_000_000,
    "5 + " * 2_500_000,
]


def children() -> list[str]:
    """Of this process, zombies too."""
    return [child for task in Path("/proc/self/task").iterdir() for child in (task / "children").read_text().split()]


@on_linux
@pytest.mark.parametrize("workers", [1, 2])
def test_hostile_answers_end_in_time_and_are_not_five_and_the_next_answer_is_read(workers: int) -> None:
    before = children()

    async def main() -> tuple[list[str | None], list[bool], str | None]:
        async with Equivalence(workers=workers, timeout_s=1.0) as same:
            keys = await asyncio.gather(*[same.key("p", answer) for answer in [*HOSTILE, *HUGE]])
            grades = await asyncio.gather(*[same.equal(r"\sqrt{5}", answer) for answer in [*HOSTILE, *HUGE]])
            return keys, grades, await same.key("p", r"\sqrt{5}")

    keys, grades, key = asyncio.run(main())
    assert all(key is None or len(key) <= 5000 for key in keys)
    assert keys[0] is None and keys[-len(HUGE) :] == [None] * len(HUGE)
    assert not any(grades)
    assert key == "sqrt(5)"
    assert children() == before


def test_an_answer_of_megabytes_that_reaches_a_worker_is_stopped_as_well() -> None:
    async def main() -> list[str | None]:
        async with Equivalence(timeout_s=1.0, max_chars=100_000_000) as same:
            return [*[await same.key("p", answer) for answer in (HUGE[0], HUGE[-1])], await same.key("p", r"\sqrt{5}")]

    assert asyncio.run(main())[-1] == "sqrt(5)"


def test_the_event_loop_and_other_workers_go_on_beside_an_answer_that_takes_for_ever() -> None:
    async def main() -> None:
        async with Equivalence(workers=2, timeout_s=600) as same:
            stuck = asyncio.create_task(same.key("p", FOR_EVER))
            assert await same.key("p", r"\sqrt{8}") == await same.key("p", r"2\sqrt2") == "2*sqrt(2)"
            assert not stuck.done()
            stuck.cancel()
            await asyncio.wait({stuck})
            assert stuck.cancelled()
            assert await same.key("p", r"\sqrt{3}") == "sqrt(3)"

    asyncio.run(main())


def test_an_answer_that_takes_for_ever_is_tried_once_however_many_give_it() -> None:
    async def main() -> list[str | None]:
        async with Equivalence(timeout_s=2.0) as same:
            return await asyncio.gather(*[same.key("p", answer) for answer in [FOR_EVER] * 100 + [r"\sqrt{8}"]])

    assert asyncio.run(main()) == [None] * 100 + ["2*sqrt(2)"]  # else 200 seconds: beyond the limit of a test


def test_a_cancelled_reading_leaves_no_reply_for_the_next() -> None:
    async def main() -> str | None:
        async with Equivalence() as same:
            await same.key("p", r"\sqrt{2}")  # the process runs
            reading = asyncio.create_task(same.key("p", r"\sqrt{5}"))
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait({reading})
            assert reading.cancelled()
            return await same.key("p", r"\sqrt{3}")

    assert asyncio.run(main()) == "sqrt(3)"


def test_a_reply_that_came_while_the_event_loop_was_held_up_is_not_too_late() -> None:
    async def main() -> str | None:
        async with Equivalence(timeout_s=0.2) as same:
            await same.key("p", r"\sqrt{2}")
            reading = asyncio.create_task(same.key("p", r"\sqrt{3}"))
            await asyncio.sleep(0)
            import_sympy()  # takes longer than the limit, and than the reading
            return await reading

    def import_sympy() -> None:
        subprocess.run([sys.executable, "-c", "import sympy"], check=True)

    assert asyncio.run(main()) == "sqrt(3)"


@on_linux
@pytest.mark.parametrize("warm", [False, True], ids=["starting", "running"])
def test_leaving_ends_what_is_under_way_and_its_process(warm: bool) -> None:
    before = children()

    async def main() -> None:
        async with Equivalence(timeout_s=600) as same:
            if warm:
                await same.key("p", r"\sqrt{2}")
            readings = [asyncio.create_task(same.key("p", answer)) for answer in (FOR_EVER, r"\sqrt{3}")]
            await asyncio.sleep(0)
        await asyncio.wait(readings)
        for reading in readings:
            with pytest.raises(RuntimeError, match="inside `async with`"):
                reading.result()

    asyncio.run(main())
    assert children() == before


def test_each_thread_may_have_one_on_its_own_event_loop() -> None:
    keys: list[str | None] = []

    async def main() -> None:
        async with Equivalence() as same:
            keys.append(await same.key("p", r"\sqrt{8}"))

    threads = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert keys == ["2*sqrt(2)"] * 2


PROGRAM = """
import asyncio, os, sys
from orchestra.answers import Equivalence

async def main(how):
    same = Equivalence(timeout_s=600)
    await same.__aenter__()
    await same.key("p", "sqrt2")
    async with asyncio.TaskGroup() as group:
        if how != "abandoned":
            group.create_task(same.key("p", "10^{10^{10}}"))
            await asyncio.sleep(0)
        print("it runs", flush=True)
        if not how.isdigit():
            sys.stdin.readline()
        if how == "os._exit":
            os._exit(0)
        if how == "sys.exit":
            sys.exit(0)

try:
    asyncio.run(main(sys.argv[1]))
except KeyboardInterrupt:
    pass
"""


@on_linux
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, "os._exit", "sys.exit", "abandoned"], ids=str)
def test_a_busy_worker_ends_with_its_program_however_that_ends(how: signal.Signals | str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", PROGRAM, str(how)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment, cwd=tmp_path) as program:
        assert program.stdout
        program.stdout.readline()
        tasks = Path(f"/proc/{program.pid}/task").iterdir()
        (worker,) = [os.pidfd_open(int(child)) for task in tasks for child in (task / "children").read_text().split()]
        if isinstance(how, signal.Signals):
            program.send_signal(how)
        errors = program.communicate("end\n" if isinstance(how, str) else None)[1]
        ended = select.select([worker], [], [], 30)[0]
        os.close(worker)
    assert ended
    assert errors == "" or how == "abandoned"  # Python may complain of what was not left
