"""Caches give back what pure calls returned, keep what was used last, and say what is wrong with their file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError
from orchestra.plan.node import ToolCall
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref
from orchestra.schedule.cache import FileCache, MemoryCache
from orchestra.schedule.execution import execute
from orchestra.schedule.outcome import Result
from orchestra.schedule.runtime import CacheLike, Runtime
from orchestra.tools.tool import ToolSet

from .helpers import tool

Make = Callable[[int], CacheLike]


@pytest.fixture(params=["memory", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    opened: list[FileCache] = []

    def file(max_items: int) -> CacheLike:
        opened.append(FileCache(tmp_path / "cache.db", max_items))
        return opened[-1]

    yield MemoryCache if request.param == "memory" else file
    for cache in opened:
        cache.close()


def test_a_value_is_found_again_and_null_is_one(make: Make) -> None:
    cache = make(10)
    assert cache.get("a") is None
    for value in (None, 0, {"a": [1, 2.5, "\ud800"]}):
        cache.put("a", value)
        assert cache.get("a") == (value,)


def test_whoever_gets_a_value_may_change_it(make: Make) -> None:
    cache = make(10)
    cache.put("a", [1])
    for _ in range(2):
        found = cache.get("a")
        assert found == ([1],)
        found[0].append(2)


def test_what_was_used_longest_ago_goes_first(make: Make) -> None:
    cache = make(3)
    for key in "abc":
        cache.put(key, key)
    assert cache.get("a") == ("a",)
    cache.put("d", "d")
    assert [key for key in "abcd" if cache.get(key)] == ["a", "c", "d"]
    cache.put("c", "again")
    cache.put("e", "e")
    assert [key for key in "abcde" if cache.get(key)] == ["c", "d", "e"]


def test_a_large_file_stays_near_its_bound(tmp_path: Path) -> None:
    with FileCache(tmp_path / "c", 1000) as cache:
        for number in range(1500):
            cache.put(str(number), number)
        assert 1000 <= len(cache) <= 1000 + 1000 // 64 + 1
        assert cache.get("1499") and not cache.get("400")


def test_uses_are_remembered_when_a_file_is_closed(tmp_path: Path) -> None:
    with FileCache(tmp_path / "c", 2) as cache:
        cache.put("a", 1)
        cache.put("b", 2)
        cache.get("a")
    with FileCache(tmp_path / "c", 2) as cache:
        cache.put("d", 3)
        assert [key for key in "abd" if cache.get(key)] == ["a", "d"]


def test_processes_share_a_file(tmp_path: Path) -> None:
    program = (
        "import sys; from orchestra.schedule.cache import FileCache\n"
        "with FileCache(sys.argv[1]) as cache:\n"
        "    for number in range(100):\n"
        "        cache.put(f'{sys.argv[2]}{number}', number)\n"
        "        assert cache.get(f'{sys.argv[2]}{number}') == (number,)\n"
        "    assert cache.unwritten == 0\n"
    )
    others = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "c"), name]) for name in "ab"]
    assert [other.wait(timeout=30) for other in others] == [0, 0]
    with FileCache(tmp_path / "c") as cache:
        assert len(cache) == 200


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be looked at" * 100, b"SQLite format 3\0" + bytes(4080)]
)
def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"{path} is damaged, or no cache .*delete it"):
        FileCache(path)
    assert path.read_bytes() == content


def test_a_file_that_is_damaged_while_it_is_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c"
    with FileCache(path) as cache:
        for number in range(200):
            cache.put(str(number), "x" * 500)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ConfigError, match=f"{path} is damaged"):
        FileCache(path)


def test_another_programs_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "c"
    with sqlite3.connect(path) as database:
        database.execute("create table items (key text, value text, used integer)")
    database.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="another program"):
        FileCache(path)
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a folder that is there"):
        FileCache(tmp_path / "no" / "c")


def test_a_full_disk_costs_the_value_and_not_the_run(tmp_path: Path) -> None:
    with FileCache(tmp_path / "c") as cache:
        cache.put("a", 1)
        (pages,) = cache._database.execute("pragma page_count").fetchone()
        cache._database.execute(f"pragma max_page_count = {pages}")
        cache.put("b", "x" * 100_000)
        assert cache.get("b") is None and cache.get("a") == (1,) and cache.unwritten == 1


@pytest.mark.parametrize("kind", [MemoryCache, lambda n: FileCache(":memory:", n)])
def test_a_cache_for_nothing_is_refused(kind: Make) -> None:
    with pytest.raises(ConfigError, match="must be positive, got 0"):
        kind(0)


def plan_with(cache: CacheLike, calls: list[Any], returned: Callable[[Any], Any], **fields: Any) -> Result:
    """A pure call, and one that is made with its output."""

    async def call(arguments: Mapping[str, Any]) -> Any:
        calls.append(arguments["x"])
        await asyncio.sleep(0)
        return returned(arguments["x"])

    nodes = (ToolCall(id="1", tool="pure", arguments={"x": 1}), ToolCall(id="2", tool="pure", arguments={"x": Ref("1")}))
    tools = ToolSet([tool("pure", call, effect="pure", **fields)])
    return run_virtual(execute(Plan(nodes=nodes), Runtime(tools=tools, cache=cache)))


def test_a_pure_call_is_made_once_for_all_runs(make: Make) -> None:
    calls: list[Any] = []
    cache = make(10)
    first, second = (plan_with(cache, calls, lambda x: [x, None]) for _ in range(2))
    assert first.output == second.output == {"2": [[1, None], None]} and calls == [1, [1, None]]
    assert {outcome.source for outcome in second.outcomes.values()} == {"cache"}


def test_an_output_without_json_form_is_not_cached_and_inputs_without_content_are_not_mixed_up(make: Make) -> None:
    class Opaque:
        def __repr__(self) -> str:
            return "the same for all"

    calls: list[Any] = []
    cache = make(10)
    for _ in range(2):
        assert plan_with(cache, calls, lambda _: Opaque()).status == "succeeded"
    assert len(calls) == 4
