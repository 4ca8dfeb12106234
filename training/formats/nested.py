"""What a flawless model writes as a child that may fork again, where its prompt leaves widths and order to it.

It searches some states itself and calls children for others, each state at most once; what it found itself ends it, and so does the first
path that its children return. A state with two numbers is never called for: its results are written in fewer tokens than a call.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestra.countdown import notation, search
from orchestra.countdown.problem import Problem
from orchestra.countdown.rules import Operation, State, verify
from orchestra.errors import ProblemError

from .followed import ALL, Followed, calling_block

_OUTCOMES = (notation.GOAL, notation.NONE, notation.CANCELLED, notation.REFUSED, notation.CUT)


def first_turn(problem: Problem, operations: Sequence[Operation], written: Sequence[int]) -> tuple[int, ...]:
    """The words of a child that was called for `operations`, one a generation, up to its end or its fork."""
    called_at = written.index(notation.CALL) if notation.CALL in written else len(written)
    own, block = written[:called_at], written[called_at:]
    trace = _own_search(problem, operations, own, calls=bool(block))
    if trace.path or not block or not (left := _not_searched(problem, operations, own)):
        return trace.token_ids
    return (*trace.searched, *calling_block(_state(problem, operations), left, block))


def last_turn(problem: Problem, operations: Sequence[Operation], after: Sequence[int]) -> tuple[int, ...]:
    """Its words after `after`, the search that it wrote and the results that replaced its calls. Raises `ProblemError` for results that no
    children of such a search can have."""
    place = after.index(notation.RESULTS) if notation.RESULTS in after else len(after)
    own = tuple(after[:place])
    trace = _own_search(problem, operations, own, calls=True)
    if trace.path or trace.searched != own:
        raise strange(after, "its own search is not as its prompt asks for it, or needed no children")
    left = _not_searched(problem, operations, own)
    outcomes = read_outcomes(after[place:])
    if len(outcomes) > len(left):
        raise strange(after, f"{len(outcomes)} outcomes of {len(left)} states that it has not searched itself")
    paths = [path_of(problem, outcome) for outcome in outcomes]
    for path in filter(None, paths):
        below = path[: len(operations) + 1]
        if below[:-1] != tuple(operations) or _state(problem, below) not in left:
            raise strange(after, "a returned path is not of a state that it could call for")
    return search.final_answer(paths)


def read_outcomes(block: Sequence[int]) -> list[list[int]]:
    """What each child returned, of a block of results. Raises `ProblemError` where it is none."""
    if len(block) < 3 or block[0] != notation.RESULTS or block[-1] != notation.RESULTS_END or block[1] not in _OUTCOMES:
        raise strange(block, "no block of results")
    outcomes: list[list[int]] = []
    for token in block[1:-1]:
        if token in _OUTCOMES:
            outcomes.append([])
        outcomes[-1].append(token)
    return outcomes


def path_of(problem: Problem, words: Sequence[int]) -> tuple[Operation, ...] | None:
    """What one child returned: a path that is whole and right, or nothing. Raises `ProblemError` for a wrong one."""
    path = notation.read_path(words)
    if not path:
        return None
    if flaw := verify(problem.numbers, problem.target, path):
        raise strange(words, f"a returned path is wrong: {flaw}")
    return tuple(path)


def strange(ids: Sequence[int], reason: str) -> ProblemError:
    """An error to raise for a prompt that no run could hold."""
    return ProblemError(f"{reason}: {notation.text(ids)}")


def _own_search(problem: Problem, operations: Sequence[Operation], own: Sequence[int], *, calls: bool) -> search.Trace:
    return search.child(problem, *operations, beam=ALL, visits=_followed(problem, operations, own, calls=calls))


def _followed(problem: Problem, operations: Sequence[Operation], own: Sequence[int], *, calls: bool) -> Followed:
    return Followed(own, numbers=len(problem.numbers), below=len(operations), calls=calls)


def _not_searched(problem: Problem, operations: Sequence[Operation], own: Sequence[int]) -> list[State]:
    """The states that a child with this search of its own may call for, the most promising first."""
    state, target = _state(problem, operations), problem.target
    if len(state) < 3:
        return []
    searched = {after for _, after in _followed(problem, operations, own, calls=True)(state, target, ALL)}
    return [after for _, after in search.promising(state, target, ALL) if after not in searched]


def _state(problem: Problem, operations: Sequence[Operation]) -> State:
    state: State = problem.numbers
    for operation in operations:
        state = search.state_after(state, operation)
    return state
