"""The fork–join loop on a scripted engine in virtual time: one second is one token."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from orchestra.engine import Completion, Request, Sampling, Scores, Timings
from orchestra.engine.scripted import Script, ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import EngineError
from orchestra.thread import Event, Join, Limits, RunTree, Thread, ledger, run_tree
from orchestra.thread.protocols import Serial

from .toy import APR, CALL, CANCELLED, CHILD, CUT, END, GOAL, NONE, PARENT, REFUSED, RESULTS, RESULTS_END, WAIT, Answer, script

PROMPT = (PARENT, 40)
CALLS = (CALL, 21, CALL, 22, CALL, 23, WAIT)
CHILDREN = {(CHILD, 21): [30] * 98 + [NONE, END], (CHILD, 22): [31] * 197 + [GOAL, 41, END], (CHILD, 23): [32] * 298 + [NONE, END]}


def with_results(*outcomes: int) -> tuple[int, ...]:
    return (*PROMPT, RESULTS, *outcomes, RESULTS_END)


def engine_for(answer: Answer, **options: object) -> ScriptedEngine:
    return ScriptedEngine(answer, seconds_per_token=1.0, **options)  # type: ignore[arg-type]


def run(engine: ScriptedEngine, *, join: Join = "all", limits: Limits | None = None, **options: object) -> RunTree:
    limits = limits or Limits(window=1_000)
    return run_virtual(
        run_tree(engine, APR, PROMPT, sampling=Sampling(max_tokens=1_000), limits=limits, join=join, **options)  # type: ignore[arg-type]
    )


def test_an_all_join_waits_for_the_slowest_child_and_replaces_the_calling_block() -> None:
    engine = engine_for(script({PROMPT: CALLS, **CHILDREN, with_results(NONE, GOAL, 41, NONE): [GOAL, 41, END]}))
    tree = run(engine, join="all")
    account = ledger(tree)
    assert account.wall_seconds == account.span == 7 + 300 + 3
    assert account.work == 7 + 100 + 200 + 300 + 3
    assert account.wasted == account.unobserved == 0
    assert tree.root.context == [*with_results(NONE, GOAL, 41, NONE), GOAL, 41, END]
    assert [thread.status for thread in tree.threads] == ["finished"] * 4


def test_a_first_join_cancels_the_siblings_as_soon_as_one_child_succeeds() -> None:
    engine = engine_for(script({PROMPT: CALLS, **CHILDREN, with_results(NONE, GOAL, 41, CANCELLED): [GOAL, 41, END]}))
    tree = run(engine, join="first")
    account = ledger(tree)
    assert account.wall_seconds == account.span == 7 + 200 + 3
    assert account.work == 7 + 100 + 200 + 200 + 3, "the cancelled child's 200 tokens are counted"
    assert account.wasted == 200
    assert account.unobserved == 1_000 - 2 - 200, "at most what its request was granted"
    (fork,) = tree.root.forks
    assert fork.winner is fork.children[1]
    assert [child.status for child in fork.children] == ["finished", "finished", "cancelled"]


def test_a_first_join_without_success_waits_for_all() -> None:
    children = {prompt: [*ids[:50], NONE, END] for prompt, ids in CHILDREN.items()}
    tree = run(engine_for(script({PROMPT: CALLS, **children, with_results(NONE, NONE, NONE): [NONE, END]})), join="first")
    (fork,) = tree.root.forks
    assert fork.winner is None
    assert tree.root.sampled_ids[-2:] == [NONE, END]


def test_children_beyond_the_limit_are_refused_visibly_and_never_run() -> None:
    engine = engine_for(script({PROMPT: CALLS, **CHILDREN, with_results(NONE, GOAL, 41, REFUSED): [GOAL, 41, END]}))
    tree = run(engine, limits=Limits(window=1_000, max_children=2))
    account = ledger(tree)
    assert (account.children, account.refused) == (2, 1)
    refused = tree.threads[-1]
    assert (refused.status, refused.error) == ("refused", "a fork may have 2 children")
    assert (CHILD, 23) not in [tuple(request.prompt) for request, _ in engine.log]


def test_a_fork_below_the_depth_limit_is_refused_and_the_child_goes_on() -> None:
    nested = {
        PROMPT: [CALL, 21, WAIT],
        (CHILD, 21): [CALL, 22, WAIT],
        (CHILD, 21, RESULTS, REFUSED, RESULTS_END): [NONE, END],
        with_results(NONE): [NONE, END],
    }
    tree = run(engine_for(script(nested)))
    assert [(thread.id, thread.status) for thread in tree.threads] == [("0", "finished"), ("0.0", "finished"), ("0.0.0", "refused")]


def test_children_may_fork_where_the_depth_allows_it() -> None:
    nested = {
        PROMPT: [CALL, 21, WAIT],
        (CHILD, 21): [CALL, 22, WAIT],
        (CHILD, 22): [GOAL, 33, END],
        (CHILD, 21, RESULTS, GOAL, 33, RESULTS_END): [GOAL, 34, END],
        with_results(GOAL, 34): [GOAL, 35, END],
    }
    tree = run(engine_for(script(nested)), limits=Limits(window=100, max_depth=2))
    assert tree.root.context[-3:] == [GOAL, 35, END]
    assert ledger(tree).span == ledger(tree).work == 3 + 3 + 3 + 3 + 3


def test_a_parent_may_fork_again_and_keeps_its_earlier_results() -> None:
    answers = {
        PROMPT: [30, CALL, 21, WAIT],
        (CHILD, 21): [NONE, END],
        (*PROMPT, 30, RESULTS, NONE, RESULTS_END): [31, CALL, 22, WAIT],
        (CHILD, 22): [GOAL, 44, END],
        (*PROMPT, 30, RESULTS, NONE, RESULTS_END, 31, RESULTS, GOAL, 44, RESULTS_END): [GOAL, 44, END],
    }
    tree = run(engine_for(script(answers)))
    assert [thread.id for thread in tree.threads] == ["0", "0.0", "0.1"]
    assert tree.root.status == "finished"


def test_a_model_that_forks_for_ever_is_stopped() -> None:
    tree = run(
        engine_for(lambda prompt: [CALL, 21, WAIT] if prompt[0] == PARENT else [NONE, END]), limits=Limits(window=50, max_forks=3)
    )
    assert tree.root.status == "cut"
    assert ledger(tree).children == 3


def test_a_thread_that_fills_its_window_is_cut_and_its_parent_sees_it() -> None:
    engine = engine_for(script({PROMPT: CALLS, **CHILDREN, with_results(NONE, CUT, CUT): [NONE, END]}))
    tree = run(engine, limits=Limits(window=150))
    assert [thread.status for thread in tree.threads] == ["finished", "finished", "cut", "cut"]
    assert all(len(request.prompt) + len(completion.token_ids) <= 150 for request, completion in engine.log)


def test_parallel_children_never_sample_more_than_the_tree_may_spend() -> None:
    engine = engine_for(
        script({PROMPT: CALLS, **CHILDREN, with_results(CUT, CUT, CUT): [NONE, END], with_results(NONE, CUT, CUT): [NONE, END]})
    )
    tree = run(engine, limits=Limits(window=200, tree_tokens=150))
    assert ledger(tree).work <= 150


def test_children_wait_for_what_their_siblings_leave_of_the_budget() -> None:
    children = {prompt: [30, NONE, END] for prompt in CHILDREN}
    engine = engine_for(script({PROMPT: CALLS, **children, with_results(NONE, NONE, NONE): [NONE, END]}))
    tree = run(engine, limits=Limits(window=50, tree_tokens=60))
    assert [thread.status for thread in tree.threads] == ["finished"] * 4
    assert ledger(tree).work == 7 + 3 * 3 + 2


def test_a_child_for_which_no_token_is_left_is_refused_not_started() -> None:
    answers = {PROMPT: CALLS, **CHILDREN, with_results(CUT, REFUSED, REFUSED): [NONE, END]}
    tree = run(engine_for(script(answers)), limits=Limits(window=100, tree_tokens=40))
    assert [(thread.status, thread.started is None) for thread in tree.threads[1:]] == [
        ("cut", False),
        ("refused", True),
        ("refused", True),
    ]
    assert ledger(tree).children == 1 and ledger(tree).refused == 2
    assert ledger(tree).work == 40


def test_words_of_a_lost_attempt_are_neither_context_nor_result() -> None:
    class Retrying(ScriptedEngine):
        """Its first attempt at a child breaks off in mid-stream, as over HTTP."""

        async def generate(self, request: Request) -> Completion:
            if request.prompt[0] == CHILD and request.on_abort:
                timings = Timings(submitted=self.now(), finished=self.now())
                request.on_abort(Completion(token_ids=[GOAL, 41], logprobs=[0.0, 0.0], finish="abort", timings=timings))
            return await super().generate(request)

    answers = {PROMPT: [CALL, 21, WAIT], (CHILD, 21): [33, NONE, END], with_results(NONE): [NONE, END]}
    tree = run(Retrying(script(answers), seconds_per_token=1.0), join="first")
    (fork,) = tree.root.forks
    assert fork.winner is None
    assert ledger(tree).wasted == 2 and ledger(tree).work == 3 + 2 + 3 + 2


@pytest.mark.parametrize("join", ["all", "first"])
def test_a_bug_in_an_observer_is_raised_as_it_was_and_leaves_nothing_running(join: Join) -> None:
    engine = engine_for(script({PROMPT: CALLS, **CHILDREN}))
    threads: list[Thread] = []

    def observe(event: Event) -> None:
        threads.append(event.thread)
        if event.kind == "ended":
            raise KeyError("bug")

    async def main() -> None:
        limits = Limits(window=1_000)
        with pytest.raises(KeyError, match="bug"):
            await run_tree(engine, APR, PROMPT, sampling=Sampling(max_tokens=500), limits=limits, join=join, observer=observe)
        assert await engine.running() == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())
    assert all(thread.status != "running" for thread in threads)


def test_running_out_of_seconds_cancels_every_thread_and_keeps_what_they_sampled() -> None:
    engine = engine_for(script({PROMPT: CALLS, **CHILDREN}))
    tree = run(engine, limits=Limits(window=1_000, seconds=57.0))
    assert tree.timed_out
    assert {thread.status for thread in tree.threads} == {"cancelled"}
    assert ledger(tree).work == 7 + 3 * 50 == ledger(tree).wasted


def test_cancelling_the_caller_leaves_no_task_and_no_request() -> None:
    engine = engine_for(script({PROMPT: CALLS, **CHILDREN}))

    async def main() -> int:
        running = asyncio.create_task(run_tree(engine, APR, PROMPT, sampling=Sampling(max_tokens=500), limits=Limits(window=1_000)))
        await asyncio.sleep(60)
        assert await engine.running() == 3
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return await engine.running() + len(asyncio.all_tasks()) - 1

    assert run_virtual(main()) == 0


@pytest.mark.parametrize("seconds", [0, 3, 60, 207, 208])
def test_who_cancels_a_run_still_has_its_tree_and_the_ledger_adds_up(seconds: int) -> None:
    engine = engine_for(script({PROMPT: CALLS, **CHILDREN, with_results(NONE, GOAL, 41, CANCELLED): [GOAL, 41, END]}))
    trees: list[RunTree] = []

    async def main() -> None:
        limits = Limits(window=1_000)
        running = asyncio.create_task(
            run_tree(engine, APR, PROMPT, sampling=Sampling(max_tokens=500), limits=limits, join="first", on_start=trees.append)
        )
        await asyncio.sleep(seconds)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    run_virtual(main())
    (tree,) = trees
    account = ledger(tree)
    assert tree.finished == tree.started + seconds
    assert account.wall_seconds == seconds
    assert account.work == sum(len(completion.token_ids) for _, completion in engine.log)
    assert account.requests == len(engine.log)
    ended_well = sum(
        len(segment.token_ids) for t in tree.threads if t.status == "finished" for segment in t.segments if segment.sampled
    )
    assert account.work == account.wasted + ended_well
    assert account.unobserved == sum(
        request.sampling.max_tokens - len(completion.token_ids)
        for request, completion in engine.log
        if completion.finish == "abort"
    )
    assert "running" not in {thread.status for thread in tree.threads}


def test_the_tree_is_handed_over_before_anything_is_sampled() -> None:
    engine = engine_for(script({PROMPT: [NONE, END]}))
    started: list[tuple[list[int], int]] = []
    tree = run(engine, on_start=lambda tree: started.append((list(tree.root.context), len(engine.log))))
    assert started == [(list(PROMPT), 0)]
    assert tree.root.status == "finished"


def test_observers_get_the_scores_of_the_tokens_when_they_were_asked_for() -> None:
    rows = [[-0.5, -1.5], [-0.1, -2.5]]
    engine = ScriptedEngine(lambda _: Script(token_ids=[30, END], top_logprobs=rows), seconds_per_token=1.0)
    seen: list[tuple[Sequence[int], Scores | None]] = []

    def observe(event: Event) -> None:
        if event.kind == "tokens":
            seen.append((event.token_ids, event.scores))

    for top in (2, 0):
        sampling = Sampling(max_tokens=9, top_logprobs=top)
        run_virtual(run_tree(engine, Serial(end=(END,)), [PARENT], sampling=sampling, limits=Limits(window=50), observer=observe))
    expected = [Scores(2), Scores(2)]
    for scores, row in zip(expected, rows, strict=True):
        scores.add(row)
    assert seen == [([30], expected[0]), ([END], expected[1]), ([30], None), ([END], None)]


def test_an_engine_failure_in_one_child_is_reported_apart_and_its_siblings_finish() -> None:
    def failures(request: Request) -> EngineError | None:
        return EngineError("no answer from http://gone") if tuple(request.prompt) == (CHILD, 21) else None

    answers = script({PROMPT: CALLS, **CHILDREN, with_results(CANCELLED, GOAL, 41, NONE): [GOAL, 41, END]})
    tree = run(engine_for(answers, failures=failures))
    assert tree.error == "thread 0.0: no answer from http://gone"
    assert [thread.status for thread in tree.threads] == ["finished", "failed", "finished", "finished"]


def test_an_engine_failure_of_the_root_ends_the_run_as_data() -> None:
    tree = run(engine_for(script({}), failures=lambda request: EngineError("down")))
    assert (tree.root.status, tree.error) == ("failed", "thread 0: down")


def test_observers_see_the_run_that_happens() -> None:
    seen: list[tuple[str, str, float]] = []
    engine = engine_for(script({PROMPT: CALLS, **CHILDREN, with_results(NONE, GOAL, 41, CANCELLED): [GOAL, 41, END]}))
    tokens: dict[str, list[int]] = {}

    def observe(event: Event) -> None:
        if event.kind == "tokens":
            tokens.setdefault(event.thread.id, []).extend(event.token_ids)
        else:
            seen.append((event.kind, event.thread.id, engine.now()))

    tree = run(engine, join="first", observer=observe)
    start = tree.started
    assert [(kind, thread, at - start) for kind, thread, at in seen] == [
        ("started", "0", 0),
        ("started", "0.0", 7),
        ("started", "0.1", 7),
        ("started", "0.2", 7),
        ("ended", "0.0", 107),
        ("ended", "0.1", 207),
        ("ended", "0.2", 207),
        ("joined", "0", 207),
        ("ended", "0", 210),
    ]
    assert tokens == {thread.id: thread.sampled_ids for thread in tree.threads}


def test_siblings_draw_with_different_seeds_and_a_repeated_run_with_the_same() -> None:
    def seeds() -> list[int | None]:
        engine = engine_for(script({PROMPT: CALLS, **CHILDREN, with_results(NONE, GOAL, 41, NONE): [GOAL, 41, END]}))
        run_virtual(run_tree(engine, APR, PROMPT, sampling=Sampling(max_tokens=500, seed=7), limits=Limits(window=1_000)))
        return [request.sampling.seed for request, _ in engine.log]

    assert len(set(seeds())) == 5
    assert seeds() == seeds()


def test_the_serial_protocol_is_one_request() -> None:
    engine = ScriptedEngine(lambda prompt: [30, 31, END])
    tree = run_virtual(run_tree(engine, Serial(end=(END,)), [PARENT], sampling=Sampling(max_tokens=9), limits=Limits(window=50)))
    assert [tuple(request.prompt) for request, _ in engine.log] == [(PARENT,)]
    assert tree.root.sampled_ids == [30, 31, END]


def test_later_successes_of_one_join_return_a_bare_goal() -> None:
    outcomes = [(GOAL, 30, 31)] * 6
    assert APR.results_block(outcomes) == (RESULTS, *(GOAL, 30, 31) * APR.max_paths, GOAL, GOAL, RESULTS_END)


def test_a_thread_that_has_ended_cannot_end_again() -> None:
    thread = Thread("0")
    thread.end("finished", at=1.0)
    with pytest.raises(AssertionError, match="has already ended"):
        thread.end("cancelled", at=2.0)
