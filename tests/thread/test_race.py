"""Races on scripted engines in virtual time: one second is one token. A forking runner takes 210 of them, each scout what its script says."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console

from orchestra.engine import Request, Sampling
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import EngineError
from orchestra.thread import RACE, Event, Limits, Runner, RunTree, Thread, ledger, race, run_tree
from orchestra.thread.protocols import Serial
from orchestra.trace.live import LiveThreads

from .test_loop import CALLS, CHILDREN, PROMPT, with_results
from .toy import APR, CALL, CANCELLED, END, GOAL, NONE, REFUSED, RESULTS, RESULTS_END, WAIT, script

SERIAL = Serial(end=(END,))
SCOUT = 13
FORKED = {PROMPT: CALLS, **CHILDREN, with_results(NONE, GOAL, 41, CANCELLED): [GOAL, 41, END]}
"""7 tokens to call, the second of three children succeeds after 200, 3 to say it."""


def finds(seconds: int) -> list[int]:
    return [*[30] * (seconds - 3), GOAL, 41, END]


def gives_up(seconds: int) -> list[int]:
    return [*[31] * (seconds - 2), NONE, END]


def scripted(*scouts: Sequence[int], **options: Any) -> ScriptedEngine:
    """Plays the forking runner, and scouts that say these words."""
    words = {(SCOUT, number): said for number, said in enumerate(scouts)}
    return ScriptedEngine(script({**FORKED, **words}), seconds_per_token=1.0, **options)


def forking(engine: ScriptedEngine, **limits: int) -> Runner:
    sampling = Sampling(max_tokens=1_000)
    return Runner(
        engine=engine, protocol=APR, prompt=PROMPT, sampling=sampling, limits=Limits(window=1_000, **limits), join="first"
    )


def scout(engine: ScriptedEngine, number: int, *, seed: int | None = None) -> Runner:
    sampling = Sampling(max_tokens=1_000, seed=seed)
    return Runner(engine=engine, protocol=SERIAL, prompt=(SCOUT, number), sampling=sampling, limits=Limits(window=1_000))


def field(engine: ScriptedEngine, scouts: int) -> list[Runner]:
    return [forking(engine), *(scout(engine, number) for number in range(scouts))]


def run(runners: Sequence[Runner], **options: Any) -> RunTree:
    return run_virtual(race(runners, succeeded=APR.succeeded, **options))


def statuses(tree: RunTree) -> list[str]:
    """Of the runners."""
    (fork,) = tree.root.forks
    return [child.status for child in fork.children]


def test_the_fastest_success_ends_the_others_and_what_those_had_sampled_is_wasted() -> None:
    tree = run(field(scripted(finds(300), finds(100)), 2))
    account = ledger(tree)
    assert tree.winner is tree.speaker and tree.speaker.id == "0.2" and tree.speaker.last_words[-3:] == [GOAL, 41, END]
    assert statuses(tree) == ["cancelled", "cancelled", "finished"]
    assert account.wall_seconds == account.span == 100
    assert account.wasted == (7 + 3 * 93) + 100, "the forking runner's children are lost with it"
    assert account.work == 100 + account.wasted
    assert (tree.protocol, tree.join, tree.root.status, tree.error) == (RACE, "first", "finished", None)


def test_a_forking_runner_wins_where_it_is_faster() -> None:
    tree = run(field(scripted(finds(300)), 1))
    account = ledger(tree)
    assert tree.speaker.id == "0.0" and tree.speaker.sampled_ids[-3:] == [GOAL, 41, END]
    assert account.wall_seconds == account.span == 7 + 200 + 3
    assert account.wasted == 200 + 210, "the child that its own join cancelled, and the scout"


def test_a_runner_that_ends_without_success_does_not_end_the_race() -> None:
    tree = run(field(scripted(gives_up(20), finds(100)), 2))
    assert statuses(tree) == ["cancelled", "finished", "finished"] and tree.speaker.id == "0.2"
    assert ledger(tree).work - ledger(tree).wasted == 20 + 100, "it ended by itself"


def test_without_a_success_all_end_and_the_first_runner_speaks() -> None:
    tree = run(field(scripted(gives_up(20), gives_up(400)), 2)[1:])
    (fork,) = tree.root.forks
    assert fork.winner is tree.winner is None and tree.speaker is fork.children[0]
    assert tree.root.status == "finished" and statuses(tree) == ["finished"] * 2
    assert ledger(tree).wasted == 0 and ledger(tree).span == ledger(tree).wall_seconds == 400


def test_who_races_decides_what_a_success_is() -> None:
    engine = scripted(finds(50), finds(80))
    runners = [scout(engine, 0), scout(engine, 1)]
    tree = run_virtual(race(runners, succeeded=lambda thread: len(thread.sampled_ids) > 50))
    assert tree.speaker.id == "0.1" and statuses(tree) == ["finished", "finished"]


def test_a_failing_engine_fails_its_runner_and_the_tree_and_the_others_go_on() -> None:
    def failures(request: Request) -> EngineError | None:
        return EngineError("no answer from http://gone") if request.prompt[0] == SCOUT else None

    tree = run([forking(scripted()), scout(scripted(finds(9), failures=failures), 0)])
    assert tree.error == "thread 0.1: no answer from http://gone"
    assert statuses(tree) == ["finished", "failed"] and tree.speaker.id == "0.0"


def test_runners_may_have_an_engine_each() -> None:
    forked, alone = scripted(), scripted(finds(60))
    tree = run([forking(forked), scout(alone, 0)])
    assert tree.speaker.id == "0.1" and [request.prompt for request, _ in alone.log] == [[SCOUT, 0]]
    assert ledger(tree).work == sum(len(completion.token_ids) for engine in (forked, alone) for _, completion in engine.log)


def test_a_race_needs_a_runner_and_limits_that_let_it_run() -> None:
    with pytest.raises(ValueError, match="at least one runner"):
        run([])
    for limit in ("tree_tokens", "seconds"):
        with pytest.raises(ValueError, match=f"`{limit}` must be positive, got 0"):
            run(field(scripted(), 0), **{limit: 0})


def test_a_check_that_would_have_to_be_awaited_is_refused() -> None:
    async def never(thread: Thread) -> bool:
        return False

    with pytest.raises(TypeError, match="must be a plain function"):
        run_virtual(race(field(scripted(), 0), succeeded=never))


def test_seeds_differ_between_runners_of_one_prompt_and_repeat_with_the_race() -> None:
    def seeds(seed: int | None) -> set[int | None]:
        engine = scripted(gives_up(9))
        run([scout(engine, 0, seed=seed)] * 4, session="s")
        return {request.sampling.seed for request, _ in engine.log}

    assert len(seeds(7)) == 4 and seeds(7) == seeds(7)
    assert not seeds(7) & seeds(8) and seeds(None) == {None}


def test_the_limits_of_the_race_are_its_own() -> None:
    tree = run([forking(scripted(), tree_tokens=1, seconds=1)])
    assert statuses(tree) == ["finished"] and not tree.timed_out


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_depth_counts_from_the_runner(depth: int) -> None:
    """A generation that is allowed alone is allowed in a race, and what is refused is refused in the same words."""

    def words(prompt: Sequence[int]) -> list[int]:
        return [NONE, END] if RESULTS in prompt else [CALL, 21, WAIT]

    sampling, limits = Sampling(max_tokens=9), Limits(window=50, max_depth=depth)
    engine = ScriptedEngine(words)
    tree = run([Runner(engine=engine, protocol=APR, prompt=PROMPT, sampling=sampling, limits=limits)])
    assert [(thread.id, thread.status) for thread in tree.threads] == [
        *(("0" + ".0" * generation, "finished") for generation in range(depth + 2)),
        ("0" + ".0" * (depth + 2), "refused"),
    ]
    assert tree.threads[-1].error == f"threads may be nested {depth} deep"
    assert tree.threads[-2].context[-5:] == [RESULTS, REFUSED, RESULTS_END, NONE, END]


def test_running_out_of_seconds_ends_every_runner_and_keeps_what_they_sampled() -> None:
    tree = run(field(scripted(finds(100)), 1), seconds=57.0)
    assert tree.timed_out and {thread.status for thread in tree.threads} == {"cancelled"}
    assert ledger(tree).work == ledger(tree).wasted == (7 + 3 * 50) + 57
    assert ledger(tree).wall_seconds == 57


@pytest.mark.parametrize("seconds", [0, 3, 60, 100])
def test_who_cancels_a_race_still_has_its_tree_and_nothing_runs(seconds: int) -> None:
    engine = scripted(finds(100), gives_up(50))
    trees: list[RunTree] = []

    async def main() -> None:
        racing = asyncio.create_task(race(field(engine, 2), succeeded=APR.succeeded, on_start=trees.append))
        await asyncio.sleep(seconds)
        racing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await racing
        assert await engine.running() == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())
    (tree,) = trees
    assert tree.finished is not None and ledger(tree).wall_seconds == seconds
    assert ledger(tree).work == sum(len(completion.token_ids) for _, completion in engine.log)
    assert tree.root.status == "cancelled" and "running" not in {thread.status for thread in tree.threads}


def test_observers_see_the_root_start_join_and_end() -> None:
    seen: list[tuple[str, str, float]] = []
    engine = scripted(finds(100), gives_up(50))

    def observe(event: Event) -> None:
        if event.kind != "tokens" and event.thread.depth < 2:
            seen.append((event.kind, event.thread.id, engine.now()))

    run(field(engine, 2), observer=observe)
    assert seen == [
        ("started", "0", 0),
        *(("started", f"0.{number}", 0) for number in range(3)),
        ("ended", "0.2", 50),
        ("ended", "0.1", 100),
        ("ended", "0.0", 100),
        ("joined", "0", 100),
        ("ended", "0", 100),
    ]


def test_requests_of_all_runners_belong_to_the_trace_that_the_roots_observer_began() -> None:
    def observe(event: Event) -> None:
        if event.kind == "started" and event.thread.depth == 0:
            event.thread.traceparent = "00-trace-root-01"

    engine = scripted(finds(100))
    run(field(engine, 1), observer=observe)
    assert {request.traceparent for request, _ in engine.log} == {"00-trace-root-01"}


def test_a_live_view_shows_the_runners_while_they_race() -> None:
    shown: list[str] = []
    live = LiveThreads(decode=str, console=Console(file=io.StringIO(), width=100))

    def observe(event: Event) -> None:
        live.observe(event)
        if (event.kind, event.thread.id) == ("ended", "0.2"):
            frame = Console(file=io.StringIO(), width=100)
            with frame.capture() as captured:
                frame.print(live.frame())
            shown.append(captured.get())

    run(field(scripted(finds(100), gives_up(50)), 2), observer=observe)
    (frame,) = shown
    assert "● 0 " in frame and "●   0.1 " in frame and "✓   0.2 " in frame
    assert "7 threads, 6 running" in frame


@pytest.mark.parametrize(
    ("thread", "kind"),
    [
        *(("0", kind) for kind in ("started", "joined", "ended")),
        *(("0.0", kind) for kind in ("started", "tokens", "joined", "ended")),
        *(("0.1", kind) for kind in ("started", "tokens", "ended")),
    ],
)
def test_a_bug_in_an_observer_is_raised_as_it_was_and_leaves_no_thread_without_an_end(thread: str, kind: str) -> None:
    engine = scripted(finds(300))
    trees: list[RunTree] = []

    def observe(event: Event) -> None:
        if (event.kind, event.thread.id) == (kind, thread):
            raise KeyError("bug")

    async def main() -> None:
        with pytest.raises(KeyError, match="bug"):
            await race(field(engine, 1), succeeded=APR.succeeded, observer=observe, on_start=trees.append)
        assert await engine.running() == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())
    assert "running" not in {thread.status for thread in trees[0].threads}


def test_a_bug_in_the_check_of_a_success_is_raised_as_it_was_and_ends_the_race() -> None:
    def check(thread: Thread) -> bool:
        raise KeyError("bug")

    trees: list[RunTree] = []
    with pytest.raises(KeyError, match="bug"):
        run_virtual(race(field(scripted(finds(100)), 1), succeeded=check, on_start=trees.append))
    assert [thread.status for thread in trees[0].threads if thread.depth < 2] == ["failed", "cancelled", "finished"]
    assert trees[0].error == "thread 0: KeyError('bug')"


def test_a_run_that_was_given_a_prompt_speaks_for_itself() -> None:
    tree = run_virtual(
        run_tree(scripted(), APR, PROMPT, sampling=Sampling(max_tokens=500), limits=Limits(window=900), join="first")
    )
    (fork,) = tree.root.forks
    assert fork.winner is not None and tree.speaker is tree.root
