"""What people see of a sample while it runs and when it is over."""

from __future__ import annotations

import io

from rich.console import Console

from orchestra.engine.virtual import run_virtual
from orchestra.sample.display import LiveSample, account_line, moment_line
from orchestra.sample.live import run_live
from orchestra.sample.outcome import Turn
from orchestra.sample.policies.adaptive import asc_events, short_m
from orchestra.sample.policy import Decider, Policy, Standing
from orchestra.sample.pool import Pool, PooledProblem, Recorded
from orchestra.sample.pool_source import PoolSource

POOL = Pool(
    "made",
    [
        PooledProblem(
            id="p",
            text="What is 3 + 4?",
            gold="7",
            traces=[
                Recorded(tokens=tokens, answer=answer, correct=answer == "7")
                for answer, tokens in (("7", 10), (None, 20), ("8", 30), ("7", 40), ("9", 50))
            ],
        )
    ],
)


def seen(policy: Policy) -> tuple[str, list[Standing]]:
    """The last view of a terminal, and the answer of the moment after each event."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    live = LiveSample(console)
    standings: list[Standing] = []

    def observe(turn: Turn, decider: Decider) -> None:
        live.observe(turn, decider)
        standings.append(decider.standing())

    source = PoolSource(POOL, POOL.problems[0], range(5))
    run_virtual(run_live(policy, source, observer=observe))
    with console.capture() as capture:
        console.print(live.frame())
    return capture.get(), standings


def test_the_view_counts_votes_and_says_what_the_answer_would_be_now() -> None:
    view, _ = seen(short_m(5, 3))
    assert "5 launched · 0 running · 4 ended" in view
    assert "no answer" in view
    assert "now 7 · posterior 0.69" in view  # two votes against one: P(Beta(3, 2) > 1/2) = 11/16


def test_an_observer_has_an_answer_at_every_moment() -> None:
    _, standings = seen(asc_events(5, threshold=0.99))
    assert [standing.answer for standing in standings] == [None, "7", "7", "7", "7", "7"]
    posteriors = [standing.posterior for standing in standings]
    assert posteriors[:3] == [None, 0.75, 0.75]  # P(Beta(2, 1) > 1/2), and a trace without an answer changes nothing


def test_an_account_is_one_line() -> None:
    outcome = run_virtual(run_live(short_m(5, 3), PoolSource(POOL, POOL.problems[0], range(5))))
    assert account_line(outcome) == "work 140 (kept 100, aborted 40) · span 40 · 40.0 s · 5 traces, 4 ended"


def test_the_moment_of_a_policy_without_votes_is_its_answer_alone() -> None:
    assert moment_line(Standing(answer="7")) == "now 7"
    assert moment_line(Standing(answer=None)) == ""
