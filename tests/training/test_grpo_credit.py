"""Thread-level credit: a child is paid for what it found itself, compared with the threads that began with the same prompt."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra.training.advantage import Baseline, advantages
from orchestra.training.async_grpo.rows import figures_of, rows_of
from orchestra.training.children import Outcome
from orchestra.training.grpo.credit import thread_advantages
from orchestra.training.grpo.lesson import Lesson, make_lesson
from orchestra.training.rewards import read_reward
from orchestra.training.rollout import Facts, Rollout, Unit, from_line, rollout_of_attempt, to_line
from wild_countdown import PROBLEM, SEEDS, SETUPS, run

from orchestra.countdown import notation
from orchestra.countdown.attempt import Setup, attempt
from orchestra.countdown.rules import Operation
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError

BASELINES: tuple[Baseline, ...] = get_args(Baseline)


def child(prompt: int, status: str = "finished", succeeded: bool = False, sampled: int = 2) -> tuple[int, str, bool, int]:
    return prompt, status, succeeded and status == "finished", sampled


CHILDREN = st.lists(
    st.builds(child, st.integers(0, 3), st.sampled_from(["finished", "cut", "cancelled"]), st.booleans(), st.integers(1, 9)),
    max_size=6,
)
PLAYED = st.tuples(st.sampled_from("ab"), st.booleans(), CHILDREN)


def rollout(group: str, correct: bool, children: list[tuple[int, str, bool, int]]) -> Rollout:
    """A root that samples twice, and children that begin with the prompt that their first number says."""
    units, outcomes = [Unit((1, 2), (3, 4), (-0.5, -0.5), "0")], []
    for place, (prompt, status, succeeded, sampled) in enumerate(children):
        units.append(Unit((9, prompt), (5,) * sampled, (-1.0,) * sampled, f"0.{place}"))
        outcomes.append(Outcome(f"0.{place}", status, succeeded))  # type: ignore[arg-type]
    units.append(Unit((1, 2, 3, 4, 6), (7,), (-0.5,), "0"))
    facts = Facts(correct=correct, answer="1+2" if correct else None, ended="finished", work=9, span=9)
    return Rollout("p", group, tuple(units), facts, None, tuple(outcomes))


def rollouts_of(played: list[tuple[str, bool, list[tuple[int, str, bool, int]]]]) -> list[Rollout]:
    return [rollout(*one) for one in played]


def lesson_of(rollouts: list[Rollout], **options: object) -> Lesson:
    return make_lesson(rollouts, read_reward("correct"), step=1, **{"baseline": "centred", **options})  # type: ignore[arg-type]


def by_peers(
    rollouts: list[Rollout], of: tuple[dict[str, float], ...]
) -> dict[tuple[str, tuple[int, ...]], list[tuple[bool, float]]]:
    """(succeeded, advantage) of whole children that began alike."""
    found: defaultdict[tuple[str, tuple[int, ...]], list[tuple[bool, float]]] = defaultdict(list)
    for one, own in zip(rollouts, of, strict=True):
        prompts = {unit.thread: unit.prompt for unit in one.units}
        for outcome in one.children:
            if outcome.whole:
                found[one.group, prompts[outcome.thread]].append((outcome.succeeded, own[outcome.thread]))
    return found


@given(st.lists(PLAYED, max_size=8), st.sampled_from(BASELINES), st.floats(0, 0.1))
def test_advantages_of_peers_add_up_to_zero(played: list[tuple[str, bool, list]], baseline: Baseline, price: float) -> None:
    rollouts = rollouts_of(played)
    found = thread_advantages(rollouts, baseline, price=price)
    for peers in by_peers(rollouts, found.of).values():
        assert sum(value for _, value in peers) == pytest.approx(0, abs=1e-9)
        assert len(peers) > 1 or peers[0][1] == 0


@given(st.lists(PLAYED, max_size=8), st.sampled_from(BASELINES))
def test_without_a_price_who_succeeded_gains_where_a_peer_failed(played: list[tuple[str, bool, list]], baseline: Baseline) -> None:
    rollouts = rollouts_of(played)
    for peers in by_peers(rollouts, thread_advantages(rollouts, baseline).of).values():
        for succeeded, value in peers:
            others = {other for other, _ in peers}
            assert (value > 0) == (succeeded and others == {True, False})
            assert (value < 0) == (not succeeded and others == {True, False})


@given(st.lists(PLAYED, max_size=8), st.floats(0, 0.1))
def test_cancelled_children_weigh_nothing_and_are_nobody_s_peers(played: list[tuple[str, bool, list]], price: float) -> None:
    rollouts = rollouts_of(played)
    without = rollouts_of([(group, right, [one for one in made if one[1] != "cancelled"]) for group, right, made in played])
    found, kept = (thread_advantages(some, "centred", price=price) for some in (rollouts, without))
    assert [list(own.values()) for own in found.of] == [list(own.values()) for own in kept.of]
    for index, one in enumerate(rollouts):
        cancelled = {outcome.thread for outcome in one.children if not outcome.whole}
        weights = found.weights(index, one, 1.0)
        assert all(weight == 0 for unit, weight in zip(one.units, weights, strict=True) if unit.thread in cancelled)


@given(st.lists(PLAYED, max_size=8), st.sampled_from(BASELINES), st.booleans())
def test_the_root_is_paid_for_the_rollout_and_children_do_not_change_that(
    played: list[tuple[str, bool, list]], baseline: Baseline, price: bool
) -> None:
    rollouts = rollouts_of(played)
    found = thread_advantages(rollouts, baseline, price=0.01 * price)
    for index, one in enumerate(rollouts):
        weights = found.weights(index, one, 0.25)
        assert [weight for unit, weight in zip(one.units, weights, strict=True) if unit.thread == "0"] == [0.25, 0.25]


@given(st.lists(PLAYED, min_size=1, max_size=8), st.sampled_from(BASELINES))
def test_credit_by_rollout_gives_every_token_its_rollout_s_advantage(
    played: list[tuple[str, bool, list]], baseline: Baseline
) -> None:
    rollouts = rollouts_of(played)
    wanted = advantages([float(right) for _, right, _ in played], [group for group, _, _ in played], baseline).values
    of = {id(one): value for one, value in zip(rollouts, wanted, strict=True)}
    loud = {one.group for one in rollouts if of[id(one)]}
    held = [
        (id(one), values)
        for minibatch in lesson_of(rollouts, baseline=baseline).minibatches
        for one, values in zip(minibatch.rollouts, minibatch.values, strict=True)
    ]
    assert {place for place, _ in held} == {id(one) for one in rollouts if one.group in loud}
    for one in rollouts:
        assert all(values == (of[id(one)],) * len(one.units) for place, values in held if place == id(one))


@given(st.lists(PLAYED, min_size=1, max_size=8))
def test_what_weighs_nothing_costs_no_forward_pass_and_is_counted(played: list[tuple[str, bool, list]]) -> None:
    rollouts = rollouts_of(played)
    lesson = lesson_of(rollouts, credit="thread")
    assert all(all(minibatch.weights) for minibatch in lesson.minibatches)
    assert lesson.threads is not None
    values = [value for own in lesson.threads.of for value in own.values()]
    trained = [unit for minibatch in lesson.minibatches for unit in minibatch.units if unit.thread != "0"]
    assert (lesson.threads.compared, lesson.threads.silent) == (len(values), len(values) - len(trained))
    assert lesson.shares.get("silent_threads", (0, 0)) == (lesson.threads.silent, lesson.threads.compared)


def test_by_hand() -> None:
    searched_well = rollout("g", False, [child(0, succeeded=True), child(1)])
    searched_badly = rollout("g", True, [child(0), child(1), child(2, succeeded=True)])
    cut = rollout("g", True, [child(0, "cut"), child(1, "cancelled"), child(0, succeeded=True, sampled=9)])
    lesson = lesson_of([searched_well, searched_badly, cut], credit="thread")
    (minibatch,) = lesson.minibatches
    assert [[unit.thread for unit in one.units] for one in minibatch.rollouts] == [
        ["0", "0.0", "0"],
        ["0", "0.0", "0"],
        ["0", "0.0", "0.2", "0"],
    ]
    assert [values[1:-1] for values in minibatch.values] == [(0.5,), (-0.5,), (-0.5, 0.5)]
    assert [values[0] for values in minibatch.values] == pytest.approx([-2 / 3, 1 / 3, 1 / 3])
    assert lesson.shares == {
        "silent_share": (0, 1),
        "child_success": (3, 7),
        "child_cut": (1, 7),
        "silent_threads": (3, 7),
    }


def test_children_teach_where_all_rollouts_succeeded() -> None:
    rollouts = [rollout("g", True, [child(0, succeeded=found), child(1, succeeded=True)]) for found in (True, False)]
    assert lesson_of(rollouts).minibatches == ()
    (minibatch,) = lesson_of(rollouts, credit="thread").minibatches
    assert minibatch.weights == [0.5, -0.5] and [unit.thread for unit in minibatch.units] == ["0.0", "0.0"]


def test_rows_of_the_asynchronous_trainer_carry_their_threads_advantages() -> None:
    rollouts = [rollout("g", True, [child(0, succeeded=found), child(1)]) for found in (True, False)]
    lesson = lesson_of(rollouts, credit="thread")
    rows = rows_of(lesson, version=1, group_ids={}, now=0.0)
    assert [(row.advantage, row.completion[0]["content"].split(":")[0]) for row in rows] == [
        (0.5, "thread 0.0"),
        (-0.5, "thread 0.0"),
    ]
    figures = figures_of(rollouts, lesson)
    assert (figures["child_success"], figures["silent_threads"], figures["silent_share"]) == ((1.0, 4.0), (2.0, 4.0), (1.0, 1.0))


def test_threads_of_other_problems_and_other_calls_are_no_peers() -> None:
    rollouts = [rollout("a", True, [child(0, succeeded=True), child(1)]), rollout("b", True, [child(0)])]
    found = thread_advantages(rollouts, "centred")
    assert (found.compared, found.silent) == (3, 3)


def test_a_price_tells_equal_outcomes_apart_by_their_tokens() -> None:
    rollouts = [rollout("g", True, [child(0, succeeded=True, sampled=sampled)]) for sampled in (2, 8)]
    first, second = (own["0.0"] for own in thread_advantages(rollouts, "centred", price=0.01).of)
    assert first == pytest.approx(0.03) and second == pytest.approx(-0.03)


def test_each_rollout_can_weigh_the_same_by_what_is_trained_of_it() -> None:
    rollouts = [rollout("g", right, [child(0, succeeded=right, sampled=number)]) for right, number in ((True, 9), (False, 1))]
    (minibatch,) = lesson_of(rollouts, credit="thread", normalise="rollout").minibatches
    totals = [
        sum(len(unit.sampled) * abs(value) for unit, value in zip(one.units, values, strict=True))
        for one, values in zip(minibatch.rollouts, minibatch.values, strict=True)
    ]
    assert totals[0] == pytest.approx(totals[1])


def test_children_that_nobody_judged_are_refused_with_what_to_do() -> None:
    made = dataclasses.replace(rollout("g", True, [child(0)]), children=())
    with pytest.raises(ConfigError, match=r"thread 0\.0 of 'p'.*succeeded=.*--credit rollout"):
        lesson_of([made], credit="thread")


@given(SEEDS, SETUPS)
def test_every_executed_child_has_an_outcome_and_survives_its_line(seed: int, setup: Setup) -> None:
    _, done = run(seed, setup)
    made = rollout_of_attempt(done, group="g")
    executed = [thread for thread in done.tree.threads if thread.depth and thread.started is not None]
    assert [(one.thread, one.status) for one in made.children] == [(thread.id, thread.status) for thread in executed]
    assert {unit.thread for unit in made.units} - {"0"} <= {one.thread for one in made.children}
    assert from_line(to_line(made)) == made


def test_lines_from_before_children_were_judged_are_read() -> None:
    made = rollout("g", True, [child(0)])
    record = json.loads(to_line(made))
    del record["children"]
    assert from_line(json.dumps(record)) == dataclasses.replace(made, children=())


CALL = (notation.CALL, *notation.numbers((3,)), notation.ID["*"], *notation.numbers((5,)), notation.WAIT)
FALSE = (*notation.goal([Operation(3, "*", 5, 15), Operation(11, "-", 7, 4), Operation(15, "+", 4, 19)]), notation.END)
TRUE = (*notation.goal([Operation(7, "-", 5, 2), Operation(11, "-", 3, 8), Operation(2, "*", 8, 16)]), notation.END)
NONE = (notation.NONE, notation.END)


def played(*blocks: tuple[int, ...], target: int = 24) -> Rollout:
    """Requests, in the order in which they start, sample `blocks`."""
    rest = iter(blocks)
    engine = ScriptedEngine(lambda prompt: next(rest), seconds_per_token=1.0)
    problem = dataclasses.replace(PROBLEM, target=target)
    return rollout_of_attempt(run_virtual(attempt(engine, problem, Setup(logprobs=True, window=60))), group="g")


@pytest.mark.parametrize(
    ("said", "target", "status", "succeeded"),
    [
        (TRUE, 16, "finished", True),
        (TRUE, 24, "finished", False),
        (FALSE, 24, "finished", False),
        (NONE, 16, "finished", False),
        (TRUE[:-1] + (notation.ID["1"],) * 90, 16, "cut", False),
    ],
    ids=["verified", "another target", "a false claim", "nothing found", "found and cut"],
)
def test_a_child_succeeds_by_what_is_verified_whatever_its_parent_makes_of_it(
    said: tuple[int, ...], target: int, status: str, succeeded: bool
) -> None:
    for parent in (NONE, TRUE):
        made = played(CALL, said, parent, target=target)
        assert made.children == (Outcome("0.0", status, succeeded),)  # type: ignore[arg-type]
        assert made.facts.correct is (parent is TRUE and target == 16)


@pytest.mark.parametrize("told", [True, False])
def test_a_child_that_forks_is_judged_by_its_own_words_too(told: bool) -> None:
    made = played(CALL, CALL, TRUE, TRUE if told else NONE, NONE, target=16)
    assert made.children == (Outcome("0.0", "finished", told), Outcome("0.0.0", "finished", True))
    other = played(CALL, CALL, NONE, NONE, NONE, target=16)
    found = thread_advantages([made, other], "centred")
    assert [own["0.0.0"] for own in found.of] == [0.5, -0.5]
    assert [own["0.0"] for own in found.of] == ([0.5, -0.5] if told else [0.0, 0.0])
