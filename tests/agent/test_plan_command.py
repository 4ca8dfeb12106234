"""`orchestra plan` and `orchestra journal`, as a user types them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestra import cli
from orchestra.plan.formats.named import FORMATS, read_plan
from orchestra.schedule import Journal

from .test_command import interrupted

TOOLS = """
import asyncio
import sys
from pathlib import Path
from orchestra.tools import tool

FOLDER = Path(__file__).parent


@tool
async def height(mountain: str) -> int:
    \"\"\"Height in metres.\"\"\"
    return {"K2": 8611, "Mont Blanc": 4806}[mountain]


@tool
async def subtract(a: float, b: float) -> float:
    \"\"\"a - b.\"\"\"
    return a - b


@tool(effect="once")
async def send(text: str) -> str:
    \"\"\"Sends a message.\"\"\"
    with (FOLDER / "sent").open("a") as file:
        file.write(f"{text}\\n")
    print("sending", file=sys.stderr, flush=True)
    if not (FOLDER / "go").exists():
        await asyncio.Event().wait()
    return "sent"
"""
GRAPH = {
    "rules": [
        {"id": 0, "source": ["a"], "target": ["b"], "time": 3, "cost": 1},
        {"id": 1, "source": ["a"], "target": ["c"], "time": 2, "cost": 1},
        {"id": 2, "source": ["b", "c"], "target": ["d"], "time": 1, "cost": 5},
        {"id": 3, "source": ["a"], "target": ["d"], "time": 9, "cost": 1},
    ],
    "initial_source": ["a"],
    "target": "d",
}
SEND = '{"id": "1", "tool": "height", "args": {"mountain": "K2"}}\n{"id": "2", "tool": "send", "args": {"text": "K2: ${1}"}}\n{"output": "$2"}\n'

PLAN = """\
{"id": "1", "tool": "height", "args": {"mountain": "K2"}}
{"id": "2", "tool": "height", "args": {"mountain": "Mont Blanc"}}
{"id": "3", "tool": "subtract", "args": {"a": "$1", "b": "$2"}}
{"output": "$3"}
"""


@pytest.fixture
def tools(tmp_path: Path) -> str:
    (tmp_path / "tools.py").write_text(TOOLS)
    return str(tmp_path / "tools.py")


@pytest.fixture
def plan(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        (tmp_path / "plan.txt").write_text(text)
        return str(tmp_path / "plan.txt")

    return write


Write = Callable[[str], str]
Captured = pytest.CaptureFixture[str]


def test_a_good_plan_is_checked_with_its_tools(plan: Write, tools: str, capsys: Captured) -> None:
    assert cli.main(["plan", "check", plan(PLAN), "--tools", tools]) == 0
    assert capsys.readouterr() == ("", "ok: 3 nodes, 2 in a row\n")


def test_without_tools_a_check_says_what_it_did_not_check(plan: Write, capsys: Captured) -> None:
    assert cli.main(["plan", "check", plan(PLAN)]) == 0
    assert "tools and arguments were not checked, give --tools" in capsys.readouterr().err


def test_a_check_lists_everything_that_is_wrong_at_once(plan: Write, tools: str, capsys: Captured) -> None:
    wrong = """\
{"id": "1", "tool": "hight", "args": {"mountain": "K2"}}
{"id": "2", "tool": "height", "args": {"hill": "K2"}}
{"id": "3", "tool": "subtract", "args": {"a": "$3", "b": "$9"}}
{"id": "4", "tool": "subtract", "args": {"a": "many"
{"output": "$3"}
"""
    assert cli.main(["plan", "check", plan(wrong), "--tools", tools]) == 1
    out, err = capsys.readouterr()
    for words in ("height", "mountain", "hill", '"9"', "itself"):
        assert words in out, out
    num_errors = sum(line.startswith("error: ") for line in out.splitlines())
    assert num_errors >= 6 and err == f"{num_errors} errors: the plan cannot be run\n"


@pytest.mark.parametrize("text", ["", "I cannot help with that.", "{" * 3000, "\x00", "[]", "null", '{"nodes": 3}'])
@pytest.mark.parametrize("verb", ["check", "show", "run"])
def test_text_that_is_no_plan_fails_in_a_few_lines(verb: str, text: str, plan: Write, tools: str, capsys: Captured) -> None:
    assert cli.main(["plan", verb, plan(text), "--tools", tools]) == 1
    out, err = capsys.readouterr()
    assert 1 <= len((out + err).splitlines()) <= 6 and "Traceback" not in err


@pytest.mark.parametrize("verb", ["check", "show", "run", "solve"])
def test_a_file_that_cannot_be_read_is_named(verb: str, tmp_path: Path, tools: str, capsys: Captured) -> None:
    flags = [] if verb == "solve" else ["--tools", tools]
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x01")
    for name, message in (("nowhere", "No such file"), (".", "Is a directory"), ("binary", "")):
        assert cli.main(["plan", verb, str(tmp_path / name), *flags]) == 2
        err = capsys.readouterr().err
        assert err.startswith("orchestra: ") and message in err and len(err.splitlines()) == 1, err


def test_an_unknown_format_is_refused_with_those_there_are(plan: Write, capsys: Captured) -> None:
    assert cli.main(["plan", "check", plan(PLAN), "--format", "yaml"]) == 2
    assert "unknown format 'yaml': use one of document, json-lines, llmcompiler" in capsys.readouterr().err


def test_a_named_format_is_the_one_that_is_read(plan: Write, tools: str, capsys: Captured) -> None:
    assert cli.main(["plan", "check", plan('1. height("K2")\n2. join($1)'), "--format", "llmcompiler", "--tools", tools]) == 0
    assert cli.main(["plan", "check", plan(PLAN), "--format", "llmcompiler", "--tools", tools]) == 1
    assert "error: " in capsys.readouterr().out


@pytest.mark.parametrize("name", ["json-lines", "llmcompiler", "document"])
def test_the_format_of_a_file_is_found_out(name: str, plan: Write, tmp_path: Path) -> None:
    parsed = FORMATS["json-lines"]().parse(PLAN, {})
    texts = {
        "json-lines": PLAN,
        "llmcompiler": '1. height(mountain="K2")\n2. height(mountain="Mont Blanc")\n3. subtract(a=$1, b=$2)\n4. join($3)\n',
        "document": parsed.plan.model_dump_json(),
    }
    assert read_plan(Path(plan(texts[name])), None, {}).plan.signature == parsed.plan.signature


@pytest.mark.parametrize("form", ["svg", "mermaid", "dot", "json"])
def test_a_plan_is_shown_in_other_forms(form: str, plan: Write, tmp_path: Path, capsys: Captured) -> None:
    assert cli.main(["plan", "show", plan(PLAN), "--to", form]) == 0
    out, err = capsys.readouterr()
    assert "subtract" in out and out.endswith("\n") and err == "" and "\x1b" not in out
    assert cli.main(["plan", "show", plan(PLAN), "--to", form, "--out", str(tmp_path / "shown")]) == 0
    assert (tmp_path / "shown").read_text().strip() == out.strip() and capsys.readouterr().out == ""


def test_a_picture_that_cannot_be_written_is_refused(plan: Write, tmp_path: Path, capsys: Captured) -> None:
    assert cli.main(["plan", "show", plan(PLAN), "--to", "json", "--out", str(tmp_path / "no" / "plan.json")]) == 2
    assert "cannot be written: give a file in a folder that exists" in capsys.readouterr().err


def test_a_run_prints_nothing_but_the_output_on_standard_output(plan: Write, tools: str, capsys: Captured) -> None:
    assert cli.main(["plan", "run", plan(PLAN), "--tools", tools]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == 3805 and "✓ 3 3805.0" in err and "\x1b" not in out + err


def test_the_whole_result_of_a_run_is_json_too(plan: Write, tools: str, capsys: Captured) -> None:
    assert cli.main(["plan", "run", plan(PLAN), "--tools", tools, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["output"] == 3805 and found["status"] == "succeeded" and found["outcomes"]["1"]["value"] == 8611


def test_a_plan_with_errors_does_not_start(plan: Write, tools: str, capsys: Captured) -> None:
    wrong = PLAN.replace('"subtract"', '"magic"').replace('"mountain": "K2"', '"hill": "K2"')
    assert cli.main(["plan", "run", plan(wrong), "--tools", tools]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "magic" in err and "hill" in err and "starts" not in err


def test_a_node_that_fails_is_shown_with_its_error(plan: Write, tools: str, capsys: Captured) -> None:
    assert cli.main(["plan", "run", plan(PLAN.replace("Mont Blanc", "Olympus")), "--tools", tools]) == 1
    out, err = capsys.readouterr()
    assert out == "" and re.search(r"^! 2 failed: .*Olympus", err, re.MULTILINE) and "⊘ 3 skipped" in err
    assert "no output: " in err and "(1 of 3 nodes succeeded)" in err


def test_a_budget_that_ends_keeps_what_is_done(plan: Write, tools: str, capsys: Captured) -> None:
    assert cli.main(["plan", "run", plan(PLAN), "--tools", tools, "--calls", "2"]) == 1
    err = capsys.readouterr().err
    assert "limit reached: 2 calls" in err and "(2 of 3 nodes succeeded)" in err


@pytest.mark.parametrize("flags", [("--seconds", "-1"), ("--seconds", "inf"), ("--calls", "0"), ("--slots", "x")])
def test_a_wrong_value_of_a_flag_is_refused(flags: tuple[str, str], plan: Write, tools: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as exited:
        cli.main(["plan", "run", plan(PLAN), "--tools", tools, *flags])
    assert exited.value.code == 2 and f"got {flags[1]!r}" in capsys.readouterr().err


def test_a_run_needs_tools(plan: Write, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as exited:
        cli.main(["plan", "run", plan(PLAN)])
    assert exited.value.code == 2 and "--tools" in capsys.readouterr().err


def test_the_fastest_plan_of_a_graph_is_found(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "graph.json").write_text(json.dumps(GRAPH))
    assert cli.main(["plan", "solve", str(tmp_path / "graph.json")]) == 0
    assert "time 4, cost 7" in capsys.readouterr().out
    assert cli.main(["plan", "solve", str(tmp_path / "graph.json"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["time"], found["cost"], len(found["plan"])) == (4, 7, 3)
    assert cli.main(["plan", "solve", str(tmp_path / "graph.json"), "--pareto", "--json"]) == 0
    assert [(each["time"], each["cost"]) for each in json.loads(capsys.readouterr().out)] == [(4, 7), (9, 1)]


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        ("no JSON", "no JSON"),
        ("{}", "rules"),
        (json.dumps({**GRAPH, "target": "z"}), "'z'"),
        (json.dumps({**GRAPH, "rules": [{**GRAPH["rules"][0], "time": -1}]}), "got -1"),  # type: ignore[index]
    ],
)
def test_a_graph_that_cannot_be_solved_says_why(graph: str, message: str, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "graph.json").write_text(graph)
    assert cli.main(["plan", "solve", str(tmp_path / "graph.json")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and len(err.splitlines()) == 1


def test_ctrl_c_in_an_effect_that_happens_once_is_settled_by_a_person_and_then_goes_on(
    plan: Write, tools: str, tmp_path: Path, capsys: Captured
) -> None:
    journal = str(tmp_path / "run.db")
    argv = ["plan", "run", plan(SEND), "--tools", tools, "--journal", journal]
    status, out, err = interrupted(argv, "sending")
    assert (status, out) == (130, "") and "Traceback" not in err
    assert err.splitlines()[-1].startswith(f"orchestra: interrupted; what has finished is kept in {journal}")

    assert cli.main(argv) == 1  # it does not send again, whatever happened
    out, err = capsys.readouterr()
    assert out == "" and "? 2 uncertain" in err and "journal resolve" in err
    assert cli.main(["journal", "show", journal]) == 1
    out, err = capsys.readouterr()
    assert re.search(r"^ *2 +once +uncertain", out, re.MULTILINE) and re.search(r"^ *1 .*finished +8611", out, re.MULTILINE)
    assert f"orchestra journal resolve {journal} NODE" in err

    assert cli.main(["journal", "resolve", journal, "2", "--happened", "--value", '"sent by hand"']) == 0
    assert capsys.readouterr().err == "2: it happened; resume with the command that was interrupted\n"
    assert cli.main(argv) == 0
    assert json.loads(capsys.readouterr().out) == "sent by hand"
    assert (tmp_path / "sent").read_text() == "K2: 8611\n"
    assert cli.main(["journal", "show", journal]) == 0


def test_what_did_not_happen_is_run(plan: Write, tools: str, tmp_path: Path, capsys: Captured) -> None:
    journal = str(tmp_path / "run.db")
    argv = ["plan", "run", plan(SEND), "--tools", tools, "--journal", journal]
    assert interrupted(argv, "sending")[0] == 130
    assert cli.main(["journal", "resolve", journal, "2", "--did-not-happen"]) == 0
    (tmp_path / "go").touch()
    capsys.readouterr()
    assert cli.main(argv) == 0
    assert json.loads(capsys.readouterr().out) == "sent"


def test_the_journal_of_another_plan_is_refused(plan: Write, tools: str, tmp_path: Path, capsys: Captured) -> None:
    flags = ["--tools", tools, "--journal", str(tmp_path / "run.db")]
    assert cli.main(["plan", "run", plan(PLAN), *flags]) == 0
    capsys.readouterr()
    assert cli.main(["plan", "run", plan(PLAN.replace("Mont Blanc", "K2")), *flags]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "is the journal of another run" in err and "starts" not in err


def test_journals_that_cannot_be_used_are_named(plan: Write, tools: str, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "garbage").write_text("not a database, but long enough to look at " * 30)
    with Journal(tmp_path / "used", run="x"):
        for name, message in (("garbage", "not a journal"), ("used", "in use"), ("no/run.db", "its folder must exist")):
            assert cli.main(["plan", "run", plan(PLAN), "--tools", tools, "--journal", str(tmp_path / name)]) == 2
            assert message in capsys.readouterr().err
        assert cli.main(["journal", "resolve", str(tmp_path / "used"), "1", "--did-not-happen"]) == 2
        assert "in use" in capsys.readouterr().err
    for verb in (["show"], ["resolve"]):
        for name, message in (("garbage", "not a journal"), ("nowhere", "there is no journal")):
            answer = ["1", "--happened"] if verb == ["resolve"] else []
            assert cli.main(["journal", *verb, str(tmp_path / name), *answer]) == 2
            out, err = capsys.readouterr()
            assert message in err and out == "" and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--happened", "--value", "sent"), "--value must be JSON, got 'sent'"),
        (("--did-not-happen", "--value", "1"), "leave it out, or give --happened"),
        (("--happened",), "knows no uncertain call of '7'"),
    ],
)
def test_a_resolution_that_makes_no_sense_is_refused(
    flags: tuple[str, ...], message: str, tmp_path: Path, capsys: Captured
) -> None:
    Journal(tmp_path / "run.db", run="x").close()
    assert cli.main(["journal", "resolve", str(tmp_path / "run.db"), "7", *flags]) == 2
    assert message in capsys.readouterr().err
