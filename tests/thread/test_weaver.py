"""The weaver's grammar on a scripted engine in virtual time: one second is one token."""

from __future__ import annotations

import pytest

from orchestra.engine import Request, Sampling
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import EngineError
from orchestra.thread import Join, Limits, RunTree, ledger, run_tree

from .toy import Answer, script
from .weaver_toy import (
    CANCELLED,
    CUT,
    END,
    GOAL,
    LABELS,
    OUTLINE,
    OUTLINES,
    OUTLINES_END,
    PARALLEL,
    PARALLEL_END,
    PROMPT,
    REFUSED,
    THREAD_END,
    WEAVER,
    header,
    outlines,
)

ROOT = (PROMPT, 40)
BLOCK = (25, *outlines([21], [22, 23], [24]))
SEEN = (*ROOT, *BLOCK)
WORDS = {
    (*SEEN, *header(1)): [30] * 9 + [THREAD_END],
    (*SEEN, *header(2)): [31] * 17 + [GOAL, 41, THREAD_END],
    (*SEEN, *header(3)): [32] * 29 + [THREAD_END],
}
FIRST, SECOND, THIRD = ((*prompt[-2:], *words) for prompt, words in WORDS.items())


def joined(*threads: tuple[int, ...]) -> tuple[int, ...]:
    return (*SEEN, *(token for thread in threads for token in thread), PARALLEL_END)


def empty(number: int, marker: int) -> tuple[int, ...]:
    return (*header(number), marker, THREAD_END)


def run(answer: Answer, *, join: Join = "all", limits: Limits | None = None, **options: object) -> tuple[ScriptedEngine, RunTree]:
    engine = ScriptedEngine(answer, seconds_per_token=1.0, **options)  # type: ignore[arg-type]
    limits = limits or Limits(window=300)
    return engine, run_virtual(run_tree(engine, WEAVER, ROOT, sampling=Sampling(max_tokens=300), limits=limits, join=join))


def test_children_see_their_parents_context_and_the_parent_reads_all_that_they_wrote() -> None:
    _, tree = run(script({ROOT: BLOCK, **WORDS, joined(FIRST, SECOND, THIRD): [GOAL, 41, END]}))
    account = ledger(tree)
    assert tree.root.context == [*joined(FIRST, SECOND, THIRD), GOAL, 41, END]
    assert account.wall_seconds == account.span == len(BLOCK) + 30 + 3
    assert account.work == len(BLOCK) + 10 + 20 + 30 + 3
    assert [thread.status for thread in tree.threads] == ["finished"] * 4


def test_the_second_request_of_a_parent_begins_with_its_first_and_what_that_sampled() -> None:
    _, tree = run(script({ROOT: BLOCK, **WORDS, joined(FIRST, SECOND, THIRD): [GOAL, 41, END]}))
    (first, written), (second, _) = tree.root.requests()
    assert second[: len(first) + len(written.token_ids)] == first + written.token_ids


def test_a_first_join_shows_cancelled_threads_as_such_and_none_of_their_words() -> None:
    _, tree = run(script({ROOT: BLOCK, **WORDS, joined(FIRST, SECOND, empty(3, CANCELLED)): [GOAL, 41, END]}), join="first")
    (fork,) = tree.root.forks
    assert fork.winner is fork.children[1]
    assert ledger(tree).wasted == 20, "what the cancelled thread had sampled is counted"


def test_a_thread_that_ends_as_its_parent_would_is_closed_and_wins_no_first_join() -> None:
    words = {prompt: [GOAL, 41, END] for prompt in WORDS}
    threads = [(*header(number), GOAL, 41, THREAD_END) for number in (1, 2, 3)]
    _, tree = run(script({ROOT: BLOCK, **words, joined(*threads): [END]}), join="first")
    (fork,) = tree.root.forks
    assert fork.winner is None
    assert [child.status for child in fork.children] == ["finished"] * 3


def test_a_thread_that_is_cut_keeps_its_words_and_says_so() -> None:
    window = len(SEEN) + 2 + 20
    shown = (*header(3), *[32] * 20, CUT, THREAD_END)
    _, tree = run(script({ROOT: BLOCK, **WORDS}), limits=Limits(window=window))
    assert [thread.status for thread in tree.threads] == ["cut", "finished", "finished", "cut"]
    assert tree.root.context[-len(shown) - 1 :] == [*shown, PARALLEL_END]
    assert tree.root.sampled_ids == list(BLOCK), "a parent whose join fills its window samples no more"


def test_threads_beyond_the_limit_are_refused_visibly_and_never_run() -> None:
    answers = {ROOT: BLOCK, **WORDS, joined(FIRST, SECOND, empty(3, REFUSED)): [GOAL, 41, END]}
    engine, tree = run(script(answers), limits=Limits(window=300, max_children=2))
    assert (ledger(tree).children, ledger(tree).refused) == (2, 1)
    assert (*SEEN, *header(3)) not in [tuple(request.prompt) for request, _ in engine.log]


