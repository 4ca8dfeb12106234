"""The pool that ordinary functions run in: bounded, never waited for at exit, honest about calls that do not return."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import astuple

import pytest

from orchestra.errors import ToolError
from orchestra.tools.function import tool
from orchestra.tools.threads import Threads

WHO = contextvars.ContextVar("WHO", default="nobody")


class Gate:
    """A call that stays inside until it is let out."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self) -> str:
        self.entered.release()
        self.open.wait()
        return "out"

    async def is_entered(self, times: int = 1) -> None:
        for _ in range(times):
            await asyncio.to_thread(self.entered.acquire)


def test_a_call_sees_a_copy_of_its_callers_context() -> None:
    def change() -> str:
        before = WHO.get()
        WHO.set("changed")
        return before

    async def main() -> tuple[str, str]:
        WHO.set("caller")
        return await Threads(1).run("change", change), WHO.get()

    assert asyncio.run(main()) == ("caller", "caller")


def test_no_more_threads_run_than_allowed_and_they_are_used_again() -> None:
    async def main() -> list[tuple[int, ...]]:
        pool, gate = Threads(2), Gate()
        seen = []
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(pool.run("gate", gate)) for _ in range(5)]
            await gate.is_entered(2)
            seen.append(astuple(pool.statistics))
            gate.open.set()
        assert [call.result() for call in calls] == ["out"] * 5
        names = {await pool.run("name", lambda: threading.current_thread().name) for _ in range(5)}
        assert names <= {"tool-1", "tool-2"}
        return seen

    assert asyncio.run(main()) == [(2, 0, 3, 0)]


def test_a_cancelled_call_returns_at_once_and_its_thread_is_counted_until_it_comes_back() -> None:
    async def main() -> None:
        pool, gate = Threads(2), Gate()
        call = asyncio.create_task(pool.run("gate", gate))
        await gate.is_entered()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert astuple(pool.statistics) == (0, 1, 0, 0)
        assert await pool.run("other", lambda: 1) == 1, "others go on"
        gate.open.set()
        both = Gate()
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(pool.run("both", both))
            await both.is_entered(2)  # so the abandoned thread has come back
            assert astuple(pool.statistics) == (2, 0, 0, 0)
            both.open.set()

    asyncio.run(main())


def test_a_call_that_is_cancelled_before_it_starts_never_runs() -> None:
    async def main() -> None:
        pool, gate = Threads(1), Gate()
        ran = threading.Event()
        first = asyncio.create_task(pool.run("gate", gate))
        await gate.is_entered()
        second = asyncio.create_task(pool.run("second", ran.set))
        await asyncio.sleep(0)
        assert pool.statistics.waiting == 1
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert astuple(pool.statistics) == (1, 0, 0, 0)
        gate.open.set()
        assert await first == "out"
        assert not ran.is_set()

    asyncio.run(main())


def test_a_pool_of_stuck_threads_fails_calls_instead_of_letting_them_wait() -> None:
    async def main() -> None:
        pool, gate = Threads(2), Gate()
        stuck = [asyncio.create_task(pool.run("download", gate)) for _ in range(2)]
        await gate.is_entered(2)
        waiting = asyncio.create_task(pool.run("search", lambda: 1))
        await asyncio.sleep(0)
        for call in stuck:
            call.cancel()
        with pytest.raises(ToolError, match=r"search cannot start: all 2 threads are stuck .* \(2 x download\).*process=True"):
            await waiting
        with pytest.raises(ToolError, match="search cannot start"):
            await pool.run("search", lambda: 1)
        gate.open.set()

    asyncio.run(main())


@pytest.mark.parametrize("error", [StopIteration(1), SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
def test_what_would_confuse_the_loop_becomes_a_tool_error(error: BaseException) -> None:
    def raises() -> None:
        raise error

    with pytest.raises(ToolError, match=f"odd raised {type(error).__name__}"):
        asyncio.run(Threads(1).run("odd", raises))


def test_a_pool_serves_one_event_loop_after_another() -> None:
    pool = Threads(1)
    assert [asyncio.run(pool.run("one", lambda: 1)) for _ in range(3)] == [1, 1, 1]


def test_a_call_whose_loop_is_gone_leaves_its_thread_usable() -> None:
    pool, gate = Threads(2), Gate()

    async def abandon() -> None:
        call = asyncio.create_task(pool.run("gate", gate))
        await gate.is_entered()
        call.cancel()

    async def meet() -> list[int]:
        barrier = threading.Barrier(2)  # both threads are needed
        return await asyncio.gather(*(pool.run("meet", barrier.wait) for _ in range(2)))

    asyncio.run(abandon())
    gate.open.set()
    assert sorted(asyncio.run(meet())) == [0, 1]


def test_a_tool_may_have_threads_of_its_own() -> None:
    pool = Threads(1)

    def who() -> str:
        return threading.current_thread().name

    async def main() -> None:
        assert await tool(who, threads=pool).call({}) == "tool-1"
        assert pool.statistics.idle == 1

    asyncio.run(main())


def test_a_pool_needs_a_thread() -> None:
    with pytest.raises(ValueError, match="got 0"):
        Threads(0)


PROGRAM = """
import asyncio, threading
from orchestra.tools.function import tool

entered = threading.Event()

@tool
def never_returns() -> None:
    entered.set()
    threading.Event().wait()

async def main() -> None:
    call = asyncio.create_task(never_returns.call({}))
    await asyncio.to_thread(entered.wait)
    call.cancel()

asyncio.run(main())
print("left")
"""


def test_a_function_that_never_returns_does_not_keep_the_interpreter() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.returncode) == ("left\n", 0), done.stderr


def test_a_thousand_calls_at_once_are_all_answered() -> None:
    async def main() -> list[int]:
        pool = Threads(8)

        def returns(number: int) -> Callable[[], int]:
            return lambda: number

        return await asyncio.gather(*(pool.run("number", returns(number)) for number in range(1_000)))

    assert asyncio.run(main()) == list(range(1_000))
