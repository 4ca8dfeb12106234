"""One display for everything that tells what it does: in a terminal, in a notebook, and as plain lines."""

from __future__ import annotations

import io
import sys
import types
from typing import Any

import pytest
from rich.console import Console

from orchestra import trace
from orchestra.agent.agent import Agent, Settings
from orchestra.countdown import Problem, Setup, attempt, notation
from orchestra.countdown.player import answer
from orchestra.engine import Sampling
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError
from orchestra.sample.live import run_live
from orchestra.sample.policies.adaptive import adaptive
from orchestra.thread import Limits, run_tree
from orchestra.trace.showing import Display

from ..agent.mountains import JSON, PLAN, TOOLS, model
from ..sample.test_live import Lossy
from ..thread.toy import APR
from .test_timeline import ANSWERS, PROMPT, script


def threads(show: Display) -> None:
    engine = ScriptedEngine(answer, seconds_per_token=0.01)
    run_virtual(attempt(engine, Problem((3, 5, 7, 11), 24), Setup(method="fork", join="first"), observer=show))


def plan(show: Display) -> None:
    run_virtual(Agent(model([PLAN]), TOOLS, settings=Settings(planner=JSON, joiner=None)).run("How much?", observer=show))


def votes(show: Display) -> None:
    run_virtual(run_live(adaptive(n=5, m=3), Lossy("fails", "7", "7", "7", "hangs"), observer=show))


@pytest.mark.parametrize(("runs", "words"), [(threads, "0.1"), (plan, "subtract"), (votes, "7")])
@pytest.mark.parametrize("terminal", [True, False])
def test_one_observer_shows_threads_plans_and_votes(terminal: bool, runs: Any, words: str) -> None:
    out = io.StringIO()
    with trace.display(decode=notation.text, console=Console(file=out, width=100, height=30, force_terminal=terminal)) as show:
        runs(show)
    assert words in out.getvalue()
    assert ("\x1b[?25l" in out.getvalue()) == terminal, "only a terminal is drawn on"
    assert out.getvalue().rfind("\x1b[?25h") >= out.getvalue().rfind("\x1b[?25l"), "the cursor is shown again"


def test_threads_of_several_runs_keep_their_own_lanes() -> None:
    out = io.StringIO()
    with trace.display(console=Console(file=out, width=100, height=40, force_terminal=True)) as show:
        for _ in range(2):
            engine = ScriptedEngine(script(ANSWERS), seconds_per_token=1.0)
            run_virtual(
                run_tree(engine, APR, PROMPT, sampling=Sampling(max_tokens=500), limits=Limits(window=1_000), observer=show)
            )
    assert "8 threads, 0 running" in out.getvalue()


def test_a_plan_and_its_votes_are_shown_together() -> None:
    out = io.StringIO()
    with trace.display(console=Console(file=out, width=100, height=40, force_terminal=True)) as show:
        plan(show)
        votes(show)
    assert "subtract" in out.getvalue() and "5 launched" in out.getvalue()


class Cell:
    """The output of a notebook's cell, in place of IPython's."""

    def __init__(self) -> None:
        self.frames: list[str] = []

    def update(self, html: str) -> None:
        self.frames.append(html)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    made = Cell()
    module = types.ModuleType("IPython.display")
    module.HTML = str  # type: ignore[attr-defined]
    module.display = lambda html, display_id: made  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return made


@pytest.mark.parametrize(("runs", "words"), [(threads, "0.1"), (plan, "subtract"), (votes, "5 launched")])
def test_in_a_notebook_one_output_is_replaced_and_holds_everything_at_the_end(cell: Cell, runs: Any, words: str) -> None:
    with trace.display(decode=notation.text, console=Console(force_jupyter=True)) as show:
        runs(show)
    assert words in cell.frames[-1] and cell.frames[-1].startswith("<pre")


def test_what_a_model_writes_is_text_in_a_notebook(cell: Cell) -> None:
    with trace.display(decode=lambda ids: "<script>", console=Console(force_jupyter=True)) as show:
        threads(show)
    assert "&lt;script" in cell.frames[-1] and "<script" not in cell.frames[-1]


def test_what_is_no_event_is_refused() -> None:
    with pytest.raises(ConfigError, match="got 'hello'"), trace.display(console=Console(file=io.StringIO())) as show:
        show("hello")
