"""`orchestra run`, as a user types it, with a recorded model."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestra import cli
from orchestra.agent import Agent
from orchestra.agent.command import settings, tools_of
from orchestra.chat import ChatRequest, RecordedChat, ScriptedChat
from orchestra.schedule import Journal

TASK = "How much higher is K2 than Mont Blanc?"
TOOLS = '''
from orchestra.tools import tool


@tool
async def height(mountain: str) -> int:
    """Height in metres."""
    return {"K2": 8611, "Mont Blanc": 4806}[mountain]


@tool
async def subtract(a: float, b: float) -> float:
    """a - b."""
    return a - b
'''
PLAN = """\
1. height("K2")
2. height("Mont Blanc")
3. subtract($1, $2)
4. join($3)
"""
ANSWER = '{"thought": "computed", "answer": "3805 m"}'


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    path = tmp_path / "tools.py"
    path.write_text(TOOLS)
    return path


@pytest.fixture
def command(tmp_path: Path, tools: Path) -> Callable[..., list[str]]:
    """The arguments of a run whose model says `says`, one text after the other."""

    def make(*flags: str, says: Sequence[str] = (PLAN, ANSWER)) -> list[str]:
        recording = tmp_path / "recording.jsonl"
        argv = ["run", TASK, "--tools", str(tools), "--model", f"recorded:{recording}", *flags]
        remaining = list(says)
        model = RecordedChat(recording, ScriptedChat(lambda request: remaining.pop(0)))
        args = cli.build_parser().parse_args(argv)
        asyncio.run(Agent(model, tools_of(args).values(), settings=settings(args)).run(TASK))
        return argv

    return make


def test_the_answer_is_all_of_standard_output_and_the_run_goes_to_standard_error(
    command: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(command()) == 0
    out, err = capsys.readouterr()
    assert out == "3805 m\n"
    lines = err.splitlines()
    assert '1 starts: height(mountain="K2")' in lines and "3 starts: subtract(a=$1, b=$2)" in lines and "✓ 3 3805.0" in lines
    assert lines[-1].startswith("3 tool calls, 2 model calls, ") and "\x1b" not in out + err


def test_json_has_the_answer_the_plan_and_what_became_of_each_node(
    command: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(command("--json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["answer"], found["status"], found["usage"]["calls"]) == ("3805 m", "succeeded", 5)
    assert [node["id"] for node in found["plan"]["nodes"]] == ["1", "2", "3"] and found["outcomes"]["3"]["value"] == 3805


def test_without_a_joiner_the_plans_output_is_the_answer(
    command: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(command("--no-joiner", says=[PLAN])) == 0
    assert capsys.readouterr().out == "3805.0\n"


def test_the_planner_may_write_json_lines(command: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        '{"id": "1", "tool": "height", "args": {"mountain": "K2"}}\n{"id": "2", "tool": "height", "args": {"mountain": "Mont Blanc"}}\n'
        '{"id": "3", "tool": "subtract", "args": {"a": "$1", "b": "$2"}}\n{"output": "$3"}\n'
    )
    assert cli.main(command("--format", "json-lines", "--no-joiner", says=[text])) == 0
    assert capsys.readouterr().out == "3805.0\n"


def test_examples_are_shown_to_the_planner(tmp_path: Path, tools: Path, capsys: pytest.CaptureFixture[str]) -> None:
    examples = tmp_path / "examples.json"
    examples.write_text(json.dumps([{"task": "How high is the Eiger?", "plan": '{"output": 3967}'}]))
    argv = ["run", TASK, "--tools", str(tools), "--model", "none", "--examples", str(examples)]
    asked: list[ChatRequest] = []

    def say(request: ChatRequest) -> str:
        asked.append(request)
        return PLAN

    args = cli.build_parser().parse_args([*argv, "--no-joiner"])
    asyncio.run(Agent(ScriptedChat(say), tools_of(args).values(), settings=settings(args)).run(TASK))
    assert "How high is the Eiger?" in asked[0].messages[0].content


def test_the_plan_is_drawn_with_what_became_of_it(
    command: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "plan.svg"
    assert cli.main(command("--svg", str(picture))) == 0
    assert picture.read_text().lstrip().startswith(("<svg", "<?xml")) and str(picture) in capsys.readouterr().err


def test_a_second_run_on_the_journal_calls_nothing_again(
    command: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [*command(), "--journal", str(tmp_path / "run.db")]
    assert cli.main(argv) == 0
    (tmp_path / "recording.jsonl").write_text((tmp_path / "recording.jsonl").read_text().replace("3805 m", "something else"))
    capsys.readouterr()
    assert cli.main(argv) == 0
    out, err = capsys.readouterr()
    assert out == "3805 m\n" and "✓ 1 8611 (journal)" in err


def test_a_budget_that_ends_in_the_middle_says_so_and_fails(
    command: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*command(), "--calls", "2"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "no answer: " in err and "2 calls" in err


def test_a_budget_too_small_to_ask_for_a_plan_says_what_to_raise(
    command: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*command(), "--tokens", "10"]) == 1
    assert "no plan could be made: the budget of 10 tokens leaves no room" in capsys.readouterr().err


def test_text_that_is_no_plan_is_reported_with_all_that_is_wrong(
    command: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = "1. hight()\n2. magic(a=$7)\n3. join($2)"
    assert cli.main(command(says=[wrong, wrong])) == 1
    out, err = capsys.readouterr()
    assert out == "" and all(word in err for word in ("hight", "height", "magic", 'refers to "7"')) and "Traceback" not in err, err


WRONG_FLAGS: dict[tuple[str, ...], str] = {
    ("--seconds", "-1"): "expected a positive number of seconds, got '-1'",
    ("--seconds", "nan"): "got 'nan'",
    ("--seconds", "soon"): "got 'soon'",
    ("--max-rounds", "-1"): "expected 0 or a positive integer, got '-1'",
    ("--calls", "0"): "expected a positive integer, got '0'",
    ("--tokens", "1.5"): "got '1.5'",
    ("--slots", "-3"): "got '-3'",
    ("--format", "prose"): "invalid choice: 'prose'",
}


@pytest.mark.parametrize(("flags", "message"), WRONG_FLAGS.items(), ids=map("=".join, WRONG_FLAGS))
def test_a_wrong_value_of_a_flag_is_refused(
    tools: Path, flags: Sequence[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exited:
        cli.main(["run", TASK, "--tools", str(tools), "--model", "http://127.0.0.1:9", *flags])
    assert exited.value.code == 2 and message in capsys.readouterr().err


def no_tools(folder: Path) -> list[str]:
    (folder / "none.py").write_text("x = 1\n")
    return ["--tools", str(folder / "none.py")]


def broken_tools(folder: Path) -> list[str]:
    (folder / "broken.py").write_text("def f(:\n")
    return ["--tools", str(folder / "broken.py")]


def failing_tools(folder: Path) -> list[str]:
    (folder / "failing.py").write_text("import a_module_that_is_nowhere\n")
    return ["--tools", str(folder / "failing.py")]


def same_tools_twice(folder: Path) -> list[str]:
    (folder / "copy.py").write_text(TOOLS)
    return ["--tools", str(folder / "tools.py"), "--tools", str(folder / "copy.py")]


def bad_examples(folder: Path) -> list[str]:
    (folder / "examples.json").write_text('[{"task": 1}]')
    return ["--examples", str(folder / "examples.json")]


def garbage_journal(folder: Path) -> list[str]:
    (folder / "garbage.db").write_text("not a database, but long enough to look at " * 30)
    return ["--journal", str(folder / "garbage.db")]


def foreign_journal(folder: Path) -> list[str]:
    Journal(folder / "foreign.db", run="another").close()
    return ["--journal", str(folder / "foreign.db")]


def garbage_recording(folder: Path) -> list[str]:
    (folder / "garbage.jsonl").write_text("not JSON\n{}\n")
    return ["--model", f"recorded:{folder / 'garbage.jsonl'}"]


SETUP: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "missing tools": (lambda folder: ["--tools", str(folder / "nowhere.py")], "there is no file"),
    "unknown module": (lambda folder: ["--tools", "no_such_module_anywhere"], "there is no module"),
    "no tools in the file": (no_tools, "defines no tools: put `@tool` over functions"),
    "syntax error": (broken_tools, "broken.py:1: SyntaxError"),
    "import error": (failing_tools, "a_module_that_is_nowhere"),
    "two tools of one name": (same_tools_twice, "height"),
    "missing recording": (lambda folder: ["--model", f"recorded:{folder / 'nowhere.jsonl'}"], "there is no recording in"),
    "recording is a folder": (lambda folder: ["--model", f"recorded:{folder}"], "Is a directory"),
    "garbage recording": (garbage_recording, "line 1, is no entry of a recording"),
    "unknown model": (lambda folder: ["--model", "gpt"], "unknown chat model 'gpt'"),
    "missing examples": (lambda folder: ["--examples", str(folder / "nowhere.json")], "cannot be read: No such file"),
    "bad examples": (bad_examples, "must hold a JSON list of"),
    "picture in no folder": (lambda folder: ["--svg", str(folder / "no" / "plan.svg")], "cannot be written"),
    "journal in no folder": (lambda folder: ["--journal", str(folder / "no" / "run.db")], "its folder must exist"),
    "garbage journal": (garbage_journal, "is not a journal of this program"),
    "foreign journal": (foreign_journal, "is the journal of another run"),
    "grammar on a recording without it": (lambda folder: ["--constrained"], "none for this request"),
}


@pytest.mark.parametrize("case", SETUP)
def test_a_set_up_that_cannot_work_is_one_message_and_exit_status_2(
    case: str, command: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, message = SETUP[case]
    flags = make(tmp_path)
    argv = command()
    if "--tools" in flags:
        at = argv.index("--tools")
        argv[at : at + 2] = []
    capsys.readouterr()
    assert cli.main([*argv, *flags]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("orchestra: ") and message in err, err
    assert len(err.splitlines()) <= 2 and "Traceback" not in err


def test_an_empty_task_is_refused(command: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    argv = command()
    assert cli.main([argv[0], "  ", *argv[2:]]) == 2
    assert capsys.readouterr().err == "orchestra: the task is empty: say what is to be done\n"


def test_a_journal_in_use_is_refused(command: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [*command(), "--journal", str(tmp_path / "run.db")]
    with Journal(tmp_path / "run.db", run="any"):
        assert cli.main(argv) == 2
    assert "is in use by process" in capsys.readouterr().err


def test_a_dead_endpoint_is_a_failure_that_names_it(tools: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", TASK, "--tools", str(tools), "--model", "http://127.0.0.1:9"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "http://127.0.0.1:9/v1 does not answer" in err and "Traceback" not in err


def interrupted(argv: Sequence[str], line: str) -> tuple[int, str, str]:
    """A real process that gets Ctrl-C as soon as it has said `line`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestra.cli", *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stderr is not None
    said: list[str] = []
    for text in process.stderr:
        said.append(text)
        if line in text:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, "".join(said) + err


