"""The data writer: shards that a trainer and a test can read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra.training import packing
from orchestra.training.packing import Demonstration, pack
from orchestra.training.planner import data
from orchestra.training.planner.check import Checker
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


@given(st.lists(st.tuples(st.integers(1, 10), st.integers(1, 10)), min_size=1))
def test_demonstrations_are_ordered_so_that_no_two_rows_could_be_one(sizes: list[tuple[int, int]]) -> None:
    given = [Demonstration((place,) * prompt, (place,) * target) for place, (prompt, target) in enumerate(sizes)]
    ordered = data.dense(given, width=20)
    assert sorted(ordered, key=lambda one: one.prompt[0]) == given
    filled = sorted((pack(ordered, width=20).document > 0).sum(axis=1).tolist())
    assert len(filled) == 1 or filled[0] + filled[1] > 20


def test_of_many_plans_one_in_so_many_can_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = list[str]()

    async def noted(_: Checker, task: PlanningTask) -> None:
        run.append(task.task)

    monkeypatch.setattr(Checker, "check", noted)
    for every, counted in ((1, 50), (7, 8)):
        run.clear()
        found = data.write_shard(tmp_path / "tasks-0000.jsonl", "train", 0, 50, None, every)
        assert (found.checked, len(run), found.tasks) == (counted, counted, 50)


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
