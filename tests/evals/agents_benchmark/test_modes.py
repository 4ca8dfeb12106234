"""All ways of working do the same work, and one that fails says why."""

from __future__ import annotations

from typing import Any

import pytest
from orchestra.evals.benchmarks.agents import run as driver
from orchestra.evals.benchmarks.agents.modes import MODES, Run, Runner
from orchestra.evals.benchmarks.agents.question import Question
from orchestra.evals.benchmarks.agents.tools import Rates

from .scripted_server import RATES, on_server


def run_all(questions: list[Question], rates: Rates) -> dict[tuple[str, str], Run]:
    async def work(url: str) -> dict[tuple[str, str], Run]:
        async with Runner(url, rates) as runner:
            return {(question.text, mode): await runner.run(question, mode) for question in questions for mode in MODES}

    runs: dict[tuple[str, str], Run] = on_server(questions, work, rates)
    return runs


@pytest.mark.parametrize("math_by_model", [False, True])
def test_all_modes_make_the_same_calls_and_give_the_right_answer(questions: list[Question], math_by_model: bool) -> None:
    runs = run_all(questions, Rates(name="", first_token_s=0.3, tokens_per_s=60, time_scale=0.001, math_by_model=math_by_model))
    for question in questions:
        mine = {mode: runs[question.text, mode] for mode in MODES}
        assert {mode: question.is_right(run.answer) for mode, run in mine.items()} == dict.fromkeys(MODES, True)
        assert {run.calls for run in mine.values()} == {len(question.steps)}
        turns = {mode: run.turns for mode, run in mine.items()}
        levels = len(set(question.depths))
        plans = dict.fromkeys((mode for mode in MODES if mode.startswith("plan")), 2)
        assert turns == {"react": len(question.steps) + 1, "native": levels + 1, **plans}
        assert mine["plan"].sampled_tokens == mine["plan first"].sampled_tokens < mine["react"].sampled_tokens


def test_a_mode_that_fails_is_a_failed_cell_with_its_reason(questions: list[Question]) -> None:
    async def work(url: str) -> list[dict[str, Any]]:
        async with Runner(url, RATES) as runner:
            return [await driver.one(runner, questions[0], mode) for mode in MODES]

    failed = on_server([], work)
    assert len(failed) == len(MODES) and all("not in the script" in run["error"] for run in failed)
