"""Rows as CSV and Parquet."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
from orchestra.evals.exports.tables import write_csv, write_parquet
from orchestra.evals.row import Row

from orchestra.errors import ConfigError

from ..pages.made import row

ROWS = [
    row("a", facts={"why": "5 of 7"}, cached=12, group="hard"),
    row("b", correct=False, answer=None, flaw='said "1, 2"\nand more', epoch=1),
    row("c", error="the server has gone", gold={"x": [1, "é"]}),
]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_a_line_a_row_and_a_column_a_field(tmp_path: Path) -> None:
    write_csv(ROWS, tmp_path / "rows.csv")
    lines = read(tmp_path / "rows.csv")
    assert list(lines[0]) == list(Row.model_fields)
    assert [line["problem"] for line in lines] == ["a", "b", "c"]
    assert lines[0]["cached"] == "12" and lines[1]["cached"] == lines[1]["answer"] == ""
    assert lines[1]["flaw"] == 'said "1, 2"\nand more' and lines[1]["correct"] == "False"
    assert json.loads(lines[0]["facts"]) == {"why": "5 of 7"} and json.loads(lines[2]["gold"]) == {"x": [1, "é"]}


def test_csv_takes_any_text_that_a_model_writes(tmp_path: Path) -> None:
    write_csv([row("a", answer="\ud800 🧵")], tmp_path / "rows.csv")
    assert read(tmp_path / "rows.csv")[0]["answer"] == "\\ud800 🧵"


def test_parquet_has_typed_columns(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_parquet([*ROWS, row("d", answer="\ud800")], tmp_path / "rows.parquet")
    table = parquet.read_table(tmp_path / "rows.parquet")
    assert table.column_names == list(Row.model_fields)
    kinds = {name: str(table.schema.field(name).type) for name in ("answer", "correct", "work", "wall_seconds", "facts", "cached")}
    assert kinds == {
        "answer": "string", "correct": "bool", "work": "int64", "wall_seconds": "double", "facts": "string", "cached": "int64",
    }  # fmt: skip
    assert table.column("cached").to_pylist() == [12, None, None, None]
    assert table.column("answer").to_pylist() == ["41", None, "41", "\\ud800"]


def test_without_pyarrow_parquet_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"pip install 'orchestra\[evals\]'"):
        write_parquet(ROWS, tmp_path / "rows.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot write"):
        write_csv(ROWS, tmp_path / "file" / "rows.csv")