@pytest.mark.parametrize(
    "block",
    [
        (OUTLINES_END,),
        (OUTLINES, OUTLINE, LABELS + 1, 21, OUTLINES_END),
        (PARALLEL, OUTLINES_END),
        (PARALLEL, OUTLINES, OUTLINES_END),
        (PARALLEL, OUTLINES, 21, OUTLINES_END),
        (PARALLEL, OUTLINE, LABELS + 1, 21, OUTLINES_END),
        (PARALLEL, OUTLINES, OUTLINE, OUTLINES_END),
        (PARALLEL, OUTLINES, OUTLINE, LABELS + 1, OUTLINES_END),
        (PARALLEL, OUTLINES, OUTLINE, 21, OUTLINES_END),
        (PARALLEL, OUTLINES, OUTLINE, LABELS + 2, 21, OUTLINES_END),
        (PARALLEL, OUTLINES, OUTLINE, LABELS + 1, 21, OUTLINE, LABELS + 1, 22, OUTLINES_END),
        (PARALLEL, OUTLINES, OUTLINE, LABELS + 1, 21, REFUSED, OUTLINES_END),
        (PARALLEL, OUTLINES, OUTLINE, LABELS + 1, 21, OUTLINES, OUTLINE, LABELS + 1, 21, OUTLINES_END),
    ],
)
def test_a_malformed_block_is_a_fork_without_children_that_the_parent_can_see(block: tuple[int, ...]) -> None:
    engine, tree = run(script({ROOT: [25, *block], (*ROOT, 25, *block, REFUSED, PARALLEL_END): [26, END]}))
    (fork,) = tree.root.forks
    assert fork.children == []
    assert (tree.root.status, len(engine.log)) == ("finished", 2)


def test_only_the_last_block_of_a_request_counts() -> None:
    assert WEAVER.outlines([PARALLEL, OUTLINES, 20, *outlines([21], [22])]) == [(21,), (22,)]


def test_a_model_that_never_writes_a_good_block_is_stopped() -> None:
    _, tree = run(lambda prompt: [OUTLINES_END], limits=Limits(window=300, max_forks=3))
    assert (tree.root.status, len(list(tree.root.forks))) == ("cut", 4)


def test_a_block_inside_a_thread_is_refused_below_the_depth_limit_and_the_thread_goes_on() -> None:
    outer, inner = outlines([21]), outlines([22])
    child = (*ROOT, *outer, *header(1))
    said = (*inner, *empty(1, REFUSED), PARALLEL_END, 33, THREAD_END)
    answers = {ROOT: outer, child: inner, child + said[:-2]: [33, THREAD_END], (*child, *said, PARALLEL_END): [END]}
    _, tree = run(script(answers))
    assert [(thread.id, thread.status) for thread in tree.threads] == [("0", "finished"), ("0.0", "finished"), ("0.0.0", "refused")]


def test_a_block_inside_a_thread_runs_where_the_depth_allows_it_and_both_parents_read_it() -> None:
    outer, inner = outlines([21]), outlines([22])
    child = (*ROOT, *outer, *header(1))
    grandchild = (*child, *inner, *header(1))
    said = (*inner, *header(1), 34, THREAD_END, PARALLEL_END, GOAL, THREAD_END)
    answers = {
        ROOT: outer,
        child: inner,
        grandchild: [34, THREAD_END],
        child + said[:-2]: [GOAL, THREAD_END],
        (*child, *said, PARALLEL_END): [GOAL, END],
    }
    _, tree = run(script(answers), limits=Limits(window=100, max_depth=2))
    assert tree.root.status == "finished"
    assert ledger(tree).span == ledger(tree).work


def test_a_parent_may_open_a_second_block_and_keeps_the_first() -> None:
    one = outlines([21])
    after = (*ROOT, *one, *header(1), THREAD_END, PARALLEL_END)
    answers = {
        ROOT: one,
        (*ROOT, *one, *header(1)): [THREAD_END],
        after: [27, *one],
        (*after, 27, *one, *header(1)): [28, THREAD_END],
        (*after, 27, *one, *header(1), 28, THREAD_END, PARALLEL_END): [END],
    }
    _, tree = run(script(answers))
    assert [thread.id for thread in tree.threads] == ["0", "0.0", "0.1"]
    assert tree.root.status == "finished"


def test_an_engine_failure_in_one_thread_is_reported_apart_and_its_siblings_finish() -> None:
    def failures(request: Request) -> EngineError | None:
        return EngineError("no answer from http://gone") if tuple(request.prompt) == (*SEEN, *header(1)) else None

    answers = {ROOT: BLOCK, **WORDS, joined(empty(1, CANCELLED), SECOND, THIRD): [GOAL, 41, END]}
    _, tree = run(script(answers), failures=failures)
    assert tree.error == "thread 0.0: no answer from http://gone"
    assert [thread.status for thread in tree.threads] == ["finished", "failed", "finished", "finished"]
