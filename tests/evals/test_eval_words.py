"""`orchestra eval` on problems in words, with a scripted chat: methods, policies, config files, shards, dry runs, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from orchestra.evals.run import Run
from orchestra.evals.suite import benchmark

from orchestra.chat import ChatRequest, ScriptedChat
from orchestra.cli import main
from orchestra.errors import EngineError

Install = Callable[[Callable[[ChatRequest], Any]], ScriptedChat]
TINY = benchmark("tiny")
GOLD = {row["problem"]: row["answer"] for row in TINY.home.make(0) if "answer" in row}  # type: ignore[union-attr]


def solver(request: ChatRequest) -> str:
    """Right on all that is no expression of given numbers."""
    text = request.messages[-1].content
    return next((rf"\boxed{{{answer}}}" for problem, answer in GOLD.items() if problem in text), "I give up.")


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    def put(answer: Callable[[ChatRequest], Any]) -> ScriptedChat:
        chat = ScriptedChat(answer)
        monkeypatch.setattr("orchestra.evals.methods.worded.open_chat", lambda spec, **_: chat)
        return chat

    return put


def evaluate(out: Path, *options: str, name: str = "tiny") -> int:
    return main(["eval", name, "--engine", "recorded:made", "--out", str(out), *options])


def test_a_chat_model_solves_a_benchmark_and_the_run_says_how(tmp_path: Path, install: Install) -> None:
    install(solver)
    assert evaluate(tmp_path) == 0
    run = Run(tmp_path)
    assert len(run.rows) == 21 and sum(row.correct for row in run.rows) == 17
    assert {row.group for row in run.rows if not row.correct} == {"countdown"}
    experiment = run.config["experiment"]
    assert (experiment["method"], experiment["max_tokens"], experiment["engine"]) == ("serial", 16_384, "recorded:made")
    assert run.config["engine"] == {"name": "scripted"} and run.config["versions"]["orchestra"]
    assert len(list(run.kept())) == 21


def test_a_policy_is_the_method_of_its_run(tmp_path: Path, install: Install) -> None:
    chat = install(solver)
    assert evaluate(tmp_path, "--policy", "self_consistency:n=3", "--limit", "4", "--epochs", "2") == 0
    run = Run(tmp_path)
    assert run.method == "self_consistency:n=3" and len(run.rows) == 8 and len(chat.log) == 24
    assert all(row.threads == 3 and row.work == 3 * row.span for row in run.rows)


def test_plans_run_with_the_tools_of_the_benchmark(tmp_path: Path, install: Install) -> None:
    def reply(request: ChatRequest) -> str:
        if request.messages[0].content.startswith("You plan"):
            return '1. arithmetic("6*7-5")\n2. join()\n'
        return json.dumps({"thought": "", "answer": 37})

    install(reply)
    assert evaluate(tmp_path, "--method", "plan", "--limit", "2") == 0
    rows = Run(tmp_path).rows
    assert [row.correct for row in rows] == [True, False] and all(row.facts["agent"] == "succeeded" for row in rows)
    assert all(kept.plan is not None for _, kept in Run(tmp_path).kept())


def test_rows_with_engine_errors_are_left_and_the_status_says_so(
    tmp_path: Path, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(lambda request: EngineError("overloaded") if "eggs" in request.messages[-1].content else solver(request))
    assert evaluate(tmp_path, "--limit", "4") == 1
    assert "engine errors took 1 of the tries, at last with: overloaded" in capsys.readouterr().err
    (bad,) = (row for row in Run(tmp_path).rows if row.error)
    assert (bad.error, bad.retries, bad.correct) == ("overloaded", 2, False)
    install(solver)
    assert evaluate(tmp_path, "--limit", "4") == 0
    assert len(Run(tmp_path).rows) == 4


def test_shards_are_disjoint_and_together_all_there_is(tmp_path: Path, install: Install) -> None:
    install(solver)
    parts = []
    for number in range(3):
        assert evaluate(tmp_path / str(number), "--shard", f"{number}/3") == 0
        parts.append({row.problem for row in Run(tmp_path / str(number)).rows})
    assert sum(map(len, parts)) == len(set.union(*parts)) == 21
    configs = [Run(tmp_path / str(number)).config["experiment"] for number in range(3)]
    assert configs[0] == configs[1] == configs[2]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.toml", 'limit = 5\nmax_tokens = 64\npolicy = "self_consistency:n=2"\ndry_run = false\n[budget]\nspan = 40\n'),
        ("run.json", '{"limit": 5, "max-tokens": 64, "policy": "self_consistency:n=2", "budget": "span=40", "split": null}'),
    ],
)
def test_options_come_from_a_file_and_the_command_line_wins(tmp_path: Path, install: Install, name: str, text: str) -> None:
    install(solver)
    (tmp_path / name).write_text(text)
    assert evaluate(tmp_path / "run", "--config", str(tmp_path / name), "--max-tokens", "32") == 0
    run = Run(tmp_path / "run")
    experiment = run.config["experiment"]
    assert len(run.rows) == 5
    assert (experiment["max_tokens"], experiment["policy"], experiment["budget"]) == (32, "self_consistency:n=2", {"span": 40})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "'epoch' is no option of `orchestra eval`: did you mean epochs"),
        ("qqqqqqqq = 3", "'qqqqqqqq' is no option of `orchestra eval`: there are benchmark, beam, budget, chat"),
        ("limit = [[1]]", "'limit' must be text, a number, true, false, or a list"),
        ("limit = ", "is neither TOML nor"),
    ],
)
def test_a_config_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str) -> None:
    (tmp_path / "run.toml").write_text(text)
    assert evaluate(tmp_path / "run", "--config", str(tmp_path / "run.toml")) == 2
    assert message in capsys.readouterr().err


def test_a_config_may_name_the_benchmark(tmp_path: Path, install: Install) -> None:
    install(solver)
    (tmp_path / "run.toml").write_text(f'benchmark = "tiny"\nengine = "recorded:made"\nlimit = 2\nout = "{tmp_path / "run"}"\n')
    assert main(["eval", "--config", str(tmp_path / "run.toml")]) == 0
    assert Run(tmp_path / "run").benchmark == "tiny"


def test_a_dry_run_says_what_would_run_and_writes_nothing(
    tmp_path: Path, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    chat = install(solver)
    options = ("--policy", "self_consistency:n=2", "--max-tokens", "100", "--epochs", "3")
    assert evaluate(tmp_path / "run", *options, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "21 × 3 epochs" in said and "63 of 63 tries" in said and "at most 12,600: 200 a try" in said
    assert not (tmp_path / "run").exists() and not chat.log
    evaluate(tmp_path / "run", *options, "--limit", "2")
    capsys.readouterr()
    assert evaluate(tmp_path / "run", *options, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "57 of 63 tries, 6 are done" in said and "as in the rows that are there" in said


def test_the_list_describes_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "list"]) == 0
    said = capsys.readouterr().out
    assert "countdown" in said and "aime25" in said and "tiny" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["countdwn"], "no benchmark is called 'countdwn': did you mean countdown"),
        ([], "say which benchmark"),
        (["tiny", "--engine", "recorded:made"], "say where the rows go: --out runs/tiny"),
        (["tiny", "--method", "fork"], "tiny has no model that forks by itself"),
        (["tiny", "--method", "weave"], "`--method weave` is for Countdown"),
        (
            ["countdown", "--engine", "http://localhost/v1", "--chat", "--method", "weave"],
            "is for Countdown's own model, in its tokens",
        ),
        (["countdown", "--engine", "scripted", "--method", "weave", "--budget", "span=9"], "has no limit on its span"),
        (["tiny", "--engine", "scripted"], "the scripted engine plays Countdown only"),
        (["tiny", "--engine", "recorded:made", "--size", "4"], "--size is for countdown"),
        (["tiny", "--engine", "recorded:made", "--split", "train"], "--split is for generated Countdown problems"),
        (["tiny", "--engine", "recorded:made", "--tools", "json"], "--tools are for `--method plan`"),
        (["tiny", "--method", "fork", "--data", "nowhere.jsonl"], "tiny has no model that forks by itself"),
        (["tiny", "--engine", "recorded:made", "--method", "plan", "--budget", "span=9"], "a plan has no limit on its span"),
        (["tiny", "--engine", "recorded:made", "--tokenizer", "x"], "--tokenizer is for a server's URL"),
        (["tiny", "--engine", "recorded:made", "--gpu-memory", "0.3"], "--gpu-memory is for vLLM in this process"),
        (
            ["countdown", "--engine", "scripted", "--gpu-memory", "0.3"],
            "--gpu-memory is for vLLM in this process, not for scripted",
        ),
        (["tiny", "--engine", "recorded:made", "--policy", "votes:n=3"], "no policy is called 'votes'"),
        (["countdown", "--engine", "scripted", "--policy", "best_of:n=4"], "asks the judge 'reward'"),
        (["countdown", "--engine", "scripted", "--tools", "json"], "--tools are for `--method plan`"),
        (["countdown", "--engine", "scripted", "--max-tokens", "9"], "--window in place of --max-tokens"),
        (["tiny", "--engine", "recorded:made", "--join", "first"], "--join is for `--method fork`"),
        (["tiny", "--engine", "recorded:made", "--beam", "3"], "--beam is for Countdown's own model"),
        (["tiny", "--engine", "recorded:made", "--scouts", "3"], "--scouts is for Countdown's own model"),
        (["tiny", "--engine", "recorded:made", "--top-p", "0"], "`--top-p` must be in (0, 1], got 0.0"),
        (["tiny", "--engine", "recorded:made", "--temperature", "-1"], "`temperature` must not be negative"),
        (["tiny", "--engine", "recorded:made", "--shard", "0/100000"], "holds no problem: make fewer shards"),
        (["tiny", "--budget", "tokens=9", "--tree-tokens", "8"], "--budget says tokens=9 and --tree-tokens 8"),
        (
            ["countdown", "--engine", "scripted", "--method", "fork", "--budget", "span=9"],
            "a search of several threads has no limit on its span",
        ),
        (
            ["countdown", "--engine", "scripted", "--method", "fork", "--policy", "short_m:n=2,m=1", "--budget", "span=9"],
            "a search of several threads has no limit on its span",
        ),
        (["tiny", "--engine", "recorded:made", "--method", "plan", "--tools", "no_such_module"], "no_such_module"),
        (["countdown", "--engine", "scripted", "--policy", "dynasor:n=2"], "cannot be made to answer early"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(
    install: Install, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    install(solver)
    assert main(["eval", *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("method", ["fork", "weave"])
def test_a_method_that_a_benchmark_does_not_have_is_refused_before_its_problems_are_fetched(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    def fetch(*_: object, **__: object) -> None:
        raise AssertionError("its problems were fetched")

    monkeypatch.setattr("orchestra.evals.loading._from_hub", fetch)
    assert main(["eval", "aime25", "--method", method, "--dry-run"]) == 2
    assert "aime25 has no model that forks by itself" in capsys.readouterr().err


def test_a_model_that_is_asked_in_words_for_countdown_is_graded_by_its_expression(tmp_path: Path, install: Install) -> None:
    install(lambda request: r"\boxed{(7-3)*(11-5)}")
    (tmp_path / "games.jsonl").write_text('{"numbers": [3, 5, 7, 11], "target": 24}\n{"numbers": [3, 5, 7, 11], "target": 26}\n')
    assert evaluate(tmp_path / "run", "--data", str(tmp_path / "games.jsonl"), name="countdown") == 0
    assert {row.name: row.correct for row in Run(tmp_path / "run").rows} == {"3,5,7,11=24": True, "3,5,7,11=26": False}


def test_a_limit_of_shuffled_problems_is_a_part_of_a_larger_one(tmp_path: Path, install: Install) -> None:
    install(solver)
    rows = [{"kind": "number", "problem": f"What is {n} + 1?", "answer": n + 1} for n in range(30)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ("--data", str(tmp_path / "sums.jsonl"), "--problem-seed", "5", "--limit")
    assert evaluate(tmp_path / "run", *options, "4") == 0
    first = {row.problem for row in Run(tmp_path / "run").rows}
    assert evaluate(tmp_path / "run", *options, "9") == 0
    assert len(first) == 4 and first < {row.problem for row in Run(tmp_path / "run").rows}
    assert len(Run(tmp_path / "run").rows) == 9
