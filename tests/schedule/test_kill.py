"""A run that is killed with SIGKILL at any step goes on from its journal (`killed.py` is the program that dies)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from orchestra.plan.node import SubPlan, ToolCall

from .killed import thirty

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "tests.schedule.killed"]
CALLS: dict[str, ToolCall] = {}
"""Of the plan, by their names."""
NEEDED: dict[str, set[str]] = {}
"""All that each node needs, directly or not."""
for node in thirty().nodes:
    NEEDED[node.id] = set(node.waits_for).union(*(NEEDED[other] for other in node.waits_for))
    if isinstance(node, ToolCall):
        CALLS[node.id] = node
    elif isinstance(node, SubPlan):
        for part in node.nodes:
            assert isinstance(part, ToolCall)
            name = f"{node.id}/{part.id}"
            CALLS[name] = part
            NEEDED[name] = set(NEEDED[node.id])
            NEEDED[node.id].add(name)  # a chain, whose last is the output
ONCE = {name for name, call in CALLS.items() if call.tool == "once"}


def killed_everywhere(what: str, folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The run that was left in peace, and what became of those that were killed. Two programs take every other step each."""
    command = [*COMMAND, what, str(folder)]
    programs = [
        subprocess.Popen([*command, str(first), "2"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for first in range(2)
    ]
    whole: dict[str, Any] = {}
    kills: list[dict[str, Any]] = []
    for program in programs:
        output, errors = program.communicate(timeout=110)
        assert program.returncode == 0, errors
        whole, *others = map(json.loads, output.splitlines())
        kills += others
    kills.sort(key=lambda found: int(found["step"]))
    assert [found["step"] for found in kills] == list(range(len(kills)))
    return whole, kills


def check(found: dict[str, Any], whole: dict[str, Any], once: set[str]) -> set[str]:
    """What holds after every kill. Returns what was uncertain."""
    finished = {id for id, _, _, outcome in found["rows"] if outcome}
    uncertain = {id for id, _, effect, outcome in found["rows"] if effect == "once" and not outcome}
    before, after = Counter(found["effects"]), Counter(found["effects_resumed"])
    again = {id for id in after if after[id] > before[id]}
    outcomes, right = found["resumed"]["outcomes"], whole["whole"]["outcomes"]
    assert not again & finished, "a finished node ran again"
    assert not again & uncertain, "an uncertain effect was repeated"
    assert all(after[id] <= 1 for id in once), "an effect that happens once happened twice"
    assert {id for id, (status, _, _) in outcomes.items() if status == "uncertain"} == uncertain
    for id, (status, value, source) in outcomes.items():
        assert status != "succeeded" or value == right[id][1]
        assert id not in finished or (status, source) == ("succeeded", "journal")
    if uncertain:
        settled = Counter(found["effects_settled"])
        assert all(settled[id] == 1 for id in once), "an effect that happens once did not, or happened twice"
        done = {id for id, (status, _, _) in outcomes.items() if status == "succeeded"}
        assert not done & {id for id in settled if settled[id] > after[id]}, "what had succeeded ran again"
    assert found["settled" if uncertain else "resumed"]["output"] == whole["whole"]["output"]
    return uncertain


@pytest.mark.timeout(120)
def test_a_plan_of_thirty_calls_survives_a_kill_at_every_step(tmp_path: Path) -> None:
    whole, kills = killed_everywhere("plan", tmp_path)
    assert sorted(whole["effects"]) == sorted(CALLS) and len(CALLS) == 30 and len(kills) > 300
    hit: set[str] = set()
    for found in kills:
        uncertain = check(found, whole, ONCE)
        hit |= uncertain
        for id, (status, _, _) in found["resumed"]["outcomes"].items():
            if id in uncertain:
                continue
            blocked = "failed" if id == "sub" and not NEEDED["c5"] & uncertain and "c5" not in uncertain else "skipped"
            assert status == (blocked if NEEDED[id] & uncertain else "succeeded"), f"{id} after a kill at step {found['step']}"
    assert hit == ONCE


@pytest.mark.timeout(120)
def test_a_run_that_is_killed_again_and_again_ends_all_the_same(tmp_path: Path) -> None:
    command = [*COMMAND, "plan", str(tmp_path), "-1", "60"]
    program = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert program.returncode == 0, program.stderr
    whole, again = map(json.loads, program.stdout.splitlines())
    effects = Counter(again["effects"])
    assert again["resumed"]["output"] == whole["whole"]["output"] and again["kills"] > 5
    assert effects.keys() == CALLS.keys() and all(effects[name] == 1 for name in ONCE)


@pytest.mark.timeout(120)
def test_a_task_of_an_agent_survives_a_kill_at_every_step(tmp_path: Path) -> None:
    whole, kills = killed_everywhere("agent", tmp_path)
    assert whole["effects"] == ["planner", "n1", "n2", "n3", "n4", "joiner"] and len(kills) > 60
    hit: set[str] = set()
    for found in kills:
        answered = [id for id, _, _, outcome in found["rows"] if id.startswith("request-") and outcome]
        asked = found["effects_resumed"][len(found["effects"]) :]
        assert asked.count("planner") == (0 if "request-1" in answered else 1), "the planner was asked for what it had answered"
        assert asked.count("joiner") == (0 if "request-2" in answered else 1)
        found["rows"] = [row for row in found["rows"] if row[0] in whole["whole"]["outcomes"]]
        uncertain = check(found, whole, {"n3"})
        assert found["resumed"]["output"] == ("in part" if uncertain else "whole")
        hit |= uncertain
    assert hit == {"n3"}
