"""What the weaver promises beyond `test_properties`: children see their parent's context, joins keep it, outlines always read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestra.thread import Join
from orchestra.thread.tree import Thread

from .toys import JOINS, SEEDS
from .toys import WEAVER as TOY
from .weaver_toy import CANCELLED, CUT, END, PARALLEL_END, REFUSED, THREAD_END, WEAVER, header


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
    _, tree = TOY.run(seed, join)
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
    _, tree = TOY.run(seed, join)
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


@given(st.lists(st.integers(0, 60), max_size=30))
def test_no_sequence_of_tokens_can_break_the_reader_of_outlines(token_ids: list[int]) -> None:
    found = WEAVER.outlines(token_ids)
    assert found is None or all(found)
