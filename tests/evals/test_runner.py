"""The runner: retries, engines that die, and tries that are graded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from orchestra.evals.method import Attempted, Costs, Kept
from orchestra.evals.problem import Grade, Problem
from orchestra.evals.rows import RowFolder
from orchestra.evals.run import Run, read_rows
from orchestra.evals.runner import Schedule, owed_by, run_owed

from orchestra.errors import ConfigError, EngineError

CONFIG = {"experiment": {"benchmark": "tiny", "method": "made"}}
PROBLEMS = [Problem(benchmark="tiny", text=f"problem {number}", gold=str(number)) for number in range(10)]


class Made:
    """Answers what it is told to: an error's text for each try at a problem, or None for the right answer."""

    label = "made"

    def __init__(self, fails: Callable[[Problem, int], str | None] = lambda problem, number: None) -> None:
        self._fails = fails
        self.asked: dict[tuple[str, int], int] = {}
        self.at_once = self.most_at_once = 0

    async def attempt(self, problem: Problem, *, epoch: int) -> Attempted:
        key = (problem.text, epoch)
        number = self.asked[key] = self.asked.get(key, 0) + 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        error = self._fails(problem, number)
        text = None if error else problem.gold
        return Attempted(text=text, status="finished", costs=Costs(work=5, span=5), error=error, keep=lambda: Kept(text=text))


async def grading(problem: Problem, text: str) -> Grade:
    return Grade(correct=text == problem.gold, answer=text)


def run(folder: Path, method: Made, problems: Sequence[Problem] = PROBLEMS, **schedule: int | None) -> None:
    with RowFolder(folder, CONFIG) as opened:
        asyncio.run(run_owed(method, problems, opened, grading, schedule=Schedule(**schedule)))  # type: ignore[arg-type]


def test_a_failure_is_retried_and_counted(tmp_path: Path) -> None:
    run(tmp_path, Made(lambda problem, number: "dropped" if number < 3 and problem.gold == "4" else None))
    rows = {row.gold: row for row in read_rows(tmp_path)}
    assert len(rows) == 10 and all(row.correct for row in rows.values())
    assert rows["4"].retries == 2 and rows["5"].retries == 0


def test_a_try_that_fails_for_ever_is_an_error_and_no_wrong_answer_and_the_others_go_on(tmp_path: Path) -> None:
    run(tmp_path, Made(lambda problem, number: "dropped" if problem.gold == "4" else None), concurrency=1)
    rows = {row.gold: row for row in read_rows(tmp_path)}
    assert len(rows) == 10 and sum(row.correct for row in rows.values()) == 9
    assert (rows["4"].error, rows["4"].answer, rows["4"].retries) == ("dropped", None, 2)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_an_engine_that_fails_on_every_problem_ends_the_run(tmp_path: Path, concurrency: int) -> None:
    method = Made(lambda problem, number: "http://gone does not answer")
    with pytest.raises(
        EngineError, match=r"failed on [34] problems in a row, at last with: http://gone .* run the same command again"
    ):
        run(tmp_path, method, concurrency=concurrency)
    assert len(method.asked) <= 5


def test_the_next_run_tries_only_what_is_owed(tmp_path: Path) -> None:
    run(tmp_path, Made(lambda problem, number: "dropped" if problem.gold == "4" else None), epochs=2)
    again = Made()
    run(tmp_path, again, epochs=2)
    assert again.asked == {("problem 4", 0): 1, ("problem 4", 1): 1}
    assert len(Run(tmp_path).rows) == 20


def test_no_more_run_at_once_than_the_schedule_says(tmp_path: Path) -> None:
    method = Made()
    run(tmp_path, method, concurrency=3, epochs=2)
    assert method.most_at_once == 3


@pytest.mark.parametrize(("traces", "kept"), [(0, 0), (3, 3), (12, 12), (None, 20)])
def test_the_first_tries_are_kept_for_looking_at_them(tmp_path: Path, traces: int | None, kept: int) -> None:
    run(tmp_path, Made(), epochs=2, traces=traces)
    found = [key for key, _ in Run(tmp_path).kept()]
    assert len(found) == kept
    assert {problem for problem, epoch in found if epoch == 0} == {problem.id for problem in PROBLEMS[:traces]} or traces == 0
    texts = {problem.id: problem.text for problem in PROBLEMS}
    assert all(kept_try.problem == texts[problem] for (problem, _), kept_try in Run(tmp_path).kept())


def test_what_is_owed_is_made_one_at_a_time(tmp_path: Path) -> None:
    with RowFolder(tmp_path, CONFIG) as folder:
        owed = owed_by(PROBLEMS, folder, 1_000_000_000)
        assert [(place, epoch) for (place, _, epoch), _ in zip(owed, range(12), strict=False)][-1] == (11, 1)


def test_a_settings_error_of_a_method_ends_the_run_as_it_is(tmp_path: Path) -> None:
    class Refuses(Made):
        async def attempt(self, problem: Problem, *, epoch: int) -> Attempted:
            raise ConfigError("the policy cannot be served")

    with pytest.raises(ConfigError, match="cannot be served"):
        run(tmp_path, Refuses())
