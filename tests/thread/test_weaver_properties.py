"""The design's invariants with children that see their parent's context, for models that do anything."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.engine import Sampling
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.thread import Join, Limits, RunTree, ledger, run_tree
from orchestra.thread.tree import Thread

from .weaver_toy import CANCELLED, CUT, END, PARALLEL_END, PROMPT, REFUSED, THREAD_END, WEAVER, babbler, header

SEEDS = st.integers(0, 10**6)
JOINS = st.sampled_from(["all", "first"])


def run(seed: int, join: Join, *, tree_tokens: int | None = None) -> tuple[ScriptedEngine, RunTree]:
    engine = ScriptedEngine(babbler(seed), seconds_per_token=1.0, cache_block=4)
    limits = Limits(window=150, max_depth=2, max_children=3, max_forks=3, tree_tokens=tree_tokens)
    tree = run_virtual(run_tree(engine, WEAVER, [PROMPT, 20, 21], sampling=Sampling(max_tokens=50), limits=limits, join=join))
    return engine, tree


@given(SEEDS, JOINS)
def test_every_sampled_token_is_recorded_once_under_the_context_that_the_engine_saw(seed: int, join: Join) -> None:
    engine, tree = run(seed, join)
    sent = Counter((tuple(request.prompt), tuple(completion.token_ids), completion.finish) for request, completion in engine.log)
    recorded = Counter((tuple(context), tuple(completion.token_ids), completion.finish) for context, completion in tree.requests())
    assert sent == recorded


@given(SEEDS, JOINS)
def test_the_ledger_adds_up_and_span_is_the_time_that_a_run_takes(seed: int, join: Join) -> None:
    engine, tree = run(seed, join)
    account = ledger(tree)
    assert account.work == sum(len(completion.token_ids) for _, completion in engine.log)
    assert account.requests == len(engine.log)
    assert account.cached is not None and account.prefilled is not None
    assert account.cached + account.prefilled == sum(len(request.prompt) for request, _ in engine.log)
    assert account.wall_seconds == account.span <= account.work


def grow_only(thread: Thread) -> bool:
    """Whether each request begins with the one before it and all that it sampled."""
    seen: list[int] = []
    for context, completion in thread.requests():
        if context[: len(seen)] != seen:
            return False
        seen = context + completion.token_ids
    return True


@given(SEEDS, JOINS)
def test_contexts_only_grow_and_a_child_begins_with_what_its_parent_had_seen(seed: int, join: Join) -> None:
    _, tree = run(seed, join)
    threads = {thread.id: thread for thread in tree.threads}
    for thread in threads.values():
        assert grow_only(thread)
        for fork in thread.forks:
            for number, child in enumerate(fork.children, start=1):
                inherited = list(child.prompt[: -len(header(number))])
                assert tuple(child.prompt[len(inherited) :]) == header(number)
                assert thread.context[: len(inherited)] == inherited, "siblings share one prefix, and the join keeps it"


@given(SEEDS, JOINS)
def test_after_a_join_the_parent_holds_each_thread_once_in_order_with_its_end(seed: int, join: Join) -> None:
    _, tree = run(seed, join)
    marks = {"finished": (), "cut": (CUT,), "refused": (REFUSED,), "cancelled": (CANCELLED,)}
    for thread in tree.threads:
        forks = [fork for fork in thread.forks if fork.finished is not None and fork.children]
        for fork in forks:
            block: list[int] = []
            for number, child in enumerate(fork.children, start=1):
                words = child.context[len(child.prompt) :] if child.status in ("finished", "cut") else []
                if child.status == "finished" and words and words[-1] in (THREAD_END, END):
                    words = words[:-1]
                block += [*header(number), *words, *marks[child.status], THREAD_END]
            begin = len(fork.children[0].prompt) - len(header(1))
            assert thread.context[begin : begin + len(block) + 1] == [*block, PARALLEL_END]


@given(SEEDS, JOINS, st.floats(0.1, 80))
@settings(max_examples=60)
def test_cancelling_at_any_moment_leaves_no_task_no_request_and_forgets_no_token(seed: int, join: Join, moment: float) -> None:
    engine = ScriptedEngine(babbler(seed), seconds_per_token=1.0)
    limits = Limits(window=150, max_depth=2, max_children=3, max_forks=3, seconds=moment)

    async def main() -> RunTree:
        tree = await run_tree(engine, WEAVER, [PROMPT, 20], sampling=Sampling(max_tokens=50), limits=limits, join=join)
        assert await engine.running() == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return tree

    tree = run_virtual(main())
    assert ledger(tree).work == sum(len(completion.token_ids) for _, completion in engine.log)
    assert all(thread.status != "running" for thread in tree.threads)


@given(SEEDS, JOINS, st.integers(1, 120))
def test_a_tree_never_samples_more_than_its_budget(seed: int, join: Join, cap: int) -> None:
    _, tree = run(seed, join, tree_tokens=cap)
    assert ledger(tree).work <= cap


@given(st.lists(st.integers(0, 60), max_size=30))
def test_no_sequence_of_tokens_can_break_the_reader_of_outlines(token_ids: list[int]) -> None:
    found = WEAVER.outlines(token_ids)
    assert found is None or all(found)
