"""Machines that test and revise, and the selection among their best, event by event."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.sample.decisions import Judge, Launch, Revise, Stop
from orchestra.sample.events import Event
from orchestra.sample.policies.monkeys import Monkeys

from .endings import BEGUN, decisions, ended, follow, judged, lost, play


def ask(trace: int) -> Judge:
    return Judge("tests", ((trace,),))


def refine(trace: int) -> Launch:
    return Launch(start=Revise((trace,), "refine"))


def select(*traces: int) -> Launch:
    return Launch(start=Revise(traces, "select"))


def attempts(*made: tuple[str | None, int, float | None]) -> Iterator[Event]:
    """One attempt each of machines 0, 1, …: its answer, its tokens, tests passed."""
    yield BEGUN
    for trace, (answer, tokens, passed) in enumerate(made):
        yield ended(trace, answer, tokens)
        if answer is not None:
            yield judged("tests", (trace, passed))


def test_each_machine_tests_and_revises_its_own_attempt() -> None:
    policy = Monkeys(n=2, steps=3, enough=5)
    follow(
        policy,
        (BEGUN, [Launch(2)]),
        (ended(1, "8"), [ask(1)]),
        (judged("tests", (1, 2.0)), [refine(1)]),  # trace 2
        (ended(0, "7"), [ask(0)]),
        (ended(2, None), [refine(2)]),  # trace 3: an attempt without an answer is not tested
        (judged("tests", (0, 5.0)), []),  # machine 0 has passed enough
        (ended(3, "9"), [ask(3)]),
        # Machine 1 is at its end, with 2 tests for "8" and 4 for "9".
        (judged("tests", (3, 4.0)), [select(0, 3)]),
        (ended(4, "9"), [Stop("9", "selected among 2, 4 tests passed", 3)]),
    )
    assert policy.most == 7


def test_finalists_go_by_tests_then_machines_then_length() -> None:
    made = [("a", 50, 3.0), ("b", 10, 4.0), ("c", 20, 3.0), ("a", 40, 3.0), ("d", 30, 3.0), ("e", 5, 1.0)]
    # "b" passes most; "a" is put up twice and spoken for by its shorter attempt; "c" is shorter than "d"; "e" passes least.
    assert decisions(Monkeys(n=6, steps=1), *attempts(*made)) == [select(1, 3, 2)]


def test_equal_answers_are_one_candidate_which_needs_no_selection() -> None:
    made = [("7", 30, 2.0), ("7", 20, 2.0)]
    assert decisions(Monkeys(n=2, steps=1), *attempts(*made)) == [Stop("7", "2 tests passed", 1)]


def test_a_machine_puts_up_its_best_attempt_and_the_latest_of_equals() -> None:
    events = [*attempts(("7", 10, 5.0)), ended(1, "8"), judged("tests", (1, 4.0)), ended(2, "9")]
    assert decisions(Monkeys(n=1, steps=3), *events, judged("tests", (2, 4.0))) == [Stop("7", "5 tests passed", 0)]
    assert decisions(Monkeys(n=1, steps=3), *events, judged("tests", (2, 5.0))) == [Stop("9", "5 tests passed", 2)]


def test_without_any_opinion_the_majority_goes_first() -> None:
    made = [("8", 5, None), ("7", 20, None), ("7", 30, None)]
    events = list(attempts(*made))
    assert decisions(Monkeys(n=3, steps=1), *events) == [select(1, 0)]
    assert decisions(Monkeys(n=3, steps=1), *events, ended(3, None)) == [
        Stop("7", "the selection chose none of 2, the first stands: no test was run", 1)
    ]


def test_a_selection_outside_the_finalists_or_lost_leaves_the_first() -> None:
    made = [("7", 10, 1.0), ("8", 10, 2.0)]
    stop = [Stop("8", "the selection chose none of 2, the first stands: 2 tests passed", 1)]
    assert decisions(Monkeys(n=2, steps=1), *attempts(*made), ended(2, "9")) == stop
    assert decisions(Monkeys(n=2, steps=1), *attempts(*made), lost(2)) == stop


def test_a_lost_attempt_uses_up_its_step() -> None:
    follow(
        Monkeys(n=1, steps=3),
        (BEGUN, [Launch(1)]),
        (lost(0), [Launch()]),
        (ended(1, "7"), [ask(1)]),
        (judged("tests", (1, None)), [refine(1)]),
        (lost(2), [Stop("7", "no test was run", 1)]),
    )


def test_machines_without_answers_have_none() -> None:
    assert decisions(Monkeys(n=2, steps=1), BEGUN, lost(0), ended(1, None)) == [Stop(None, "no machine states an answer")]


@settings(deadline=None)
@given(st.data(), st.booleans())
def test_machines_end_however_their_attempts_and_tests_do(data: st.DataObject, silent: bool) -> None:
    n, steps = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    enough = data.draw(st.sampled_from([None, 5.0]))
    outcome = play(Monkeys(n=n, steps=steps, enough=enough, finalists=data.draw(st.integers(1, 3))), data, silent=silent)
    assert silent or outcome.answer is not None or not any("answer='" in str(turn.event) for turn in outcome.turns)


@pytest.mark.parametrize("name", ["n", "steps", "finalists"])
def test_settings_that_make_no_sense_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1, got 0"):
        Monkeys(**{name: 0})
