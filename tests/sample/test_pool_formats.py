"""Pools that others recorded, on excerpts made by hand and, where they are, on the files themselves."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from orchestra.errors import ConfigError
from orchestra.sample.policy import Needs
from orchestra.sample.pool_file import read_pool
from orchestra.sample.pool_formats import canonical, estimate_tokens

DATA = os.environ.get("ORCHESTRA_DATA")

PROBED = {
    "qid": "aime24-0",
    "problem": "How many?",
    "gold": "070",
    "probe_every": 500,
    "branches": [
        {"probes": ["1", "70"], "tokens": 1200, "final": "70", "final_correct": True, "final_correct_strict": True},
        {"probes": ["ERR", None], "tokens": 1100, "final": "ERR", "final_correct": False},
        {"probes": [], "tokens": 300, "final": "7", "final_correct": False},
    ],
}
REWARDED = {
    "qid": 3,
    "problem": "Half of one?",
    "level": "Level 1",
    "gold": "\\frac{1}{2}",
    "preds": ["\\frac12", "0.5", ""],
    "correct": [True, True, False],
    "rm_score": [2.5, -1.0, 0.0],
    "outputs": ["It is $\\frac12$.", "It is 0.5.", "I give up"],
}


def file_of(folder: Path, *rows: object) -> Path:
    path = folder / "theirs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_traces_with_forced_answers(tmp_path: Path) -> None:
    pool = read_pool(file_of(tmp_path, PROBED))
    (problem,) = pool.problems
    assert (pool.probe_every, problem.id, problem.gold, problem.group) == (500, "aime24-0", "70", "theirs")
    assert [(trace.tokens, trace.answer, trace.correct) for trace in problem.traces] == [
        (1200, "70", True),
        (1100, None, False),
        (300, "7", False),
    ]
    assert [trace.probes for trace in problem.traces] == [["1", "70"], [None, None], []]
    assert pool.holds == Needs(tokens_every=1, probes=True, arms=frozenset({""}))


def test_outputs_with_rewards(tmp_path: Path) -> None:
    pool = read_pool(file_of(tmp_path, REWARDED))
    first, second, third = pool.problems[0].traces
    assert first.answer == second.answer == pool.problems[0].gold, "forms of the right answer vote together"
    assert (third.answer, third.correct, third.reward, third.text) == (None, False, 0.0, "I give up")
    assert pool.holds.judges == {"reward"} and not pool.holds.probes


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({**PROBED, "branches": []}, "`branches`: List should have at least 1 item"),
        ({**PROBED, "branches": [{"tokens": 3}]}, "`branches.0.final`: Field required"),
        ({**PROBED, "probe_every": 0}, "`probe_every`: Input should be greater"),
        ({**REWARDED, "correct": [True]}, "`preds`, `correct`, `rm_score` and `outputs` must be equally long"),
        ({key: value for key, value in REWARDED.items() if key != "gold"}, "`gold`: Field required"),
    ],
)
def test_a_line_with_a_flaw_is_named(tmp_path: Path, row: object, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_pool(file_of(tmp_path, row))
    assert str(caught.value).startswith(f"{tmp_path / 'theirs.jsonl'}:1: ") and why in str(caught.value)


def test_forced_answers_at_two_distances_do_not_share_a_file(tmp_path: Path) -> None:
    pool = read_pool(file_of(tmp_path, PROBED, {**PROBED, "qid": "x", "probe_every": 100}))
    assert len(pool.problems) == 1 and "`probe_every` is 100 here and 500 above: put them into two files" in pool.notes[0]


@pytest.mark.parametrize("answer", [None, "", "  ", "ERR", "None", "x" * 300])
def test_what_is_no_answer_never_votes(answer: str | None) -> None:
    assert canonical(answer) is None


@pytest.mark.parametrize(("one", "other"), [("070", "70"), ("$70$", "70"), ("14 + 4\\sqrt{37}", "14+4\\sqrt{37}")])
def test_spelling_makes_no_other_answer(one: str, other: str) -> None:
    assert canonical(one) == canonical(other) is not None


def test_lengths_are_estimated_by_words_digits_and_signs() -> None:
    assert estimate_tokens("The sum is 12.") == 6
    assert estimate_tokens("") == 1


@pytest.mark.skipif(not DATA, reason="ORCHESTRA_DATA names no folder with recorded traces")
def test_the_recorded_math_outputs_are_a_hundred_problems_of_eight() -> None:
    pool = read_pool(Path(DATA or "") / "traces/qwen25_math_100x8_rm/math_cot_100.jsonl.gz")
    assert (len(pool.problems), pool.depth) == (100, 8)
    assert pool.holds.judges == {"reward"}
    traces = [trace for problem in pool.problems for trace in problem.traces]
    right = sum(trace.correct for trace in traces) / 800
    assert 0.90 < right < 0.92 and 150 < sum(trace.tokens for trace in traces) / 800 < 700
