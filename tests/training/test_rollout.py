"""Run trees of models that do anything become rollouts that hold every sampled token once, under the context that the engine saw."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import product
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra.training.rollout import (
    Rollout,
    from_line,
    read_rollouts,
    rollout_of,
    rollout_of_attempt,
    scorable,
    to_line,
    write_rollouts,
)
from wild_countdown import PROBLEM, SEEDS, SETUPS, run

from orchestra.countdown import notation, player
from orchestra.countdown.attempt import Attempt, Setup, attempt
from orchestra.engine import Completion, Sampling, Timings
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError
from orchestra.thread import Join, Limits, RunTree, Thread, run_tree
from orchestra.thread.protocols import Serial

JOINS: tuple[Join, ...] = get_args(Join)


def rollout(attempt: Attempt) -> Rollout:
    return rollout_of_attempt(attempt, group="g")


def scripted(*blocks: tuple[int, ...]) -> Rollout:
    """The rollout of a tree whose requests, in the order in which they start, sample `blocks`."""
    rest = iter(blocks)
    engine = ScriptedEngine(lambda prompt: next(rest), seconds_per_token=1.0)
    return rollout(run_virtual(attempt(engine, PROBLEM, Setup(logprobs=True))))


def test_the_models_of_these_tests_reach_every_end_that_a_thread_can_have() -> None:
    trees = [
        run(seed, Setup(join=join, beam=6, window=90, logprobs=True), outages=True)[1].tree
        for seed, join in product(range(12), JOINS)
    ]
    ends = Counter(thread.status for tree in trees for thread in tree.threads)
    assert set(ends) == {"finished", "cut", "cancelled", "refused", "failed"}


@given(SEEDS, SETUPS, st.booleans())
def test_units_are_what_the_engine_was_sent_and_what_it_sampled(seed: int, setup: Setup, outages: bool) -> None:
    engine, done = run(seed, setup, outages=outages)
    sent = Counter((tuple(r.prompt), tuple(c.token_ids), tuple(c.logprobs or ())) for r, c in engine.log if c.token_ids)
    assert Counter((unit.prompt, unit.sampled, unit.logprobs) for unit in rollout(done).units) == sent


@given(SEEDS, SETUPS, st.booleans())
def test_units_hold_the_work_of_the_tree_and_nothing_else(seed: int, setup: Setup, outages: bool) -> None:
    _, done = run(seed, setup, outages=outages)
    made = rollout(done)
    assert made.num_sampled == done.ledger.work == made.facts.work
    for thread in done.tree.threads:
        assert [t for unit in made.units if unit.thread == thread.id for t in unit.sampled] == thread.sampled_ids


@given(SEEDS, SETUPS, st.booleans())
def test_an_errored_rollout_is_dropped_whatever_it_answered(seed: int, setup: Setup, outages: bool) -> None:
    _, done = run(seed, setup, outages=outages)
    made = rollout(done)
    assert (made.error is None) == (done.tree.error is None)
    assert scorable([made]) == ([] if done.tree.error else [made])


@given(SEEDS, SETUPS)
def test_the_concurrency_profile_accounts_for_all_work_and_for_the_span(seed: int, setup: Setup) -> None:
    _, done = run(seed, setup)
    facts = rollout(done).facts
    assert sum(active * steps for active, steps in enumerate(facts.concurrency, start=1)) == facts.work
    if setup.join == "all":
        assert sum(facts.concurrency) == facts.span
    assert 0 <= facts.redundancy < 1
    assert 0 <= facts.acceleration < 1 <= facts.parallelism or facts.work == 0


@given(SEEDS, SETUPS, st.booleans())
def test_a_rollout_survives_its_line(seed: int, setup: Setup, outages: bool) -> None:
    _, done = run(seed, setup, outages=outages)
    made = rollout(done)
    assert from_line(to_line(made)) == made


def test_a_perfect_fork_has_no_fault_and_its_facts_are_those_of_the_tree() -> None:
    engine = ScriptedEngine(player.answer, seconds_per_token=1.0)
    done = run_virtual(attempt(engine, PROBLEM, Setup(beam=12, logprobs=True)))
    facts = rollout(done).facts
    assert facts.correct and facts.answer == done.answer and facts.flaw is None
    assert (facts.forks, facts.children, facts.depth, facts.ended) == (1, 12, 1, "finished")
    assert (facts.malformed, facts.refused, facts.cut, facts.cancelled) == (0, 0, 0, 0)
    assert facts.in_children == sum(len(t.sampled_ids) for t in done.tree.threads if t.depth)
    assert len(facts.concurrency) == 12
    assert facts.explored == done.explored


def test_children_that_a_first_join_cancels_are_trained_on_what_they_sampled() -> None:
    engine = ScriptedEngine(player.answer, seconds_per_token=1.0)
    done = run_virtual(attempt(engine, PROBLEM, Setup(beam=8, join="first", logprobs=True)))
    made = rollout(done)
    cancelled = [thread.id for thread in done.tree.threads if thread.status == "cancelled" and thread.sampled_ids]
    assert cancelled and set(cancelled) <= {unit.thread for unit in made.units}
    assert made.facts.cancelled and made.facts.wasted == done.ledger.wasted
    assert made.error is None


def test_the_same_call_twice_is_redundant_and_makes_equal_units() -> None:
    call, search = (
        (notation.CALL, *notation.numbers((3,)), notation.ID["+"], *notation.numbers((5,))),
        (30, 31, 32, 33, 34, notation.NONE, notation.END),
    )
    made = scripted((*call, *call, notation.WAIT), search, search, (notation.NONE, notation.END))
    first, second = (unit for unit in made.units if unit.thread != "0")
    assert (first.prompt, first.sampled) == (second.prompt, second.sampled)
    assert made.facts.redundancy == 0.5


@pytest.mark.parametrize(
    ("said", "faults"),
    [
        ((notation.WAIT,), 1),
        ((notation.CALL, notation.WAIT), 1),
        ((notation.CALL, *notation.numbers((3,)), notation.ID["+"], *notation.numbers((8,)), notation.WAIT), 1),
        ((notation.CALL, *notation.numbers((3,)), notation.ID["-"], *notation.numbers((5,)), notation.WAIT), 1),
        ((notation.CALL, *notation.numbers((3,)), notation.ID["+"], *notation.numbers((3,)), notation.WAIT), 1),
        ((notation.CALL, *notation.numbers((5,)), notation.ID["-"], *notation.numbers((3,)), notation.WAIT), 0),
    ],
    ids=["no call", "empty call", "no such number", "negative result", "one number twice", "legal"],
)
def test_calls_that_the_rules_do_not_allow_are_malformed(said: tuple[int, ...], faults: int) -> None:
    none = (notation.NONE, notation.END)
    assert scripted(said, none, none).facts.malformed == faults


def test_an_end_without_an_outcome_is_malformed() -> None:
    assert scripted((notation.END,)).facts.malformed == 1


def test_a_run_that_its_caller_stops_says_nothing_about_the_policy() -> None:
    engine = ScriptedEngine(player.answer, seconds_per_token=1.0)
    trees: list[RunTree] = []

    async def main() -> None:
        run = run_tree(engine, Serial(), [1, 2], sampling=Sampling(max_tokens=9), limits=Limits(window=50), on_start=trees.append)
        task = asyncio.ensure_future(run)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    run_virtual(main())
    made = rollout_of(trees[0], problem="p", group="g", answer=None)
    assert made.error is not None and scorable([made]) == []


def test_a_tree_without_log_probabilities_is_refused_with_the_switch_to_set() -> None:
    root = Thread("0")
    root.inject([1])
    root.record(Completion(token_ids=[2], logprobs=None, finish="stop", timings=Timings(submitted=0, finished=1)), granted=1)
    root.end("finished", at=1)
    with pytest.raises(ConfigError, match="logprobs=True"):
        rollout_of(RunTree(session="s", protocol="serial", join="all", root=root, started=0), problem="p", group="g", answer=None)


def test_a_damaged_line_in_the_middle_is_named_with_its_number(tmp_path: Path) -> None:
    file = tmp_path / "rollouts.jsonl"
    write_rollouts(file, [rollout(run(0, Setup(logprobs=True))[1])])
    file.write_text(file.read_text() + "{}\n")
    with pytest.raises(ConfigError, match="line 2: not a rollout"):
        list(read_rollouts(file))


def test_a_file_is_read_up_to_the_line_that_a_killed_writer_left(tmp_path: Path) -> None:
    made = [rollout(run(seed, Setup(logprobs=True))[1]) for seed in range(3)]
    file = tmp_path / "rollouts.jsonl"
    write_rollouts(file, made[:2])
    write_rollouts(file, made[2:])
    assert list(read_rollouts(file)) == made
    file.write_text(file.read_text()[:-5])
    assert list(read_rollouts(file)) == made[:2]
    write_rollouts(file, made[:1])
    assert list(read_rollouts(file)) == [*made[:2], made[0]]


@pytest.mark.parametrize("line", ["{}\n", "[]\n", "no json\n", '{"facts": {}, "units": []}\n'])
def test_a_line_that_is_no_rollout_is_named(line: str) -> None:
    with pytest.raises(ConfigError, match="not a rollout"):
        from_line(line)
