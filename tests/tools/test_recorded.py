"""Tools record once and replay exactly."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestra.chat.recording import Recording
from orchestra.errors import ConfigError, ToolError
from orchestra.tools.function import tool
from orchestra.tools.recorded import recorded


@dataclass
class Peak:
    name: str
    metres: int


calls: list[str] = []


@tool
async def peak(name: str) -> Peak:
    """A mountain."""
    calls.append(name)
    if name == "Atlantis":
        raise LookupError("sunk")
    return Peak(name, 1000 + len(calls))


def call(tools: Any, name: str) -> Any:
    return asyncio.run(tools[0].call({"name": name}))


def test_outputs_come_back_with_their_types_and_without_a_call(tmp_path: Path) -> None:
    calls.clear()
    live = recorded([peak], tmp_path / "r.jsonl", live=True)
    first = [call(live, "K2"), call(live, "K2"), call(live, "Eiger")]
    replay = recorded([peak], tmp_path / "r.jsonl")
    assert [call(replay, "K2"), call(replay, "K2"), call(replay, "Eiger")] == first
    assert first[0] == Peak("K2", 1001) and calls == ["K2", "K2", "Eiger"]


def test_failures_are_replayed(tmp_path: Path) -> None:
    for live in (True, False):
        with pytest.raises(ToolError, match="LookupError: sunk"):
            call(recorded([peak], tmp_path / "r.jsonl", live=live), "Atlantis")


def test_what_was_never_recorded_is_named_with_the_nearest(tmp_path: Path) -> None:
    call(recorded([peak], tmp_path / "r.jsonl", live=True), "K2")
    with pytest.raises(ConfigError, match=r"none for this request[\s\S]*Record it: run once with `live=True`"):
        call(recorded([peak], Recording(tmp_path / "r.jsonl")), "K3")
