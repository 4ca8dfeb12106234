"""What `orchestra eval` says of threads that limits kept from starting or from going on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from orchestra.evals.run import read_rows

from .test_eval_command import evaluate, rows


def test_refused_threads_are_told_with_the_flags_that_let_them_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(tmp_path / "run", "--limit", "2", "--method", "fork", "--depth", "0") == 0
    assert "threads were refused: they were nested deeper than --depth allows" in capsys.readouterr().err


def test_children_that_run_out_of_tokens_are_counted_and_told_with_the_flags_that_give_them_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(tmp_path, "--limit", "4", "--method", "fork", "--window", "92") == 0
    told = sum(row.cut or 0 for row in read_rows(tmp_path))
    assert told > 0
    assert f"{told} child threads ran out of tokens (--window 92): a larger one gives them more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "where"), [(["fork", "--join", "first"], " in their first thread"), (["serial"], "")], ids=["fork", "serial"]
)
def test_tries_whose_first_thread_runs_out_of_tokens_are_counted_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], method: list[str], where: str
) -> None:
    assert evaluate(tmp_path, "--limit", "3", "--window", "40", "--beam", "8", "--method", *method) == 0
    assert {row.status for row in read_rows(tmp_path)} == {"cut"}
    assert f"3 of 3 tries ran out of tokens{where} (--window 40): a larger one gives them more" in capsys.readouterr().err


def test_rows_from_before_cut_children_were_counted_are_read_and_stay(tmp_path: Path) -> None:
    evaluate(tmp_path, "--limit", "2", "--method", "fork")
    path = tmp_path / "rows.jsonl"
    older = "".join(json.dumps({name: value for name, value in row.items() if name != "cut"}) + "\n" for row in rows(tmp_path))
    path.write_text(older)
    assert evaluate(tmp_path, "--limit", "3", "--method", "fork") == 0
    assert path.read_text().startswith(older)
    assert [row.cut for row in read_rows(tmp_path)] == [None, None, 0]
