"""Every benchmark on its hand-made fixture: loader, prompt, extraction and grader; with right, wrong, malformed and hostile answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from orchestra.evals.loading import Loaded, load
from orchestra.evals.problem import Grade, Problem
from orchestra.evals.suite import BENCHMARKS, benchmark
from orchestra.evals.suite.prompts import asked

from orchestra.answers import Equivalence

from .cases import FIXTURES, HOSTILE

FOLDER = Path(__file__).parent / "fixtures"


def loaded(name: str) -> Loaded:
    return load(benchmark(name), data=FOLDER / f"{name}.jsonl")


def grades(name: str, problem: Problem, texts: tuple[str, ...], *, timeout_s: float = 10.0) -> list[Grade]:
    async def main() -> list[Grade]:
        async with Equivalence(timeout_s=timeout_s) as same:
            return [await benchmark(name).grade(problem, text, same) for text in texts]

    return asyncio.run(main())


def test_every_benchmark_has_a_fixture() -> None:
    assert FIXTURES.keys() == BENCHMARKS.keys()
    assert {path.stem for path in FOLDER.glob("*.jsonl")} == BENCHMARKS.keys()


@pytest.mark.parametrize("name", BENCHMARKS)
def test_rows_are_problems_or_notes_with_their_place(name: str) -> None:
    found = loaded(name)
    assert len(found.problems) == FIXTURES[name].problems
    assert [note.split(":")[0] for note in found.notes] == [f"left out {place}" for place in FIXTURES[name].bad]
    assert all(problem.benchmark == name and problem.text for problem in found.problems)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_prompts_hold_the_problem_and_nothing_that_was_not_filled_in(name: str) -> None:
    for problem in loaded(name).problems:
        prompt = asked(benchmark(name), problem)
        assert problem.text in prompt
        assert "{{" not in prompt
        assert "{%" not in prompt
        assert "None" not in prompt


@pytest.mark.parametrize("name", BENCHMARKS)
def test_right_answers_are_right_and_others_are_wrong(name: str) -> None:
    problems = loaded(name).problems
    for case in FIXTURES[name].cases:
        problem = problems[case.place]
        for text, grade in zip(case.right, grades(name, problem, case.right), strict=True):
            assert grade.correct, (text, grade)
            assert grade.answer, text
            assert grade.flaw is None, text
        for text, grade in zip(case.wrong, grades(name, problem, case.wrong), strict=True):
            assert not grade.correct, (text, grade)
            assert grade.score is None or 0 <= grade.score <= 1
        for text, grade in zip(case.malformed, grades(name, problem, case.malformed), strict=True):
            assert not grade.correct, (text, grade)
            assert not grade.score
            assert grade.flaw, text


@pytest.mark.parametrize("name", BENCHMARKS)
def test_hostile_answers_are_wrong_and_do_no_harm(name: str) -> None:
    for problem in loaded(name).problems:
        for text, grade in zip(HOSTILE, grades(name, problem, HOSTILE, timeout_s=2.0), strict=True):
            assert not grade.correct, (text[:60], grade)
