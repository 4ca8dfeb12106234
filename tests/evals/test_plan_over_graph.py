"""The Plan-over-Graph benchmark on hand-made and generated tasks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from orchestra.evals.benchmarks.plan_over_graph import Kind, Reference, Row, from_file, random_task_graph, relaxed_time

from orchestra.errors import ConfigError, ProblemError
from orchestra.plan.task_graph import TaskGraph, load_task_graph

QUESTION = {
    "rules": [
        {"id": 0, "source": ["A"], "target": ["B"], "time": 3, "cost": 1},
        {"id": 1, "source": ["A"], "target": ["Z"], "time": 9, "cost": 1},
        {"id": 2, "source": ["B"], "target": ["Z"], "time": 2, "cost": 1},
    ],
    "initial_source": ["A"],
    "target": "Z",
}


@pytest.mark.parametrize("kind", ["random", "tree", "cyclic"])
@pytest.mark.parametrize("items", [3, 4, 30])
def test_generated_graphs_are_the_same_for_the_same_seed_and_leave_a_choice(kind: Kind, items: int) -> None:
    def draw(seed: int) -> TaskGraph:
        graph: TaskGraph = random_task_graph(items, seed, kind=kind, max_cost=4)
        return graph

    assert draw(1) == draw(1)
    assert len({draw(seed).model_dump_json() for seed in range(20)}) == 20
    for seed in range(20):
        graph = draw(seed)
        assert relaxed_time(graph) < float("inf")
        assert {rule.cost for rule in graph.rules} <= {1, 2, 3, 4}
        targets = [rule.target for rule in graph.rules]
        assert len(targets) > len(set(targets))


def test_a_graph_without_room_for_a_choice_is_refused() -> None:
    with pytest.raises(ProblemError, match="at least 3 items, got 2"):
        random_task_graph(2, 0)


@pytest.mark.parametrize(("time", "cost", "optimal", "compared"), [(5, 2, 1, "equal"), (5, 3, 1, "cheaper"), (4, 1, 0, "dearer")])
def test_plans_are_compared_with_the_reference(time: int, cost: int, optimal: int, compared: str) -> None:
    row = Row("hand-made")
    row.add(load_task_graph(QUESTION), Reference(time, cost))
    assert (row.tasks, row.rules, row.valid, row.proven, row.time_optimal) == (1, 3, 1, 1, optimal)
    assert {name: getattr(row, name) for name in ("equal", "cheaper", "dearer")} == {
        "equal": 0,
        "cheaper": 0,
        "dearer": 0,
        compared: 1,
    }


def test_the_program_reads_a_folder_and_writes_numbers_and_a_table(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "3-1-2-r.json").write_text(json.dumps([{"question": QUESTION, "min_time": 5, "min_cost": 2}] * 2))
    out = tmp_path / "out" / "numbers.json"
    program = [sys.executable, "-m", "orchestra.evals.benchmarks.plan_over_graph", str(data), "--generate", "1", "--out", str(out)]
    result = subprocess.run(program, check=True, capture_output=True, text=True, env={"COLUMNS": "160"})
    rows = json.loads(out.read_text())["rows"]
    assert (rows[0]["name"], rows[0]["tasks"], rows[0]["valid"], rows[0]["equal"]) == ("3-1-2-r.json", 2, 2, 2)
    assert all(row["valid"] == row["time_optimal"] == row["proven"] == row["tasks"] for row in rows)
    assert all(row["name"] in result.stdout for row in rows)


@pytest.mark.parametrize("text", ["{", "[]", "[1]", '[{"question": {}}]'])
def test_files_of_something_else_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="tasks.json"):
        list(from_file(path))


def test_a_malformed_task_is_named_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([{"question": {**QUESTION, "target": 3}, "min_time": 5, "min_cost": 2}]))
    with pytest.raises(ProblemError, match=r"tasks.json, task 0: .*target"):
        list(from_file(path))
