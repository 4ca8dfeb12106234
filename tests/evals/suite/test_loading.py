"""Where problems come from: files of every kind, the Hub, the package; and what is said when they cannot be had."""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from orchestra.evals.loading import load
from orchestra.evals.suite import BENCHMARKS, benchmark

from orchestra.errors import ConfigError

ROWS = [{"id": number, "problem": f"What is {number} + {number}?", "answer": str(2 * number)} for number in range(6)]


def _lines(rows: Iterable[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _csv(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, ["id", "problem", "answer"])
        writer.writeheader()
        writer.writerows(ROWS)


def _parquet(path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)


WRITERS: Mapping[str, Callable[[Path], object]] = {
    "rows.jsonl": lambda path: path.write_text("\n" + _lines(ROWS)),
    "rows.json": lambda path: path.write_text(json.dumps(ROWS)),
    "object.json": lambda path: path.write_text(json.dumps({"version": 1, "data": ROWS})),
    "rows.csv": _csv,
    "rows.parquet": _parquet,
    "rows.jsonl.gz": lambda path: path.write_bytes(gzip.compress(_lines(ROWS).encode())),
    "rows.json.gz": lambda path: path.write_bytes(gzip.compress(json.dumps(ROWS).encode())),
}


@pytest.mark.parametrize("name", WRITERS)
def test_files_of_all_kinds_give_the_same_problems(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name)
    loaded = load(benchmark("aime24"), data=tmp_path / name)
    assert [problem.gold for problem in loaded.problems] == ["0", "2", "4", "6", "8", "10"]
    assert [problem.name for problem in loaded.problems] == list("012345")
    assert loaded.notes == ()
    assert loaded.source == str(tmp_path / name)
    whole = tmp_path / "whole.jsonl"
    whole.write_text(_lines(ROWS))
    assert loaded.problems == load(benchmark("aime24"), data=whole).problems


def test_bad_rows_are_notes_with_their_lines_and_the_others_run(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"problem": "?"}\n{"problem": \n[1]\n' + _lines(ROWS[:1]) + '{"problem": "x", "answer": "1000"}\n')
    loaded = load(benchmark("aime24"), data=path)
    assert len(loaded.problems) == 1
    assert [note.partition(":")[0] for note in loaded.notes] == [f"left out line {line}" for line in (1, 2, 3, 5)]
    assert "a field 'answer'" in loaded.notes[0]
    assert "0 to 999, got '1000'" in loaded.notes[3]


def test_the_answer_of_a_copy_without_one_is_what_its_solution_boxes(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [
        {"Problem": "One.", "Solution": "It is \\boxed{7}, of course."},
        {"question": "Two.", "solution": "8"},
        {"question": "Three.", "solution": "Nobody knows.\nNobody ever will."},
        {"question": "Four.", "expected_answer": "9", "solution": "\\boxed{1}"},
    ]
    path.write_text(_lines(rows))
    loaded = load(benchmark("amc23"), data=path)
    assert [problem.gold for problem in loaded.problems] == ["7", "8", "9"]
    assert loaded.notes == ("left out line 3: it has no answer, and its solution puts none into a box",)


def test_many_bad_rows_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("1\n" * 500 + _lines(ROWS))
    notes = load(benchmark("aime24"), data=path).notes
    assert len(notes) == 21
    assert notes[-1] == "left out 480 further rows that are no problems"


def test_the_same_content_twice_is_one_problem_and_a_note(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(_lines([ROWS[1], ROWS[2], {**ROWS[1], "id": 7}]))
    loaded = load(benchmark("aime24"), data=path)
    assert len(loaded.problems) == 2
    assert loaded.notes == ("left out 1 that stand in the file before, word for word: line 3",)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("rows.jsonl", "1\n2\n", r"holds no problem of aime24 \(line 1: it must be an object, got 1\).*need problem, answer"),
        ("rows.jsonl", "", r"it is empty"),
        ("rows.json", "{", r"is no JSON: .*call it \.jsonl"),
        ("rows.json", '{"a": 1}', r"must hold a list of objects"),
        ("rows.json.gz", "no gzip", r"cannot be read"),
        ("rows.csv", "problem\n", r"it is empty"),
        ("rows.txt", "x", r"give \.jsonl, \.json, \.csv or \.parquet"),
        ("rows.jsonl", b"\xff\xfe", r"cannot be read: .*utf-8"),
    ],
)
def test_files_that_hold_no_problem_are_errors_that_say_why(tmp_path: Path, name: str, content: str | bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=words):
        load(benchmark("aime24"), data=path)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.jsonl cannot be read"):
        load(benchmark("aime24"), data=tmp_path / "gone.jsonl")


def test_a_limit_takes_the_first_and_a_seed_draws_from_all(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(_lines(ROWS))
    aime = benchmark("aime24")
    assert [problem.name for problem in load(aime, data=path, limit=2).problems] == ["0", "1"]
    drawn = {seed: [problem.name for problem in load(aime, data=path, limit=3, seed=seed).problems] for seed in range(8)}
    assert drawn[1] == [problem.name for problem in load(aime, data=path, limit=3, seed=1).problems]
    assert len({tuple(names) for names in drawn.values()}) > 1
    assert len(load(aime, data=path, limit=100).problems) == 6
    with pytest.raises(ConfigError, match="positive, got 0"):
        load(aime, data=path, limit=0)


def test_generated_problems_are_the_same_for_the_same_seed_and_more_for_a_larger_limit() -> None:
    countdown = benchmark("countdown3")
    five = load(countdown, limit=5).problems
    assert load(countdown, limit=9).problems[:5] == five
    assert load(countdown, limit=5, seed=0).problems == five
    assert load(countdown, limit=5, seed=1).problems != five
    assert all(len(problem.data["numbers"]) == 3 for problem in five)


def test_the_tiny_set_needs_nothing() -> None:
    loaded = load(benchmark("tiny"))
    assert len(loaded.problems) == benchmark("tiny").size
    assert {problem.group for problem in loaded.problems} == {"number", "expression", "words", "countdown"}


class Hub(ModuleType):
    """Stands for `datasets`."""

    def __init__(self, rows: list[dict[str, Any]] | Exception) -> None:
        super().__init__("datasets")
        self.rows = rows
        self.asked: list[tuple[Any, ...]] = []

    def load_dataset(self, id: str, config: str | None, *, split: str, revision: str | None) -> list[dict[str, Any]]:
        self.asked.append((id, config, split, revision))
        if isinstance(self.rows, Exception):
            raise self.rows
        return self.rows


def test_the_hub_is_asked_for_the_dataset_with_its_split(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub([{"question": "2+2?", "answer": "#### 4"}, {"question": "no answer"}])
    monkeypatch.setitem(sys.modules, "datasets", hub)
    loaded = load(benchmark("gsm8k"))
    assert hub.asked == [("openai/gsm8k", "main", "test", None)]
    assert [problem.gold for problem in loaded.problems] == ["4"]
    assert loaded.notes[0].startswith("left out row 2: it needs a field 'answer'")
    assert loaded.source == "huggingface.co/datasets/openai/gsm8k, split test"


def test_rows_of_other_kinds_are_passed_over_without_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"question": "q", "answer": "a", "type": kind} for kind in ("bridge", "comparison")]
    monkeypatch.setitem(sys.modules, "datasets", Hub(rows))
    loaded = load(benchmark("hotpotqa"))
    assert len(loaded.problems) == 1
    assert loaded.notes == ()
    monkeypatch.setitem(sys.modules, "datasets", Hub(rows[:1]))
    with pytest.raises(ConfigError, match="every row belongs to something else"):
        load(benchmark("hotpotqa"))


def test_without_datasets_the_message_says_what_to_install_and_which_file_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ConfigError) as caught:
        load(benchmark("math500"))
    for words in ("HuggingFaceH4/MATH-500", 'pip install "orchestra[evals]"', "--data FILE", "problem, answer"):
        assert words in str(caught.value)


def test_without_the_network_the_message_says_which_file_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", Hub(ConnectionError("no route")))
    with pytest.raises(ConfigError, match=r"HuggingFaceH4/aime_2024.*ConnectionError: no route.*--data FILE"):
        load(benchmark("aime24"))


@pytest.mark.parametrize("name", ["parallelqa", "movies", "plan_over_graph", "appbench"])
def test_what_is_not_on_the_hub_says_where_it_lies_and_its_licence(name: str) -> None:
    found = benchmark(name)
    with pytest.raises(ConfigError) as caught:
        load(found)
    for words in ("https://github.com/", "--data FILE", found.licence, found.fields[0]):
        assert words in str(caught.value)


def test_a_catalogue_is_made_from_all_rows_and_is_the_same_whatever_the_limit() -> None:
    path = Path(__file__).parent / "fixtures" / "appbench.jsonl"
    whole, first = load(benchmark("appbench"), data=path), load(benchmark("appbench"), data=path, limit=1)
    assert first.problems == whole.problems[:1]
    assert [api["api"] for api in whole.problems[0].data["apis"]] == ["ordercab", "findfilm"]
    assert whole.problems[0].data["apis"][0]["arguments"] == ["destination", "people"]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_problem_keeps_its_identity_when_the_file_is_in_another_order(tmp_path: Path, name: str) -> None:
    lines = (Path(__file__).parent / "fixtures" / f"{name}.jsonl").read_text().splitlines()
    path = tmp_path / f"{name}.jsonl"
    path.write_text("\n".join(reversed(lines)))
    there = load(benchmark(name), data=Path(__file__).parent / "fixtures" / f"{name}.jsonl")
    assert {problem.id for problem in there.problems} == {problem.id for problem in load(benchmark(name), data=path).problems}


def test_half_of_a_character_makes_a_row_a_note(tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl"
    path.write_text('{"problem": "a \\ud835 b", "answer": 1}\n{"problem": "c", "answer": 2}\n')
    loaded = load(benchmark("aime24"), data=path)
    assert [problem.text for problem in loaded.problems] == ["c"] and "half of a character" in loaded.notes[0]
