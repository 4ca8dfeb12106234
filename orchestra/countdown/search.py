"""Symbolic search in the model's notation: what a flawless player would write. Demonstrations are made from it.

Depth first: at each state the `beam` most promising successors are visited, best first; with two numbers left every result is compared
with the target. The promise of a state is how near the sum of its numbers is to the target. Among 600 solvable problems it finds the
solution within 16 / 40 / 160 leaf states in 63 / 77 / 100 % of cases (the paper's "multiply" heuristic: 64 / 79 / 100 %, random order:
31 / 56 / 99 %), and it is easier to learn than distances to factors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import notation
from .problem import Problem, named_results
from .rules import Op, Operation, State, apply, successors

PATH = 20
"""Tokens of `<goal>` and of three operations of which one has a result of two tokens; few paths are longer."""
FAR_SIZE = 5
"""Numbers of the problems that the functions named `far_…` are about: their targets reach to 1,000."""
FAR_PATH = 28
"""As `PATH`, of four operations; none is longer."""
FAR_WIDTHS = (24, 16, 8)
"""At five numbers, where a prompt leaves widths free and the window allows it: calls of the root, calls of each child, and states that each thread
below searches. Of 100 validation problems they solve 94 by 401 threads in a window of 192 tokens, 93 in 160, 86 in 128."""
FAR_SERIAL = (30, 1, 1)
"""Successors of states with five, four and three numbers that one thread visits where its prompt leaves widths free: 36 of these problems
within 1,024 tokens; (10, 3, 3) and (5, 5, 4) solve 17 and 14."""
_LEAF = 9
"""Most tokens that the results of two numbers take."""
_ENDS = 3
"""Both markers of a results block, and `<end>`."""
_OPS: tuple[Op, ...] = ("+", "-", "*", "/")

Visits = Callable[[State, int, int], list[tuple[Operation, State]]]
"""Which successors of a state are visited on the way to a target, in order, given the beam. `promising` is the one that players use."""


@dataclass(frozen=True, slots=True)
class Trace:
    """The tokens that one thread writes after its prompt, and the path it found."""

    token_ids: tuple[int, ...]
    path: tuple[Operation, ...] | None

    @property
    def searched(self) -> tuple[int, ...]:
        """Its tokens before the ending."""
        return self.token_ids[: self.token_ids.index(notation.GOAL if self.path else notation.NONE)]


def promising(state: State, target: int, beam: int) -> list[tuple[Operation, State]]:
    """The `beam` successors whose sum is nearest to the target, nearest first; ties keep the order of `successors`."""
    allowed = [(operation, after) for operation, after in successors(state) if operation.result <= notation.MAX_VALUE]
    return sorted(allowed, key=lambda item: abs(sum(item[1]) - target))[:beam]


def state_after(state: State, operation: Operation) -> State:
    """What `operation` makes of `state`, which must hold both of its numbers."""
    left = list(state)
    left.remove(operation.left)
    left.remove(operation.right)
    return tuple(sorted((*left, operation.result), reverse=True))


def rest(operation: Operation, after: State) -> list[int]:
    """What `after`, which `operation` leads to, holds beside its result."""
    others = list(after)
    others.remove(operation.result)
    return others


def _leaves(state: State, target: int) -> tuple[tuple[int, ...], Operation | None]:
    """Tokens of the results of the last two numbers, and the operation that reached the target (nothing is written after it)."""
    left, right = state
    named = named_results(target)
    ids = [notation.LEAVES]
    for op in _OPS:
        result = apply(left, op, right)
        if result is not None and result in named:
            ids += notation.number(result)
            if result == target:
                return tuple(ids), Operation(left, op, right, result)
    return tuple(ids), None


def _visit(
    ids: list[int], state: State, target: int, beam: int, path: tuple[Operation, ...], visits: Visits
) -> tuple[Operation, ...] | None:
    """Append the search below `state` to `ids`; return the whole path when it reaches the target."""
    if len(state) == 2:
        leaf_ids, last = _leaves(state, target)
        ids += leaf_ids
        return (*path, last) if last else None
    for operation, after in visits(state, target, beam):
        ids += notation.visit(len(path) + 1, operation, rest(operation, after))
        if found := _visit(ids, after, target, beam, (*path, operation), visits):
            return found
    return None


def _ending(found: tuple[Operation, ...] | None) -> tuple[int, ...]:
    return (*(notation.goal(found) if found else (notation.NONE,)), notation.END)


def serial(problem: Problem, *, beam: int, visits: Visits = promising) -> Trace:
    """The whole search in one thread."""
    ids: list[int] = []
    found = _visit(ids, problem.numbers, problem.target, beam, (), visits)
    return Trace((*ids, *_ending(found)), found)


def child(problem: Problem, *operations: Operation, beam: int, visits: Visits = promising) -> Trace:
    """The search below `operations`: the one that its parent asked for, after those that the parent itself was asked for."""
    ids, after = list[int](), problem.numbers
    for depth, operation in enumerate(operations, start=1):
        after = state_after(after, operation)
        ids += notation.visit(depth, operation, rest(operation, after))
    found = _visit(ids, after, problem.target, beam, operations, visits)
    return Trace((*ids, *_ending(found)), found)


def calls(problem: Problem, *, beam: int, visits: Visits = promising) -> list[Operation]:
    """What a forking parent asks its children to explore."""
    return [operation for operation, _ in visits(problem.numbers, problem.target, beam)]


def calling_block(operations: Sequence[Operation]) -> tuple[int, ...]:
    return (*(token for operation in operations for token in (notation.CALL, *notation.call(operation))), notation.WAIT)


def fitting(operations: Sequence[Operation], room: int, *, path: int = PATH) -> list[Operation]:
    """The first of `operations` whose calls fit into `room` tokens, with room for an answer of `path` tokens once results have replaced them."""
    for number in range(len(operations), 0, -1):
        if max(len(calling_block(operations[:number])), _ENDS + number + 2 * path) <= room:
            return list(operations[:number])
    return []


def far_serial(problem: Problem, visits: Visits = promising) -> Trace:
    """As `serial` for five numbers, in widths that mostly fit a context of 1,024 tokens."""
    return serial(problem, beam=0, visits=lambda state, target, _: visits(state, target, FAR_SERIAL[FAR_SIZE - len(state)]))


def far_calls(problem: Problem, room: int, visits: Visits = promising) -> list[Operation]:
    """As `calls` for five numbers, those that fit into `room` tokens."""
    return fitting(calls(problem, beam=FAR_WIDTHS[0], visits=visits), room, path=FAR_PATH)


def far_child(
    problem: Problem, operation: Operation, room: int, visits: Visits = promising
) -> tuple[tuple[int, ...], list[Operation]]:
    """A child of five numbers: what it writes of its own move, and what it calls for in the rest of `room` tokens."""
    after = state_after(problem.numbers, operation)
    own = notation.visit(1, operation, rest(operation, after))
    moves = [move for move, _ in visits(after, problem.target, FAR_WIDTHS[1])]
    return own, fitting(moves, room - len(own), path=FAR_PATH)


def far_below(problem: Problem, first: Operation, second: Operation, room: int, visits: Visits = promising) -> Trace:
    """The search below two moves of five numbers: of as many states as fit into `room` tokens whatever comes of them, and one at least."""
    ids, state = list[int](), problem.numbers
    for depth, operation in enumerate((first, second), start=1):
        state = state_after(state, operation)
        ids += notation.visit(depth, operation, rest(operation, state))
    for place, (operation, after) in enumerate(visits(state, problem.target, FAR_WIDTHS[2])):
        visit = notation.visit(3, operation, rest(operation, after))
        if place and len(ids) + len(visit) + _LEAF + FAR_PATH > room:
            break
        leaves, last = _leaves(after, problem.target)
        ids += (*visit, *leaves)
        if last:
            path = (first, second, operation, last)
            return Trace((*ids, *_ending(path)), path)
    return Trace((*ids, *_ending(None)), None)


def outline_block(operations: Sequence[Operation]) -> tuple[int, ...]:
    """What a weaving parent writes: the moves to explore, numbered from 1."""
    ids = [notation.PARALLEL, notation.OUTLINES]
    for number, operation in enumerate(operations, start=1):
        ids += (notation.OUTLINE, *notation.number(number), *notation.call(operation))
    return (*ids, notation.OUTLINES_END)


def thread_words(token_ids: Sequence[int]) -> tuple[int, ...]:
    """A child's search as the words of a woven thread: it ends in `</thread>`, because `<end>` is its parent's."""
    return tuple(notation.THREAD_END if token == notation.END else token for token in token_ids)


def final_answer(outcomes: Sequence[tuple[Operation, ...] | None]) -> tuple[int, ...]:
    """What the parent writes after its results block, or its threads: the first path that a child returned, or `<none>`."""
    return _ending(next((path for path in outcomes if path), None))
