"""What must hold of every race, for runners that do anything: exact contexts, a ledger that adds up, nothing left running, budgets kept."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.engine import Sampling
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.thread import RACE, Join, Runner, RunTree, Thread, ledger, race
from orchestra.thread.ledger import critical_path
from orchestra.trace.page import page
from orchestra.trace.record import read_records, record, write_records

from .test_properties import of_either
from .test_race import run, scout, statuses
from .toy import APR
from .toys import APR as APR_TOY
from .toys import JOINS, SEEDS, WEAVER, Toy


def runner(toy: Toy, engine: ScriptedEngine, join: Join) -> Runner:
    sampling = Sampling(max_tokens=50)
    return Runner(engine=engine, protocol=toy.protocol, prompt=toy.prompt, sampling=sampling, limits=toy.limits(), join=join)


def babbling(seed: int, join: Join) -> tuple[list[ScriptedEngine], list[Runner]]:
    """A runner of each protocol, each on an engine of its own, and two scouts beside them on the first."""
    both = (APR_TOY, WEAVER)
    engines = [ScriptedEngine(toy.babbler(seed), seconds_per_token=1.0, cache_block=4) for toy in both]
    forks = [runner(toy, engine, join) for toy, engine in zip(both, engines, strict=True)]
    return engines, [*forks, *(scout(engines[0], number) for number in (20, 21))]


@of_either
@given(seed=SEEDS, join=JOINS)
def test_a_race_of_one_is_its_run_one_generation_lower(toy: Toy, seed: int, join: Join) -> None:
    def seen(thread: Thread) -> list[tuple[str, list[int], str, str | None, float | None]]:
        lower = len(thread.id)
        return [(t.id[lower:], t.context, t.status, t.error, t.finished) for t in thread.walk()]

    _, alone = toy.run(seed, join)
    engine = ScriptedEngine(toy.babbler(seed), seconds_per_token=1.0, cache_block=4)
    tree = run([runner(toy, engine, join)])
    assert seen(tree.speaker) == seen(alone.root)
    assert ledger(tree).span == ledger(alone).span


@given(seed=SEEDS, join=JOINS)
def test_every_sampled_token_stands_in_the_account_once(seed: int, join: Join) -> None:
    engines, runners = babbling(seed, join)
    tree = run(runners)
    log = [entry for engine in engines for entry in engine.log]
    sent = Counter((tuple(request.prompt), tuple(completion.token_ids), completion.finish) for request, completion in log)
    recorded = Counter((tuple(context), tuple(completion.token_ids), completion.finish) for context, completion in tree.requests())
    assert sent == recorded
    account = ledger(tree)
    assert account.work == sum(len(completion.token_ids) for _, completion in log)
    assert account.requests == len(log)
    assert 0 <= account.wasted <= account.work - account.span


@given(seed=SEEDS, join=JOINS)
def test_span_is_the_winners_and_the_time_that_a_race_takes(seed: int, join: Join) -> None:
    _, runners = babbling(seed, join)
    tree = run(runners)
    (fork,) = tree.root.forks
    assert ledger(tree).span == ledger(tree).wall_seconds
    on_path = {thread.id for thread, _ in critical_path(tree.root)}
    if fork.winner is not None:
        assert all(id.startswith(fork.winner.id) for id in on_path)
    else:
        assert "cancelled" not in statuses(tree) and not any(map(APR.succeeded, fork.children))


@given(seed=SEEDS, join=JOINS, cap=st.integers(1, 200))
def test_all_runners_together_never_sample_more_than_the_budget(seed: int, join: Join, cap: int) -> None:
    engines, runners = babbling(seed, join)
    tree = run(runners, tree_tokens=cap)
    assert ledger(tree).work == sum(len(c.token_ids) for engine in engines for _, c in engine.log) <= cap
    assert "running" not in {thread.status for thread in tree.threads}


@given(seed=SEEDS, join=JOINS, moment=st.floats(0.1, 80))
@settings(max_examples=60)
def test_a_deadline_at_any_moment_leaves_nothing_running_and_forgets_no_token(seed: int, join: Join, moment: float) -> None:
    engines, runners = babbling(seed, join)

    async def main() -> RunTree:
        tree = await race(runners, succeeded=APR.succeeded, seconds=moment)
        assert [await engine.running() for engine in engines] == [0, 0]
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return tree

    tree = run_virtual(main())
    assert ledger(tree).work == sum(len(c.token_ids) for engine in engines for _, c in engine.log)
    assert "running" not in {thread.status for thread in tree.threads}


@given(seed=SEEDS, join=JOINS)
@settings(max_examples=20)
def test_a_race_is_recorded_read_back_and_drawn(tmp_path_factory: pytest.TempPathFactory, seed: int, join: Join) -> None:
    _, runners = babbling(seed, join)
    tree = run(runners, seconds=50.5)
    made = record(tree, decode=lambda ids: " ".join(map(str, ids)), title="race")
    path = tmp_path_factory.mktemp("trace") / "race.jsonl"
    write_records([made], path)
    assert read_records(path) == [made] and made.protocol == RACE
    assert "<html" in page([made], title="a race")
