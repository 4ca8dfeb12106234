"""The benchmark's program."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from orchestra.evals.benchmarks.agents.modes import MODES


def test_the_program_writes_numbers_and_a_table_and_says_that_time_was_scaled(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "agents.json"
    program = [sys.executable, "-m", "orchestra.evals.benchmarks.agents.run", "--data", str(data), "--out", str(out)]
    done = subprocess.run([*program, "--questions", "1", "--time-scale", "0.002"], check=True, capture_output=True, text=True)
    result = json.loads(out.read_text())
    assert result["time_scale"] == 0.002 and result["left_out"]["movie"] == {"usable": 3}
    for setting in result["settings"].values():
        for modes in setting["summary"].values():
            assert {mode: (found["right"], found["failed"]) for mode, found in modes.items()} == dict.fromkeys(MODES, (1, 0))
    assert "Waits were multiplied by 0.002" in done.stdout
    assert "| paper, movie; gpt-3.5-turbo-1106 | 20.47 s |" in done.stdout


def test_the_program_says_what_is_missing(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "orchestra.evals.benchmarks.agents.run", "--data", str(tmp_path), "--out", "unused.json"]
    done = subprocess.run(program, check=False, capture_output=True, text=True)
    assert done.returncode == 1 and "`--data` is the folder `datasets` of LLMCompiler's repository" in done.stderr
