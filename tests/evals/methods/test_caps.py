"""Budgets of a try: kept to within a tenth, shared by plans, and told truly before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra.evals.methods.ways import Caps, bound, capped
from orchestra.evals.run import Run

from orchestra.chat import ChatRequest, ScriptedChat
from orchestra.cli import main
from orchestra.sample import read_policy


@given(st.integers(1, 200_000), st.integers(1, 64))
def test_a_tight_budget_is_looked_at_often_enough(tokens: int, traces: int) -> None:
    policy, caps = read_policy(f"self_consistency:n={traces}"), Caps(tokens=tokens)
    every = capped(policy, caps).needs.tokens_every
    assert every == 1 or traces * every <= tokens / 10
    assert bound(10**9, policy, caps) == tokens + traces * every and bound(1, policy, caps) == 1


def test_a_search_stays_within_its_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["eval", "countdown", "--engine", "scripted", "--limit", "3", "--policy", "self_consistency:n=4"]
    assert main([*command, "--budget", "tokens=200", "--out", str(tmp_path)]) == 0
    assert all(row.work <= 220 for row in Run(tmp_path).rows)
    assert main([*command, "--budget", "tokens=200", "--dry-run"]) == 0
    assert "220 a try" in capsys.readouterr().out


def test_plans_of_one_try_share_its_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reply(request: ChatRequest) -> str:
        return "think " * request.max_tokens

    chat = ScriptedChat(reply)
    monkeypatch.setattr("orchestra.evals.methods.worded.open_chat", lambda spec, **_: chat)
    command = ["eval", "tiny", "--engine", "recorded:made", "--limit", "2", "--method", "plan"]
    assert main([*command, "--policy", "self_consistency:n=4", "--budget", "tokens=400", "--out", str(tmp_path)]) == 0
    assert all(0 < row.work <= 400 for row in Run(tmp_path).rows)
