import asyncio
import socket
import threading
import time

import pytest

from orchestra.engine.virtual import run_virtual


def clock() -> float:
    return asyncio.get_running_loop().time()


def test_time_starts_at_zero_and_a_day_of_sleep_costs_no_real_time() -> None:
    async def main() -> tuple[float, float]:
        start = clock()
        await asyncio.sleep(86_400)
        return start, clock()

    real = time.monotonic()
    assert run_virtual(main()) == (0, 86_400)
    assert time.monotonic() - real < 5


def test_sleepers_wake_in_the_order_of_their_times_whatever_the_order_of_their_starts() -> None:
    woken: list[tuple[int, float]] = []

    async def sleeper(seconds: int) -> None:
        await asyncio.sleep(seconds)
        woken.append((seconds, clock()))

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for seconds in (300, 100, 200):
                group.create_task(sleeper(seconds))

    run_virtual(main())
    assert woken == [(100, 100), (200, 200), (300, 300)]


def test_timeout_fires_at_its_virtual_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await asyncio.Event().wait()
        return clock()

    assert run_virtual(main()) == 60


def test_time_stands_still_while_a_task_is_ready() -> None:
    async def main() -> float:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(1))
            for _ in range(1000):
                await asyncio.sleep(0)
            busy_until = clock()
        return busy_until

    assert run_virtual(main()) == 0


def test_thread_wakes_the_loop_and_takes_no_virtual_time() -> None:
    async def main() -> tuple[str, float]:
        async with asyncio.timeout(0.001):  # a thousandth of the thread's real time
            done = threading.Event()
            timer = threading.Timer(0.05, done.set)
            timer.start()
            await asyncio.to_thread(done.wait)
            timer.join()
        return "woken", clock()

    assert run_virtual(main()) == ("woken", 0)


def test_socket_wakes_a_loop_without_timers() -> None:
    async def main() -> bytes:
        near, far = socket.socketpair()
        near.setblocking(False)
        with near, far:
            outside = threading.Timer(0.05, far.sendall, [b"over a real socket"])
            outside.start()
            received = await asyncio.get_running_loop().sock_recv(near, 100)
            outside.join()
            return received

    assert run_virtual(main()) == b"over a real socket"


def test_deadlock_raises_and_names_the_waiting_task_and_its_line() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(never(), name="node-7")

    with pytest.raises(RuntimeError, match=r"deadlock: .*node-7 at .*test_virtual\.py:\d+"):
        run_virtual(main())


def test_deadlock_runs_the_cleanup_of_waiting_tasks() -> None:
    cleaned: list[str] = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append("main")

    with pytest.raises(RuntimeError, match="deadlock"):
        run_virtual(main())
    assert cleaned == ["main"]


def test_silent_thread_raises_after_the_real_wait() -> None:
    release = threading.Event()

    async def main() -> None:
        try:
            await asyncio.to_thread(release.wait)
        finally:
            release.set()

    with pytest.raises(RuntimeError, match="silent for 0.05 real seconds; waiting: Task-"):
        run_virtual(main(), real_wait_s=0.05)


def test_error_of_main_comes_through() -> None:
    async def main() -> None:
        await asyncio.sleep(1)
        raise LookupError("at t=1")

    with pytest.raises(LookupError, match="at t=1"):
        run_virtual(main())
