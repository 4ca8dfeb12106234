"""Files of what was asked and what came back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.chat.recording import Recording
from orchestra.errors import ConfigError


def put(recording: Recording, request: dict[str, Any], result: dict[str, Any]) -> None:
    with recording.take(request) as take:
        assert take.result is None
        take.result = result


def get(recording: Recording, request: dict[str, Any]) -> Any:
    with recording.take(request) as take:
        return take.result


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "run.jsonl"


def test_what_was_recorded_is_found_by_another_reader(path: Path) -> None:
    put(Recording(path), {"a": 1, "b": ["é", None]}, {"r": "日\n\u2028\ud800"})
    again = Recording(path)
    assert len(again) == 1
    assert get(again, {"b": ["é", None], "a": 1}) == {"r": "日\n\u2028\ud800"}


def test_a_request_that_is_asked_again_has_its_results_in_turn(path: Path) -> None:
    recording = Recording(path)
    for number in range(3):
        put(recording, {"a": 1}, {"number": number})
    assert [get(Recording(path), {"a": 1})["number"]] == [0]
    again = Recording(path)
    assert [get(again, {"a": 1}) for _ in range(4)] == [{"number": 0}, {"number": 1}, {"number": 2}, None]


def test_askings_at_the_same_time_take_different_results(path: Path) -> None:
    recording = Recording(path)
    with recording.take({}) as first, recording.take({}) as second:
        second.result, first.result = {"it": 2}, {"it": 1}
    again = Recording(path)
    with again.take({}) as first, again.take({}) as second:
        assert (first.result, second.result) == ({"it": 1}, {"it": 2})


def test_one_that_failed_leaves_its_number_to_the_next(path: Path) -> None:
    recording = Recording(path)
    with pytest.raises(LookupError), recording.take({}):
        raise LookupError
    put(recording, {}, {"it": 1})
    assert get(Recording(path), {}) == {"it": 1}


def test_a_line_that_was_cut_off_is_dropped_and_recorded_again(path: Path) -> None:
    put(Recording(path), {"a": 1}, {"it": 1})
    put(Recording(path), {"a": 2}, {"it": 2})
    whole = path.read_bytes()
    for end in range(len(whole) // 2 + 5, len(whole) - 1):
        path.write_bytes(whole[:end])
        recording = Recording(path)
        assert len(recording) == 1
        assert path.read_bytes() == whole[:end]  # reading changes nothing
        put(recording, {"a": 2}, {"it": 2})
        assert path.read_bytes() == whole


def test_a_last_line_without_its_end_is_kept(path: Path) -> None:
    put(Recording(path), {"a": 1}, {"it": 1})
    path.write_bytes(path.read_bytes().rstrip())
    put(Recording(path), {"a": 2}, {"it": 2})
    assert len(Recording(path)) == 2


@pytest.mark.parametrize("line", ["nonsense", "[]", "{}", '{"request": 1, "number": 0, "result": {}}', ""])
def test_any_other_damaged_line_is_named(path: Path, line: str) -> None:
    put(Recording(path), {"a": 1}, {"it": 1})
    path.write_text(f"{path.read_text()}{line}\n{path.read_text()}")
    with pytest.raises(ConfigError, match=r"run.jsonl, line 2, is no entry of a recording .*record again"):
        Recording(path)


def asking(*contents: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content} for content in contents], "tools": [], **more}


def test_a_missing_request_is_compared_with_the_nearest(path: Path) -> None:
    recording = Recording(path)
    put(recording, asking("Be brief.", "The capital of France?"), {"it": 1})
    put(recording, asking("Be long.", "The capital of Spain?"), {"it": 2})
    said = recording.missing(asking("Be brief.", "The capital of Finland?"))
    assert "holds 2 results and none for this request" in said
    assert "`messages[1].content`: recorded 'The capital of France?', asked 'The capital of Finland?'" in said


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (asking("a", "b"), "`messages[1].role`: recorded nothing, asked 'user'"),
        (asking("a", temperature=1.0), "`temperature`: recorded nothing, asked 1.0"),
        (asking("a", tools=["t"]), "`tools[0]`: recorded nothing, asked 't'"),
        ({"messages": []}, "`messages`: recorded nothing, asked []"),
        (asking("x" * 1000), f"`messages[0].content`: recorded 'a', asked '{'x' * 80}'"),
    ],
)
def test_the_first_difference_is_named(path: Path, asked: dict[str, Any], said: str) -> None:
    recording = Recording(path)
    put(recording, asking("a"), {"it": 1})
    assert said in recording.missing(asked)


def test_a_difference_far_into_a_text_is_shown_where_it_is(path: Path) -> None:
    recording = Recording(path)
    put(recording, asking("x" * 500 + "A"), {"it": 1})
    assert f"recorded …'{'x' * 30}A', asked …'{'x' * 30}B'" in recording.missing(asking("x" * 500 + "B"))


def test_a_request_that_was_asked_too_often_is_told_so(path: Path) -> None:
    recording = Recording(path)
    put(recording, {"a": 1}, {"it": 1})
    assert "has this request 1 times, and it was asked once more" in recording.missing({"a": 1})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)
requests = st.dictionaries(st.text(max_size=2), json_values, max_size=3)


@given(recorded=st.lists(requests, max_size=4), asked=requests)
def test_any_request_is_found_or_compared(tmp_path_factory: pytest.TempPathFactory, recorded: list[Any], asked: Any) -> None:
    path = tmp_path_factory.mktemp("any") / "run.jsonl"
    recording = Recording(path)
    for number, request in enumerate(recorded):
        put(recording, request, {"number": number})
    again = Recording(path)
    same = [i for i, request in enumerate(recorded) if json.dumps(request, sort_keys=True) == json.dumps(asked, sort_keys=True)]
    found = get(again, asked)
    assert found == ({"number": same[0]} if same else None)
    if not same:
        assert "run.jsonl holds" in again.missing(asked)
