"""Benchmarks on the real files, which are not in the repository: `ORCHESTRA_DATA` names their folder."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from orchestra.evals.loading import Loaded, load
from orchestra.evals.problem import Grade, Problem
from orchestra.evals.suite import benchmark

from orchestra.answers import Equivalence
from orchestra.countdown.rules import expression
from orchestra.countdown.solver import solutions

DATA = Path(os.environ.get("ORCHESTRA_DATA", "no-such-folder"))
POG = [f"plan_over_graph/{nodes}-1-100-{kind}.json" for nodes in (10, 30) for kind in "rst"]


def loaded(name: str, file: str, rows: int) -> Loaded:
    if not (DATA / file).exists():
        pytest.skip(f"{file} is not here: set ORCHESTRA_DATA to the folder of the recorded data")
    found = load(benchmark(name), data=DATA / file)
    assert len(found.problems) == rows
    assert found.notes == ()
    return found


def graded(name: str, asked: Iterable[tuple[Problem, str]]) -> list[Grade]:
    async def main() -> list[Grade]:
        async with Equivalence() as same:
            return [await benchmark(name).grade(problem, text, same) for problem, text in asked]

    return asyncio.run(main())


def _boxed(problem: Problem) -> str:
    return f"\\boxed{{{problem.gold}}}"


def _next(problem: Problem) -> str:
    return f"\\boxed{{{int(float(problem.gold)) + 1}}}"


def _strange(problem: Problem) -> str:
    return r"\boxed{-987654321}"


def _other_fact(problem: Problem) -> str:
    try:
        return f"\\boxed{{{1.2 * float(problem.gold) + 1}}}"
    except ValueError:
        return r"\boxed{Mount Nowhere}"


def _other_film(problem: Problem) -> str:
    return str(next(film for film in problem.data["options"] if film != problem.gold))


def _gold_plan(problem: Problem) -> str:
    return str(problem.gold["plan"])


def _half_a_plan(problem: Problem) -> str:
    return "\n".join(_gold_plan(problem).split("\n")[:-1])


Answer = Callable[[Problem], str]


@pytest.mark.parametrize(
    ("name", "file", "rows", "right", "wrong"),
    [
        ("aime24", "math/aime24.jsonl", 30, _boxed, _next),
        ("aime25", "math/aime25.jsonl", 30, _boxed, _next),
        ("amc23", "math/amc23.jsonl", 40, _boxed, _next),
        ("math500", "math/math500.jsonl", 500, _boxed, _strange),
        ("parallelqa", "llmcompiler/parallelqa_dataset.json", 113, _boxed, _other_fact),
        ("movies", "llmcompiler/movie_recommendations_formatted.json", 500, _boxed, _other_film),
        ("appbench", "appbench/test_ss.json", 200, _gold_plan, _half_a_plan),
        ("appbench", "appbench/test_mm.json", 200, _gold_plan, _half_a_plan),
    ],
)
def test_gold_answers_are_right_and_others_wrong(name: str, file: str, rows: int, right: Answer, wrong: Answer) -> None:
    problems = loaded(name, file, rows).problems
    for problem, grade in zip(problems, graded(name, ((problem, right(problem)) for problem in problems)), strict=True):
        assert grade.correct, (problem.name, problem.gold, grade)
    for problem, grade in zip(problems, graded(name, ((problem, wrong(problem)) for problem in problems)), strict=True):
        assert not grade.correct, (problem.name, problem.gold, grade)


@pytest.mark.parametrize("file", POG)
def test_reference_plans_are_as_fast_as_the_exact_planners_and_second_best_ones_are_not(file: str) -> None:
    problems = loaded("plan_over_graph", file, 100).problems
    rows = json.loads((DATA / file).read_text())
    reference = graded(
        "plan_over_graph", ((problem, json.dumps(row["answer"])) for problem, row in zip(problems, rows, strict=True))
    )
    assert all(grade.correct for grade in reference), next(grade for grade in reference if not grade.correct)
    assert [problem.gold["time"] for problem in problems] == [row["min_time"] for row in rows]
    second = graded(
        "plan_over_graph", ((problem, json.dumps(row["feasible"])) for problem, row in zip(problems, rows, strict=True))
    )
    for row, grade in zip(rows, second, strict=True):
        assert grade.correct == (row["feasible_time"] == row["min_time"])
        assert grade.correct or grade.score == pytest.approx(row["min_time"] / row["feasible_time"])


def test_puzzles_of_24_that_whole_numbers_solve_are_right_by_these_solutions() -> None:
    problems = loaded("game24", "game24/24.csv", 1362).problems
    solved = 0
    for problem in problems[::10]:
        numbers = tuple(sorted(problem.data["numbers"], reverse=True))
        if (operations := next(solutions(numbers, 24), None)) is None:
            continue  # needs a fraction
        solved += 1
        right, wrong = graded("game24", [(problem, text := expression(numbers, operations)), (problem, text + "*1")])
        assert right.correct, (problem.name, right)
        assert not wrong.correct
    assert solved > 100


def test_the_papers_hundred_puzzles_of_24_are_ranks_901_to_1000() -> None:
    problems = loaded("game24hard", "game24/24.csv", 100).problems
    assert problems[0].name == "4 5 6 10"


@pytest.mark.parametrize("name", ["aime24", "aime25"])
def test_recorded_answers_get_the_labels_that_were_recorded_with_them(name: str) -> None:
    path = DATA / f"traces/parallel_probe_qwen3_8b/{name}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"{path.name} is not here: set ORCHESTRA_DATA to the folder of the recorded data")
    with gzip.open(path, "rt") as file:
        rows = [json.loads(line) for line in file]
    finals = {
        (str(row["gold"]), branch["final"]): bool(branch["final_correct"])
        for row in rows
        for branch in row["branches"]
        if branch["final"]
    }
    problems = {gold: Problem(benchmark=name, text="", gold=str(int(gold))) for gold, _ in finals}
    found = graded(name, ((problems[gold], f"<think>…</think>\\boxed{{{final}}}") for gold, final in finals))
    wrong = [(key, grade) for (key, label), grade in zip(finals.items(), found, strict=True) if grade.correct != label]
    assert not wrong, wrong[:5]
    assert len(finals) > 100
