"""Recorded traces as a chat model: an eval from end to end whose numbers are known."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from orchestra.evals.methods.pool_chat import PoolChat
from orchestra.evals.run import Run

from orchestra.chat import ChatRequest, Message
from orchestra.cli import main
from orchestra.errors import ConfigError
from orchestra.sample.pool import Pool, PooledProblem, Recorded

pytestmark = pytest.mark.anyio

DATA = os.environ.get("ORCHESTRA_DATA")


def pool() -> Pool:
    eggs = [Recorded(tokens=30, answer="37", correct=True), Recorded(tokens=90, answer=None, correct=False, cut=True)]
    trains = [Recorded(tokens=10, answer="85", correct=True)]
    return Pool(
        "made",
        [
            PooledProblem(id="eggs", text="A box holds $6$ rows of 7 eggs. How many eggs?", gold="37", traces=eggs),
            PooledProblem(id="trains", text="A train leaves at 9:40. How many minutes does it take?", gold="85", traces=trains),
        ],
    )


def ask(text: str) -> ChatRequest:
    return ChatRequest(messages=[Message("user", text)])


async def test_each_request_gets_the_next_trace_of_the_problem_that_it_is_about() -> None:
    chat = PoolChat(pool())
    question = "A box holds 6 rows of 7 eggs. How many eggs? Solve this step by step."
    first, second = await chat.reply(ask(question)), await chat.reply(ask(question))
    assert (first.text, first.sampled_tokens, first.finish) == (r"The answer is \boxed{37}", 30, "stop")
    assert (second.sampled_tokens, second.finish) == (90, "length") and "boxed" not in second.text
    with pytest.raises(ConfigError, match="has 2 traces of eggs, and all have been given"):
        await chat.reply(ask(question))


async def test_a_problem_that_the_pool_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no problem like 'Factor the polynomial'"):
        await PoolChat(pool()).reply(ask("Factor the polynomial"))


@pytest.mark.skipif(not DATA, reason="ORCHESTRA_DATA names no folder with recorded traces")
@pytest.mark.parametrize(("year", "right"), [("24", 24), ("25", 23)])
def test_the_vote_of_the_recorded_qwen3_traces_comes_out_exactly(tmp_path: Path, year: str, right: int) -> None:
    """maj@128 of arXiv 2602.03845's Qwen3-8B pool, through prompt, extraction, vote and grader."""
    data = Path(DATA or "")
    traces = data / f"traces/parallel_probe_qwen3_8b/aime{year}.jsonl.gz"
    options = ["--policy", "self_consistency:n=128", "--data", str(data / f"math/aime{year}.jsonl"), "--out", str(tmp_path)]
    assert main(["eval", f"aime{year}", "--engine", f"pool:{traces}", *options]) == 0
    assert sum(row.correct for row in Run(tmp_path).rows) == right
