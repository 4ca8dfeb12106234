"""Which answers are one, for votes and for grades. Most of it needs math-verify."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import pytest

from orchestra.answers import Equivalence, pool, quick_key
from orchestra.errors import ConfigError

from .pairs import DIFFERENT_FROM_A_TEACHER, EQUAL, ONE_ANSWER_WITH_TWO_KEYS, UNEQUAL

needs_math_verify = pytest.mark.skipif(find_spec("math_verify") is None, reason="needs math-verify")

Result = TypeVar("Result")


def with_equivalence(use: Callable[[Equivalence], Awaitable[Result]], *, workers: int = 1, timeout_s: float = 20.0) -> Result:
    async def main() -> Result:
        async with Equivalence(workers=workers, timeout_s=timeout_s) as same:
            return await use(same)

    return asyncio.run(main())


@needs_math_verify
def test_grades_are_a_teachers_but_for_the_listed_differences() -> None:
    judged = [(gold, answer, True) for gold, answer in EQUAL] + [(gold, answer, False) for gold, answer in UNEQUAL]
    judged += [(gold, answer, verdict) for gold, answer, verdict, _ in DIFFERENT_FROM_A_TEACHER]

    async def wrong(same: Equivalence) -> list[tuple[str, str, bool]]:
        return [row for row in judged if await same.equal(row[0], row[1]) != row[2]]

    assert len(judged) > 200
    assert with_equivalence(wrong) == []


@needs_math_verify
@pytest.mark.parametrize("turned", [False, True], ids=["gold first", "gold last"])
def test_votes_join_where_grades_agree_in_either_order_of_arrival(turned: bool) -> None:
    async def wrong(same: Equivalence) -> set[tuple[str, str]]:
        found = set()
        for number, (gold, answer) in enumerate(EQUAL + UNEQUAL):
            first, second = (answer, gold) if turned else (gold, answer)
            one, other = await same.key(str(number), first), await same.key(str(number), second)
            if (one == other) != (number < len(EQUAL)):
                found.add((gold, answer))
        return found

    assert with_equivalence(wrong) == ONE_ANSWER_WITH_TWO_KEYS


@needs_math_verify
def test_equal_answers_that_arrive_together_get_one_key_and_keep_it() -> None:
    forms = [r"\sqrt{8}", r"2\sqrt2", r"\frac{4}{\sqrt{2}}", "2.82842712", r"x=2\sqrt{2}", r"\sqrt{8}"] * 3

    async def keys(same: Equivalence) -> list[str | None]:
        together = await asyncio.gather(*[same.key("p", form) for form in forms])
        return [*together, *[await same.key("p", form) for form in forms]]

    found = with_equivalence(keys, workers=2)
    assert None not in found
    assert len(set(found)) == 1


@needs_math_verify
def test_a_number_has_its_quick_key_however_it_is_written() -> None:
    async def keys(same: Equivalence) -> list[str | None]:
        return [await same.key("p", answer) for answer in (r"2^{10}", r"\frac{2048}{2}", "1024", r"\{1024\}", r"\sqrt{1048576}")]

    assert with_equivalence(keys) == ["1024"] * 5


def test_what_is_known_at_once_is_said_at_once_and_no_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "find_spec", lambda name: None)  # as if math-verify were not installed

    async def main(same: Equivalence) -> None:
        assert [same.at_once(answer) for answer in ("042", "(C)", None, " ", "x" * 201)] == ["42", "C", None, None, None]
        with pytest.raises(LookupError):
            same.at_once(r"\sqrt{2}")
        assert await same.key("p", r"\frac{1}{2}") == "1/2"
        assert await same.equal("0.5", r"\frac{1}{2}") and await same.equal(r"\sqrt{2}", r" \sqrt{2}")
        assert not await same.equal("5", None)
        with pytest.raises(ConfigError, match=r"pip install .*math-verify\[antlr4_13_2\]"):
            await same.key("p", r"\sqrt{2}")

    with_equivalence(main)


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"timeout_s": 0.0}, {"timeout_s": float("nan")}, {"max_chars": 0}])
def test_limits_must_be_positive(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must be positive"):
        Equivalence(**wrong)  # type: ignore[arg-type]


HOSTILE = [r"10^{10^{10}}", r"(10^8)!"]


@needs_math_verify
def test_an_answer_that_takes_for_ever_has_no_vote_and_others_go_on() -> None:
    async def main(same: Equivalence) -> tuple[list[str | None], bool]:
        keys = await asyncio.gather(*[same.key("p", answer) for answer in [HOSTILE[0], r"\sqrt{8}", HOSTILE[0], r"2\sqrt{2}"]])
        return keys, await same.equal("5", HOSTILE[0])

    assert with_equivalence(main, timeout_s=2.0) == ([None, "2*sqrt(2)", None, "2*sqrt(2)"], False)


@needs_math_verify
@pytest.mark.parametrize(
    "answer",
    [
        *HOSTILE[1:2],
        "9**9**9**9",
        "\0",
        "\\" * 200,
        "(" * 200,
        "{" * 100 + "}" * 100,
        r"\sqrt{" * 30 + "2" + "}" * 30,
        r"\frac{" * 20 + "1" + "}{2}" * 20,
        "9" * 5000,
        "x^{" + "9" * 190 + "}",
        "\ud800",
        "{" * 10_000_000,
    ],
    ids=lambda answer: ascii(answer[:24]),
)
def test_a_hostile_answer_ends_in_time_and_is_not_five(answer: str) -> None:
    async def main(same: Equivalence) -> tuple[str | None, bool, str | None]:
        return await same.key("p", answer), await same.equal(r"\sqrt{5}", answer), await same.key("p", r"\sqrt{5}")

    key, equal, other = with_equivalence(main, timeout_s=2.0)
    assert key is None or key == quick_key(answer) or len(key) < 400
    assert not equal
    assert other == "sqrt(5)"


@needs_math_verify
def test_a_cancelled_reading_leaves_no_reply_for_the_next() -> None:
    async def main(same: Equivalence) -> str | None:
        await same.key("p", r"\sqrt{2}")  # the process runs
        reading = asyncio.create_task(same.key("p", HOSTILE[0]))
        await asyncio.wait({reading}, timeout=0.1)
        reading.cancel()
        await asyncio.wait({reading})
        assert reading.cancelled()
        return await same.key("p", r"\sqrt{3}")

    assert with_equivalence(main) == "sqrt(3)"


PROGRAM = """
import asyncio, sys
from orchestra.answers import Equivalence

async def main():
    async with Equivalence(timeout_s=600) as same:
        await same.key("p", "sqrt2")
        print("it runs", flush=True)
        await same.key("p", "10^{10^{10}}")

try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
"""


@needs_math_verify
@pytest.mark.skipif(sys.platform != "linux", reason="needs pidfd_open")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_busy_worker_ends_with_its_program(how: signal.Signals, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
    ) as program:
        assert program.stdout and program.stderr
        program.stdout.readline()
        (child,) = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
        worker = os.pidfd_open(int(child))
        program.send_signal(how)
        ended = select.select([worker], [], [], 30)[0]
        os.close(worker)
        errors = program.stderr.read()
    assert ended
    assert errors == ""
