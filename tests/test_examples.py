"""The programs in `examples/`, run as a user runs them."""

from __future__ import annotations

import ast
import json
import operator
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.vllm
@pytest.mark.timeout(180)
def test_fork_and_join_prints_a_verified_answer_and_its_threads() -> None:
    pytest.importorskip("vllm")
    done = subprocess.run([sys.executable, EXAMPLES / "fork_and_join.py"], capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert value_of(lines[0]) == 24
    assert lines[1].split()[:2] == ["0", "finished"]
    assert lines[-1].startswith("work ")


def run(example: str, *args: str) -> str:
    """What an example prints, run from elsewhere."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / example), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False, cwd=EXAMPLES.anchor)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def shown(example: str) -> list[str]:
    """What its docstring says that it prints."""
    docstring = ast.get_docstring(ast.parse((EXAMPLES / example).read_text()))
    assert docstring is not None
    return [line.removeprefix("    ") for line in docstring.split("prints")[1].splitlines()[2:]]


def test_own_tools_are_planned_called_and_answered_from_a_recording() -> None:
    lines = run("plan_with_tools.py").splitlines()
    expected = shown("plan_with_tools.py")
    assert lines[0] == expected[0] and lines[1].startswith(expected[1].rpartition(",")[0])


def test_a_plan_file_prints_its_events_and_output() -> None:
    expected = shown("plan_file.py")
    printed = run("plan_file.py").splitlines()
    assert sorted(line.partition(" s  ")[2] for line in printed[:-1]) == sorted(line.partition(" s  ")[2] for line in expected[:-1])
    assert printed[-1] == expected[-1]


def test_questions_are_answered_offline_as_its_docstring_shows() -> None:
    number = re.compile(r"\d+\.\d(?= s )")
    printed, expected = run("facts_offline.py"), "\n".join(shown("facts_offline.py")) + "\n"
    assert number.sub("", printed) == number.sub("", expected)
    seconds = [float(each) for each in number.findall(printed)]  # virtual; only their last digit may be rounded otherwise
    assert seconds == pytest.approx([float(each) for each in number.findall(expected)], abs=0.101)
    assert all(at_once < one_by_one for one_by_one, at_once in zip(seconds[::2], seconds[1::2], strict=True))


def test_a_skeleton_is_expanded_by_two_models_one_of_which_is_asked_again() -> None:
    printed = run("skeleton.py").splitlines()
    assert printed[-4:] == shown("skeleton.py")
    assert printed[0].startswith("Two threads") and not any("It is a counter." in line for line in printed)


def test_an_mcp_server_gives_its_tools() -> None:
    pytest.importorskip("mcp_server_time")
    assert run("mcp_tools.py").splitlines() == shown("mcp_tools.py")


def test_without_mcp_its_example_is_skipped_with_a_line() -> None:
    hidden = "import sys, runpy; sys.modules['mcp_server_time'] = None; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", hidden, str(EXAMPLES / "mcp_tools.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0 and done.stdout.startswith("skipped: mcp_server_time not installed"), done.stderr


def test_the_recordings_are_what_the_scripts_give(tmp_path: Path) -> None:
    run("record.py", str(tmp_path))
    for recording in sorted((EXAMPLES / "recordings").glob("*.jsonl")):
        assert said(tmp_path / recording.name) == said(recording), f"{recording.name} is stale: run `python examples/record.py`"


def said(recording: Path) -> list[tuple[Any, str]]:
    """Requests and replies, without times. Those made at the same time may be written in any order."""
    entries = [json.loads(line) for line in recording.read_text().splitlines()]
    return sorted(
        ((entry["request"], "".join(text for _, text in entry["result"]["pieces"])) for entry in entries),
        key=lambda each: json.dumps(each, sort_keys=True),
    )


def value_of(expression: str) -> int:
    """The value of an answer that uses 3, 5, 7 and 11 once each; anything else fails."""
    binary = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.floordiv}
    used: list[int] = []

    def walk(node: ast.expr) -> int:
        if isinstance(node, ast.Constant):
            used.append(node.value)
            return int(node.value)
        assert isinstance(node, ast.BinOp)
        return int(binary[type(node.op)](walk(node.left), walk(node.right)))

    value = walk(ast.parse(expression, mode="eval").body)
    assert sorted(used) == [3, 5, 7, 11]
    return value
