"""The live-against-replay benchmark's own conduct, on the flawless scripted player."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from orchestra.evals.benchmarks import sampling_live
from orchestra.evals.benchmarks.asked import AskedEngine, expected
from orchestra.evals.benchmarks.sampling_live import Checks, Figures, compared, live, main, replayed
from orchestra.evals.benchmarks.sampling_policies import RULES, bench_of, policies

from orchestra.countdown import player
from orchestra.countdown.attempt import Setup
from orchestra.countdown.problem import Problem
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.sample.again import Difference
from orchestra.sample.judges.base import Judge, Opinion, Question
from orchestra.sample.policies.adaptive import self_consistency
from orchestra.sample.policies.atts import Atts, percentile
from orchestra.sample.pool_file import read_pool
from orchestra.sample.replay import lacking

PROBLEM = Problem((11, 7, 5, 3), 24)
POOL = Path(__file__).parents[1] / "data" / "countdown-pool.jsonl.gz"


def bench(out: Path, *options: str) -> int:
    return main(["--engine", "scripted", "--problems", "2", "--traces", "8", "--resamples", "3", "--out", str(out), *options])


def test_every_policy_runs_live_with_nothing_broken(tmp_path: Path) -> None:
    out = tmp_path / "live.json"
    assert bench(out, "--n", "6") == 0
    result = json.loads(out.read_text())
    assert result["policies"].keys() == policies(6).keys()
    assert result["checks"] == {"runs": 2 * len(policies(6))} | dict.fromkeys(
        ("decided_otherwise", "accounts_off", "failed", "asked_otherwise", "left_running"), 0
    )
    assert {"date", "machine", "versions"} <= result.keys()


def test_a_player_without_chance_does_live_what_its_replay_does(tmp_path: Path) -> None:
    out = tmp_path / "live.json"
    assert bench(out, "--only", "self-consistency", "DeepConf offline", "ESC") == 0
    for row in json.loads(out.read_text())["policies"].values():
        assert all(row[figure]["difference"] == 0 for figure in ("accuracy", "tokens", "span"))


def test_pools_express_all_but_policies_with_other_arms_or_branches() -> None:
    pool = read_pool(POOL)
    runs_live_only = {name for name, policy in policies(8).items() if lacking(policy.needs, pool, RULES)}
    assert runs_live_only == {
        name
        for name, policy in policies(8).items()
        if policy.needs.arms or policy.needs.branches or "accept" in policy.needs.judges
    }
    assert replayed(policies(8)["ParallelMuse, votes"], pool, resamples=1) is None
    rows = replayed(policies(8)["DeepPrune"], pool, resamples=2)
    assert rows is not None and len(rows) == 20


def test_a_recorded_pool_takes_the_place_of_a_fresh_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tmp_path / "live.json", "--only", "first finish", "--pool", str(POOL)) == 0
    assert bench(tmp_path / "live.json", "--only", "first finish", "--pool", str(POOL), "--problems", "30") == 1
    assert "lacks 10 of the problems" in capsys.readouterr().err


def test_a_policy_that_decides_otherwise_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling_live, "decide_again", lambda policy, turns: Difference(0, (), ()))
    checks = Checks()
    engine = AskedEngine(ScriptedEngine(player.answer))
    run_virtual(live(engine, self_consistency(2), [PROBLEM], Setup(method="serial"), repeats=3, at_once=1, checks=checks))
    assert (checks.runs, checks.decided_otherwise, checks.broken) == (3, 3, 3)


def test_requests_for_more_than_a_policy_needs_are_counted() -> None:
    checks = Checks()
    engine = AskedEngine(ScriptedEngine(player.answer))
    setup = dataclasses.replace(Setup(method="serial"))
    run_virtual(live(engine, policies(4)["vote by tail"], [PROBLEM], setup, repeats=1, at_once=1, checks=checks))
    assert checks.asked_otherwise == 0 and engine.asked == [(False, 20)] * 4
    assert expected(policies(4)["DeepConf"].needs) == (True, 20)
    assert expected(policies(4)["Slim-SC"].needs) == (True, 0)
    assert expected(policies(4)["ASC events"].needs) == (False, 0)


def test_differences_are_paired_by_problem() -> None:
    mine = [Figures(1.0, 100, 10), Figures(0.0, 200, 10)]
    theirs = [Figures(0.5, 90, 10), Figures(0.5, 190, 10)]
    row = compared(mine, theirs)
    assert row["tokens"] == {"live": 150, "replay": 140, "difference": 10, "interval": [10, 10]}
    assert row["accuracy"]["difference"] == 0 and row["accuracy"]["interval"] == [-0.98, 0.98]
    assert compared(mine, None)["tokens"] == {"live": 150}


@pytest.mark.parametrize(("answer", "rewritten"), [("(11-5)*(7-3)", False), ("11 + 5 = 16", True)])
def test_atts_has_wrong_drafts_written_anew_and_no_right_ones(answer: str, rewritten: bool) -> None:
    judge = bench_of(ScriptedEngine(player.answer), PROBLEM, Setup(method="serial")).judges["accept"]
    policy = policies(8)["ATTS"]
    assert isinstance(policy, Atts)
    opinion = run_virtual(_opinion(judge, Question(problem="", texts=("",), answers=(answer,))))
    assert (percentile(opinion.score, policy.calibration) >= policy.reject) == rewritten


async def _opinion(judge: Judge, question: Question) -> Opinion:
    return await judge(question)
