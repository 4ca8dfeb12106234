"""The design's invariants of either protocol, for models that do anything: exact contexts, a ledger that adds up, nothing left running, budgets kept."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.thread import Join, RunTree, Thread, ledger
from orchestra.thread.budget import TokenBudget
from orchestra.thread.ledger import critical_path

from .toys import APR, JOINS, SEEDS, WEAVER, Toy

of_either = pytest.mark.parametrize("toy", [APR, WEAVER], ids=["apr", "weaver"])


@of_either
@given(seed=SEEDS, join=JOINS)
def test_every_sampled_token_is_recorded_once_under_the_context_that_the_engine_saw(toy: Toy, seed: int, join: Join) -> None:
    engine, tree = toy.run(seed, join)
    sent = Counter((tuple(request.prompt), tuple(completion.token_ids), completion.finish) for request, completion in engine.log)
    recorded = Counter((tuple(context), tuple(completion.token_ids), completion.finish) for context, completion in tree.requests())
    assert sent == recorded
    assert all(completion.logprobs is not None for _, completion in tree.requests())


@of_either
@given(seed=SEEDS, join=JOINS)
def test_the_ledger_adds_up_to_what_the_engine_reports(toy: Toy, seed: int, join: Join) -> None:
    engine, tree = toy.run(seed, join)
    account = ledger(tree)
    assert account.work == sum(len(completion.token_ids) for _, completion in engine.log)
    assert account.requests == len(engine.log)
    assert account.cached == sum(completion.cached_tokens or 0 for _, completion in engine.log)
    assert account.prefilled is not None and account.cached is not None
    assert account.cached + account.prefilled == sum(len(request.prompt) for request, _ in engine.log)
    assert 0 <= account.wasted <= account.work
    assert account.span <= account.work


@of_either
@given(seed=SEEDS, join=JOINS)
def test_span_is_the_time_that_a_run_takes_at_one_second_a_token(toy: Toy, seed: int, join: Join) -> None:
    _, tree = toy.run(seed, join)
    account = ledger(tree)
    assert account.wall_seconds == account.span
    assert sum(len(segment.token_ids) for _, segment in critical_path(tree.root)) == account.span


@of_either
@given(seed=SEEDS, join=JOINS)
def test_every_thread_of_a_finished_run_has_ended_inside_it(toy: Toy, seed: int, join: Join) -> None:
    _, tree = toy.run(seed, join)
    assert tree.finished is not None
    for thread in tree.threads:
        assert thread.status != "running"
        assert thread.finished is not None and tree.started <= thread.finished <= tree.finished


@of_either
@given(seed=SEEDS, join=JOINS, moment=st.floats(0.1, 80))
@settings(max_examples=60)
def test_cancelling_at_any_moment_leaves_no_task_no_request_and_forgets_no_token(
    toy: Toy, seed: int, join: Join, moment: float
) -> None:
    engine = ScriptedEngine(toy.babbler(seed), seconds_per_token=1.0)

    async def main() -> RunTree:
        tree = await toy.tree(engine, join, toy.limits(seconds=moment))
        assert await engine.running() == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return tree

    tree = run_virtual(main())
    assert ledger(tree).work == sum(len(completion.token_ids) for _, completion in engine.log)
    assert all(thread.status != "running" for thread in tree.threads)


@of_either
@given(seed=SEEDS, join=JOINS, cap=st.integers(1, 120))
def test_a_tree_never_samples_more_than_its_budget(toy: Toy, seed: int, join: Join, cap: int) -> None:
    _, tree = toy.run(seed, join, tree_tokens=cap)
    assert ledger(tree).work <= cap


@given(st.integers(1, 100), st.lists(st.tuples(st.integers(1, 50), st.floats(0, 1)), max_size=30))
def test_parallel_reservations_never_exceed_the_cap_and_what_is_not_used_is_the_next_ones(
    cap: int, wishes: list[tuple[int, float]]
) -> None:
    budget = TokenBudget(cap)
    held = used_by_all = 0

    async def one(wanted: int, share: float) -> None:
        nonlocal held, used_by_all
        granted = await budget.reserve(wanted)
        assert granted <= wanted
        held += granted
        assert budget.spent + held <= cap
        await asyncio.sleep(share)
        used = round(granted * share)
        held, used_by_all = held - granted, used_by_all + used
        budget.settle(granted, used)
        assert granted or budget.spent == cap, "nobody goes without while there is something left"

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for wish in wishes:
                group.create_task(one(*wish))

    run_virtual(main())
    assert budget.spent == used_by_all <= cap


def test_a_thread_replays_its_contexts_after_a_rewrite() -> None:
    thread = Thread("0")
    thread.inject([1, 2, 3])
    thread.inject([9], keep=2)
    assert thread.context == [1, 2, 9]
    assert thread.prompt == (1, 2, 3)