def test_ctrl_c_keeps_the_journal_and_the_same_command_goes_on(
    command: Callable[..., list[str]], tools: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [*command(), "--journal", str(tmp_path / "run.db")]
    hanging = TOOLS.replace(
        "    return a - b",
        f"    import asyncio, pathlib\n    if not pathlib.Path({str(tmp_path / 'go')!r}).exists():\n"
        "        await asyncio.Event().wait()\n    return a - b",
    )
    tools.write_text(hanging)
    status, out, err = interrupted(argv, "3 starts")
    assert (status, out) == (130, "") and "Traceback" not in err
    kept = f"orchestra: interrupted; what has finished is kept in {tmp_path / 'run.db'}, and the same command goes on from there"
    assert err.splitlines()[-1] == kept
    (tmp_path / "go").touch()
    assert cli.main(argv) == 0
    out, err = capsys.readouterr()
    assert out == "3805 m\n" and "✓ 1 8611 (journal)" in err and "✓ 3 3805.0\n" in err


def test_nothing_but_plain_text_goes_into_a_pipe(command: Callable[..., list[str]]) -> None:
    environment: dict[str, Any] = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    done = subprocess.run(
        [sys.executable, "-m", "orchestra.cli", *command()], capture_output=True, text=True, timeout=50, check=True, env=environment
    )
    assert done.stdout == "3805 m\n" and "\x1b" not in done.stderr and len(done.stderr.splitlines()) == 7
