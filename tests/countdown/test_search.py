"""The notation, the symbolic search in it, and a flawless player of both modes."""

from __future__ import annotations

import statistics
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.countdown import notation, player, search
from orchestra.countdown.attempt import Setup, attempt, read_attempt
from orchestra.countdown.problem import Problem, generate
from orchestra.countdown.rules import Operation, verify
from orchestra.engine import Completion, Timings
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.thread import Join, RunTree, Thread

PROBLEMS = list(islice(generate("validation", seed=1), 60))


@given(st.lists(st.integers(0, notation.MAX_VALUE), max_size=8))
def test_numbers_are_read_back_from_their_tokens(values: list[int]) -> None:
    assert notation.read_numbers(notation.numbers(values)) == values


@given(st.lists(st.integers(0, len(notation.VOCABULARY) - 1), max_size=40))
def test_no_sequence_of_tokens_can_break_the_readers(ids: list[int]) -> None:
    path = notation.read_path(ids)
    assert path is None or all(isinstance(operation, Operation) for operation in path)
    assert notation.explored(ids) >= 0
    assert isinstance(notation.text(ids), str)


def test_a_path_is_read_back_from_its_tokens() -> None:
    path = (Operation(99, "*", 99, 9801), Operation(9801, "/", 99, 99), Operation(99, "-", 0, 99))
    assert notation.read_path((*notation.goal(path), notation.END)) == list(path)


@pytest.mark.parametrize(
    "text", ["<goal> 3 + 4 <end>", "<goal> 3 4 = 7 <end>", "<goal> 3 + = 7 <end>", "<goal> + 4 = 7", "<goal> 3 + 4 = 7 9"]
)
def test_malformed_paths_are_no_paths(text: str) -> None:
    assert notation.read_path([notation.ID[word] for word in text.split()]) is None


def test_text_joins_the_two_tokens_of_a_large_number() -> None:
    assert notation.text(notation.numbers([7, 100, 9801])) == "7 100 9801"


@pytest.mark.parametrize("beam", [2, 5, 15])
def test_a_serial_search_that_finds_a_path_writes_it_at_its_end(beam: int) -> None:
    for problem in PROBLEMS:
        trace = search.serial(problem, beam=beam)
        if trace.path:
            assert verify(problem.numbers, problem.target, trace.path) is None
            assert notation.read_path(trace.token_ids) == list(trace.path)
        else:
            assert trace.token_ids[-2:] == (notation.NONE, notation.END)


def test_a_search_with_an_unlimited_beam_finds_what_can_be_found() -> None:
    assert all(search.serial(problem, beam=99).path for problem in PROBLEMS)
    unsolvable = Problem((1, 1, 1, 1), 99)
    assert not unsolvable.solvable and search.serial(unsolvable, beam=99).path is None


def test_promising_states_come_first_and_beat_a_random_order() -> None:
    ranks = []
    for problem in PROBLEMS:
        successful = [
            index
            for index, operation in enumerate(search.calls(problem, beam=99))
            if search.child(problem, operation, beam=99).path
        ]
        ranks.append((successful[0] + 1) / (len(search.calls(problem, beam=99)) + 1) * (len(successful) + 1))
    # For a random order the first of k successes among n lies at (n + 1) / (k + 1) on average, which makes the mean 1.
    assert statistics.mean(ranks) < 0.75


def test_explored_operations_count_states_and_leaf_results_but_not_the_repeated_path() -> None:
    ids = [
        notation.ID[word]
        for word in [
            "<1>",
            "7",
            "-",
            "3",
            "=",
            "4",
            "6",
            "5",
            "<2>",
            "6",
            "-",
            "5",
            "=",
            "1",
            "4",
            ":",
            "<2>",
            "6",
            "*",
            "4",
            "=",
            "24",
            "5",
            ":",
            "29",
            "19",
            "<goal>",
            "7",
            "-",
            "3",
            "=",
            "4",
        ]
    ]
    assert notation.explored(ids) == 3 + 2


def test_a_move_that_a_childs_child_computes_again_counts_again() -> None:
    first, second = Operation(11, "-", 5, 6), Operation(7, "-", 3, 4)
    visits = (*notation.visit(1, first, (7, 3)), *notation.visit(2, second, (6,)))
    below = search.child(PROBLEM, first, second, beam=1)
    assert below.token_ids[: len(visits)] == visits and search.child(PROBLEM, first, beam=1).token_ids[:8] == visits[:8]
    assert notation.explored(visits) == 2
    assert notation.explored(below.token_ids) == 2 + len(below.searched) - len(visits) - 1, "one token a leaf"


def play(problem: Problem, setup: Setup, *, stretch: float = 1.0) -> tuple[ScriptedEngine, RunTree, str | None]:
    engine = ScriptedEngine(player.answer, seconds_per_token=stretch)
    attempted = run_virtual(attempt(engine, problem, setup))
    return engine, attempted.tree, attempted.answer


@pytest.mark.parametrize("join", ["all", "first"])
def test_a_flawless_player_solves_every_problem_by_forking(join: Join) -> None:
    for problem in PROBLEMS:
        _, tree, answer = play(problem, Setup(method="fork", join=join))
        assert answer is not None
        assert all(len(context) + len(completion.token_ids) <= 160 for context, completion in tree.requests())


def test_a_first_join_needs_less_work_and_less_time_than_an_all_join() -> None:
    for problem in PROBLEMS[:20]:
        engine, tree, _ = play(problem, Setup(method="fork", join="first"))
        patient, patient_tree, _ = play(problem, Setup(method="fork", join="all"))
        assert sum(len(c.token_ids) for _, c in engine.log) <= sum(len(c.token_ids) for _, c in patient.log)
        assert tree.finished is not None and patient_tree.finished is not None and tree.finished <= patient_tree.finished


def test_a_childs_context_is_fresh_and_holds_the_whole_task() -> None:
    problem = PROBLEMS[0]
    parent = notation.fork_prompt(problem, beam=24, child_beam=12)
    child = notation.child_prompt(parent, notation.call(search.calls(problem, beam=24)[0]))
    assert child[:3] == (notation.BOS, notation.CHILD, *notation.number(12))
    assert len(child) < 25
    assert player.answer(child)[-1] == notation.END


def claim(problem: Problem, words: str) -> RunTree:
    """A finished run whose root ended in these words."""
    tree = RunTree(session="s", protocol="serial", join="all", root=Thread("0"), started=0.0, finished=1.0)
    tree.root.inject(notation.serial_prompt(problem, beam=5))
    ids = [notation.ID[word] for word in words.split()]
    timings = Timings(submitted=0.0, finished=1.0)
    tree.root.record(Completion(token_ids=ids, logprobs=None, finish="stop", stop_token=notation.END, timings=timings), granted=99)
    tree.root.end("finished", at=1.0)
    return tree


PROBLEM = Problem((11, 7, 5, 3), 24)


def test_only_verified_operations_become_an_answer() -> None:
    good = read_attempt(PROBLEM, claim(PROBLEM, "<goal> 11 - 5 = 6 7 - 3 = 4 6 * 4 = 24 <end>"))
    assert (good.answer, good.flaw, good.correct) == ("(11-5)*(7-3)", None, True)
    lie = read_attempt(PROBLEM, claim(PROBLEM, "<goal> 11 + 5 = 6 7 - 3 = 4 6 * 4 = 24 <end>"))
    assert lie.answer is None and lie.flaw == "`11 + 5 = 6` is not true"
    modest = read_attempt(PROBLEM, claim(PROBLEM, "<none> <end>"))
    assert (modest.answer, modest.flaw, modest.error) == (None, None, None)
