"""Pools on disk: what is written is what is read, and what cannot be used is named by file and line."""

from __future__ import annotations

import gzip
import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.errors import ConfigError
from orchestra.sample.events import Step
from orchestra.sample.pool import Pool, PooledProblem, Recorded
from orchestra.sample.pool_file import read_pool, write_pool
from orchestra.sample.scores import TraceScores

DATA = os.environ.get("ORCHESTRA_DATA")
HEADER = '{"pool": 1, "name": "made"}'
ROW = {"id": "p", "text": "", "gold": "7", "answers": ["7", "1"], "tokens": [5, 9], "answer": [0, 1], "correct": [1, 0]}

numbers = st.integers(0, 99_999).map(lambda number: number / 100)  # five digits are kept
answers = st.none() | st.sampled_from(["7", "1/2", "π", "(1+2)*3"])
scores = st.builds(
    TraceScores, confidence=numbers, entropy=numbers, tail=numbers, lowest=numbers, bottom=numbers, certainty=numbers
)
recorded = st.builds(
    Recorded,
    tokens=st.integers(0, 99_999),
    answer=answers,
    correct=st.booleans(),
    cut=st.booleans(),
    span=st.none() | st.integers(0, 999),
    arm=st.sampled_from(["", "fast"]),
    probes=st.none() | st.lists(answers, max_size=3),
    confidence=st.none() | st.lists(numbers, max_size=3),
    scores=st.none() | scores,
    steps=st.none() | st.lists(st.builds(Step, st.integers(0, 99), numbers), max_size=2),
    reward=st.none() | numbers,
    text=st.none() | st.text(st.characters(codec="utf-8"), max_size=9),
    token_ids=st.none() | st.lists(st.integers(0, 9), max_size=3),
)
pools = st.builds(
    Pool,
    name=st.text(st.characters(codec="utf-8"), max_size=9),
    problems=st.lists(
        st.builds(
            PooledProblem,
            id=st.text("abc", min_size=1),
            text=st.text(st.characters(codec="utf-8"), max_size=9),
            gold=answers,
            group=st.sampled_from(["", "g"]),
            traces=st.lists(recorded, min_size=1, max_size=4),
        ),
        min_size=1,
        max_size=3,
        unique_by=lambda problem: problem.id,
    ).filter(lambda problems: any(trace.answer for problem in problems for trace in problem.traces)),
    probe_every=st.integers(0, 500),
    stride=st.integers(0, 16),
)


@settings(max_examples=60, deadline=None)
@given(pools, st.sampled_from(["pool.jsonl", "pool.jsonl.gz"]))
def test_what_is_written_is_what_is_read(tmp_path_factory: pytest.TempPathFactory, pool: Pool, name: str) -> None:
    path = tmp_path_factory.mktemp("pools") / name
    write_pool(pool, path)
    found = read_pool(path)
    assert (found.name, found.probe_every, found.stride) == (pool.name, pool.probe_every, pool.stride)
    assert found.problems == pool.problems


def test_the_same_pool_is_the_same_file(tmp_path: Path) -> None:
    pool = Pool("made", [PooledProblem(id="p", text="", gold="7", traces=[Recorded(tokens=1, answer="7", correct=True)])])
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        write_pool(pool, tmp_path / name)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_a_score_that_is_no_number_is_not_written(tmp_path: Path) -> None:
    bad = Recorded(tokens=1, answer="7", correct=True, reward=math.nan)
    with pytest.raises(ConfigError, match="a score that is no number"):
        write_pool(Pool("made", [PooledProblem(id="p", text="", gold="7", traces=[bad])]), tmp_path / "pool.jsonl")
    assert not list(tmp_path.iterdir())


def lines(path: Path, *rows: object) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def without(name: str) -> dict[str, object]:
    return {key: value for key, value in ROW.items() if key != name}


BAD_LINES = {
    "half a line": ('{"id": "p", "tok', "it is not JSON"),
    "no object": ("[1, 2]", "a JSON object is expected"),
    "deep": ("[" * 100_000, "it is not JSON"),
    "a field is missing": (without("answer"), "`answer`: Field required"),
    "a field is unknown": ({**ROW, "colour": [1, 2]}, "`colour`: Extra inputs"),
    "columns differ": ({**ROW, "correct": [1]}, "`correct` has 1 entries for 2 traces"),
    "a pointer": ({**ROW, "answer": [0, 2]}, "an answer points beyond the 2"),
    "negative": ({**ROW, "tokens": [5, -9]}, "`tokens.1`: Input should be greater than or equal to 0"),
    "no traces": ({**ROW, "tokens": [], "answer": [], "correct": []}, "`tokens`: List should have at least 1"),
    "infinite": (json.dumps({**ROW, "reward": [1.0, math.inf]}), "`reward.1"),
    "unknown": ({"question": "?"}, "it has none of the fields `tokens`, `branches` and `preds`"),
    "a second header": (HEADER, "a second header"),
    "twice": ({**ROW, "id": "good"}, "the problem 'good' is there already"),
}


