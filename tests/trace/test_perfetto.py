"""Chrome trace events made of records, checked by a reader that knows the format and nothing of how they are written."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestra.engine import Sampling
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.thread import Join, Limits, run_tree
from orchestra.trace.perfetto import trace_events, write_perfetto
from orchestra.trace.record import SegmentRecord, TraceRecord

from ..thread.toy import APR, PARENT, babbler
from .test_timeline import recorded, run

REQUIRED = {
    "X": {"name", "cat", "pid", "tid", "ts", "dur", "args"},
    "M": {"name", "pid", "tid", "args"},
    "s": {"name", "cat", "id", "pid", "tid", "ts"},
    "f": {"name", "cat", "id", "pid", "tid", "ts", "bp"},
    "C": {"name", "pid", "ts", "args"},
}
"""What the documented format wants of each phase that is used."""
Track = tuple[int, int]


@dataclass
class Read:
    """A trace file, read."""

    names: dict[Track, str] = field(default_factory=dict)
    slices: dict[Track, list[dict[str, Any]]] = field(default_factory=dict)
    arrows: list[tuple[str, dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    """Name, and the slices that it leaves and reaches."""
    live: dict[int, list[int]] = field(default_factory=dict)


def read(document: dict[str, Any]) -> Read:
    """Raises `AssertionError` for anything that is not as the format's document says."""
    found = Read()
    starts: dict[int, dict[str, Any]] = {}
    ends: dict[int, dict[str, Any]] = {}
    assert set(document) == {"traceEvents", "displayTimeUnit"} and document["displayTimeUnit"] in ("ms", "ns")
    for event in document["traceEvents"]:
        assert event.keys() == REQUIRED[event["ph"]] | {"ph"}
        if "ts" in event:
            assert isinstance(event["ts"], int) and event["ts"] >= 0
        track = event["pid"], event.get("tid", 0)
        match event["ph"]:
            case "M" if event["name"] == "thread_name":
                found.names[track] = event["args"]["name"]
            case "M":
                assert event["name"] in ("process_name", "thread_sort_index")
            case "X":
                assert event["dur"] > 0
                before = found.slices.setdefault(track, [])
                assert not before or before[-1]["ts"] + before[-1]["dur"] <= event["ts"], "slices of a track overlap"
                before.append(event)
            case "s":
                assert event["id"] not in starts
                starts[event["id"]] = event
            case "f":
                assert event["id"] not in ends and event["bp"] == "e"
                ends[event["id"]] = event
            case "C":
                found.live.setdefault(event["pid"], []).append(event["args"]["threads"])
    assert starts.keys() == ends.keys()
    for id, start in starts.items():
        assert start["ts"] <= ends[id]["ts"] and (start["name"], start["cat"]) == (ends[id]["name"], ends[id]["cat"])
        found.arrows.append((start["name"], enclosing(found, start), enclosing(found, ends[id])))
    return found


def enclosing(found: Read, event: dict[str, Any]) -> dict[str, Any]:
    """The slice that an arrow's end sticks to."""
    (one,) = (each for each in found.slices[event["pid"], event["tid"]] if each["ts"] <= event["ts"] < each["ts"] + each["dur"])
    return one


def names(found: Read, track: Track) -> list[str]:
    return [each["name"] for each in found.slices[track]]


def test_a_thread_is_a_track_of_waits_and_sampled_slices() -> None:
    made = recorded(run("first"))
    found = read(trace_events([made]))
    assert [found.names[1, tid] for tid in (1, 2, 3, 4)] == [f"{thread.id} {thread.status}" for thread in made.threads]
    assert names(found, (1, 1)) == [
        "waits for its first token",
        "sampled",
        "waits for 3 children",
        *["waits for its first token", "sampled"],
    ]
    assert names(found, (1, 4))[-1] == "sampled, then aborted"
    (waits,) = (each for each in found.slices[1, 1] if each["name"] == "waits for 3 children")
    assert waits["args"] == {"children": 3, "join": "first", "winner": "0.1"}


def test_arrows_lead_from_the_calling_slice_to_children_and_back_to_the_slice_after_the_join() -> None:
    found = read(trace_events([recorded(run("all"))]))
    forks = [(begin["tid"], end["tid"]) for name, begin, end in found.arrows if name == "fork"]
    joins = [(begin["tid"], end["tid"]) for name, begin, end in found.arrows if name == "join"]
    assert forks == [(1, 2), (1, 3), (1, 4)] and joins == [(2, 1), (3, 1), (4, 1)]
    assert {begin["name"] for name, begin, _ in found.arrows if name == "fork"} == {"sampled"}
    assert len({end["ts"] for name, _, end in found.arrows if name == "join"}) == 1


def test_a_cancelled_child_has_no_arrow_to_the_join() -> None:
    found = read(trace_events([recorded(run("first"))]))
    assert [begin["tid"] for name, begin, _ in found.arrows if name == "join"] == [2, 3]


def test_the_counter_ends_at_zero_and_peaks_at_the_requests_that_ran_at_once() -> None:
    found = read(trace_events([recorded(run("all"))]))
    assert max(found.live[1]) == 3 and found.live[1][-1] == 0


def test_several_records_are_processes_of_their_own() -> None:
    found = read(trace_events([recorded(run("all")), recorded(run("first"))]))
    assert {pid for pid, _ in found.names} == {1, 2}
    assert all(begin["pid"] == end["pid"] for _, begin, end in found.arrows)


def sampled(made: TraceRecord) -> int:
    return sum(
        len(item.token_ids) for thread in made.threads for item in thread.items if isinstance(item, SegmentRecord) and item.sampled
    )


@example(seed=60, join="all")  # an abort in the moment of a first token
@given(seed=st.integers(0, 10**6), join=st.sampled_from(["all", "first"]))
@settings(max_examples=40, deadline=None)
def test_any_tree_gives_a_valid_file_that_holds_every_sampled_token(seed: int, join: Join) -> None:
    engine = ScriptedEngine(babbler(seed), seconds_per_token=1.0, seconds_per_prefill_token=0.01)
    limits = Limits(window=60, max_depth=2, max_children=3, max_forks=3, seconds=50)
    made = recorded(run_virtual(run_tree(engine, APR, [PARENT, 20], sampling=Sampling(max_tokens=50), limits=limits, join=join)))
    found = read(trace_events([made]))
    assert sum(each["args"].get("tokens", 0) for slices in found.slices.values() for each in slices) == sampled(made)


@pytest.mark.parametrize("text", ["</script>", "\ud800", "🧵"])
def test_the_file_holds_any_text_as_json(tmp_path: Path, text: str) -> None:
    path = tmp_path / "trace.json"
    write_perfetto([recorded(run(), decode=text)], path)
    found = read(json.loads(path.read_text(encoding="utf-8")))
    assert any(each["args"].get("text", "").startswith(text) for each in found.slices[1, 1])
