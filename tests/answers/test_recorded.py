"""Agreement with the labels of recorded traces. They are not in the repository: `ORCHESTRA_DATA` names their folder."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from orchestra.answers import Equivalence, extract

TRACES = Path(os.environ.get("ORCHESTRA_DATA", "no-such-folder")) / "traces"
MATH = TRACES / "qwen25_math_100x8_rm" / "math_cot_100.jsonl.gz"
AIME = TRACES / "parallel_probe_qwen3_8b"

pytestmark = pytest.mark.skipif(find_spec("math_verify") is None, reason="needs math-verify")

MISGRADED = {(r"10{,}000", "10000")}
"""Recorded as wrong: the grader that was used did not know this comma."""


def rows(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        pytest.skip(f"{file.name} is not here: set ORCHESTRA_DATA to the folder of the recorded data")
    with gzip.open(file, "rt") as lines:
        return [json.loads(line) for line in lines]


def test_grades_votes_and_extraction_agree_with_the_labels_of_800_outputs() -> None:
    async def main() -> set[tuple[str, str]]:
        different = set()
        async with Equivalence() as same:
            for row in rows(MATH):
                gold = row["gold"]
                for answer, output, correct in zip(row["preds"], row["outputs"], row["correct"], strict=True):
                    found = extract(output)
                    verdicts = [await same.equal(gold, answer), await same.equal(gold, found)]
                    verdicts.append(await same.key(gold, answer) == await same.key(gold, gold))
                    if verdicts != [correct] * 3:
                        different.add((gold, answer))
        return different

    assert asyncio.run(main()) == MISGRADED


@pytest.mark.parametrize(("name", "right"), [("aime24", 24), ("aime25", 23)])
def test_grades_and_votes_agree_with_the_labels_of_3840_traces(name: str, right: int) -> None:
    async def main() -> tuple[list[tuple[str, str | None]], int]:
        different, majorities = [], 0
        async with Equivalence() as same:
            for row in rows(AIME / f"{name}.jsonl.gz"):
                gold, problem = str(row["gold"]), str(row["qid"])
                gold_key, votes = await same.key(problem, gold), Counter[str]()
                for branch in row["branches"]:
                    answer = None if branch["final"] == "ERR" else branch["final"]
                    key = await same.key(problem, answer)
                    votes.update([key] if key else [])
                    if not (await same.equal(gold, answer)) == (key == gold_key) == branch["final_correct"]:
                        different.append((gold, answer))
                majorities += votes.most_common(1)[0][0] == gold_key
        return different, majorities

    assert asyncio.run(main()) == ([], right)
