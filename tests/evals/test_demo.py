"""The demo: every mode on the same problems, one table, one page."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestra.cli import main


def test_the_demo_runs_every_mode_and_leaves_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--engine", "scripted", "--limit", "2", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    modes = ("serial", "fork (all)", "fork (first)", "fork (first), 8 scouts")
    for mode in modes:
        assert sum(line.startswith(f"  {mode}  ") for line in out.splitlines()) == 2, mode
    assert "(verified)" in out and "correct" in out
    assert "held-out problems, see" not in out, "the player is not the model that was recorded"
    page = (tmp_path / "timeline.html").read_text()
    assert all(mode in page for mode in modes)
