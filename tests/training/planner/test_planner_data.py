"""The data writer: shards that a trainer and a test can read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from orchestra.training import packing
from orchestra.training.planner import data
from orchestra.training.planner.task import PlanningTask
from tokenizers import Tokenizer


def arguments(out: Path, *more: str) -> list[str]:
    few = ["--samples", "50", "--shard-size", "30", "--workers", "1", "--tokenizer-samples", "200", "--vocabulary", "700"]
    return ["--out", str(out), *few, *more]


def test_rows_hold_whole_demonstrations_and_train_plans_only(tmp_path: Path) -> None:
    data.main(arguments(tmp_path))
    rows = packing.load(sorted(tmp_path.glob("*.npz")))
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer" / "tokenizer.json"))
    statistics = json.loads((tmp_path / "statistics.json").read_text(encoding="utf-8"))
    assert (statistics["tasks"], statistics["tokens"]) == (50, rows.num_tokens)
    assert (statistics["trained_tokens"], rows.token_ids.shape[1]) == (int(rows.trained.sum()), data.WIDTH)
    inside = rows.document[0] == 1
    written = tokenizer.decode(rows.token_ids[0][inside & rows.trained[0]].tolist())
    assert written.startswith("1. ") and "join(" in written
    assert tokenizer.decode(rows.token_ids[0][inside & ~rows.trained[0]].tolist()).startswith("Task: ")


def test_shards_that_are_there_stay(tmp_path: Path) -> None:
    data.main(arguments(tmp_path))
    first, second = sorted(tmp_path.glob("*.npz"))
    content, second_content = first.read_bytes(), second.read_bytes()
    second.unlink()
    first.touch()
    before = first.stat().st_mtime_ns
    data.main(arguments(tmp_path))
    assert (first.read_bytes(), first.stat().st_mtime_ns) == (content, before)
    assert second.read_bytes() == second_content


def test_tests_are_never_written_with_a_tokenizer_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more in (["--split", "names"], ["--tokenizer", str(tmp_path / "nowhere")]):
        with pytest.raises(SystemExit):
            data.main(arguments(tmp_path, *more))
    said = capsys.readouterr().err
    assert "give its folder as --tokenizer" in said and "nowhere has no tokenizer.json" in said
    assert not list(tmp_path.iterdir())


def test_task_files_hold_what_a_test_needs(tmp_path: Path) -> None:
    data.main(arguments(tmp_path, "--tasks", "--split", "combinations"))
    lines = [line for path in sorted(tmp_path.glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()]
    found = [PlanningTask.from_json(line) for line in lines]
    assert len(found) == 50
    assert {task.split for task in found} == {"combinations"}
    assert all(task.facts for task in found)
