"""A thousand plans with mistakes: each is refused, or runs exactly as written. Nothing hangs, crashes, or comes out wrong in silence."""

from __future__ import annotations

from collections import Counter

import pytest
from plan_examples import TOOLS, WrongCall, interpret
from plan_mutants import mutant

from orchestra.plan.degrade import degrade
from orchestra.plan.finding import errors
from orchestra.plan.ref import Missing
from orchestra.plan.verify import describe, verify

COUNT = 1_000


def test_every_mutant_is_refused_or_runs() -> None:
    told: Counter[str] = Counter()
    for seed in range(COUNT):
        plan = mutant(seed)
        findings = verify(plan, TOOLS)
        if found := errors(findings):
            told["refused"] += 1
            told.update({finding.code for finding in found})
            assert describe(findings)
        else:
            told["runs"] += 1
            assert interpret(plan.nodes, plan.output) == interpret(plan.nodes[::-1], plan.output), f"mutant {seed}"
    assert told["runs"] > COUNT // 10 and told["refused"] > COUNT // 2, told
    expected = {"unknown-tool", "missing-argument", "unknown-argument", "wrong-type", "dangling-reference", "self-reference"}
    assert told.keys() >= expected | {"duplicate-id", "cycle", "empty", "bad-policy"}, told


def test_most_refused_mutants_would_not_have_run() -> None:
    """The verifier is no use if it refuses what is right. It may refuse more than the interpreter: limits of values, unused policies."""
    harmless = 0
    for seed in range(COUNT):
        plan = mutant(seed)
        if {finding.code for finding in errors(verify(plan, TOOLS))} - {"bad-policy", "empty", "wrong-type"}:
            try:
                interpret(plan.nodes, plan.output)
            except (WrongCall, Missing, KeyError):
                continue
            harmless += 1
    assert harmless == 0


@pytest.mark.parametrize("mode", ["drop", "sequence"])
def test_what_is_left_of_every_mutant_runs_or_is_a_clear_refusal(mode: str) -> None:
    kept = 0
    for seed in range(COUNT):
        plan = mutant(seed)
        result = degrade(plan, verify(plan, TOOLS), TOOLS, "drop" if mode == "drop" else "sequence")
        if result.plan is None:
            assert result.reason, f"mutant {seed}"
        else:
            kept += 1
            assert not errors(verify(result.plan, TOOLS)), f"mutant {seed}"
            interpret(result.plan.nodes, result.plan.output)
    assert kept > COUNT // 2