@pytest.mark.parametrize("flaw", BAD_LINES)
def test_a_line_that_cannot_be_used_is_left_out_and_named(tmp_path: Path, flaw: str) -> None:
    bad, why = BAD_LINES[flaw]
    path = lines(tmp_path / "pool.jsonl", HEADER, {**ROW, "id": "good"}, bad)
    pool = read_pool(path)
    assert [problem.id for problem in pool.problems] == ["good"]
    assert pool.notes[0].startswith(f"{path}: 1 of 3 lines left out, the first is line 3: ") and why in pool.notes[0]


def test_a_file_of_nothing_else_is_an_error_with_its_line(tmp_path: Path) -> None:
    path = lines(tmp_path / "pool.jsonl", HEADER, "", without("tokens"))
    with pytest.raises(ConfigError, match=r"pool.jsonl:3: it has none of the fields"):
        read_pool(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"pool.jsonl:1: the file holds no problem; one JSON line a problem is expected"),
        (HEADER.encode(), r"pool.jsonl:1: the file holds no problem"),
        (b"\xff\xfe\x00", r"pool.jsonl:1: it is not UTF-8 text"),
        (json.dumps(ROW).encode(), r"pool.jsonl:1: there is no header line above it"),
        (b"\x1f\x8bnonsense", r"pool.jsonl:1: the gzip data are cut short or damaged"),
        (b'{"pool": 9, "name": "new"}', r"version 9, and this is orchestra for version 1: update it"),
    ],
)
def test_what_is_no_pool_says_what_is_wrong(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "pool.jsonl").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_pool(tmp_path / "pool.jsonl")


def test_a_file_cut_short_gives_what_came_before(tmp_path: Path) -> None:
    whole = gzip.compress(
        "\n".join([HEADER, *(json.dumps({**ROW, "id": f"p{n}", "text": f"{n * 7919}"}) for n in range(900))]).encode()
    )
    (tmp_path / "pool.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    pool = read_pool(tmp_path / "pool.jsonl.gz")
    assert 0 < len(pool.problems) < 900
    assert "the gzip data are cut short or damaged here: fetch the file again" in pool.notes[0]


def test_unreadable_answers_everywhere_are_an_error_and_in_one_problem_a_note(tmp_path: Path) -> None:
    blank = {**ROW, "id": "blank", "answer": [None, None], "correct": [0, 0]}
    with pytest.raises(ConfigError, match="no trace of any problem has an answer that can be read"):
        read_pool(lines(tmp_path / "blank.jsonl", HEADER, blank))
    pool = read_pool(lines(tmp_path / "part.jsonl", HEADER, ROW, blank))
    assert len(pool.problems) == 2 and "no trace has a readable answer in 1 of 2 problems, such as blank" in pool.notes[0]


def test_a_folder_or_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder: give a pool file"):
        read_pool(tmp_path)
    with pytest.raises(ConfigError, match="there is no pool .*; give a .jsonl"):
        read_pool(tmp_path / "none.jsonl")


@pytest.mark.skipif(not DATA, reason="ORCHESTRA_DATA names no folder with recorded traces")
@pytest.mark.parametrize("name", ["parallel_probe_qwen3_8b/aime24", "qwen25_math_100x8_rm/math_cot_100"])
def test_recorded_pools_of_others_come_back_from_our_own_format(tmp_path: Path, name: str) -> None:
    theirs = read_pool(Path(DATA or "") / f"traces/{name}.jsonl.gz")
    write_pool(theirs, tmp_path / "ours.jsonl.gz")
    ours = read_pool(tmp_path / "ours.jsonl.gz")
    # Rewards are kept to five digits.
    assert [plain(problem) for problem in ours.problems] == [plain(problem) for problem in theirs.problems]
    assert ours.holds == theirs.holds


def plain(problem: PooledProblem) -> PooledProblem:
    return replace(problem, traces=[replace(trace, reward=None) for trace in problem.traces])
