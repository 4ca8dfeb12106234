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
from .problem import TARGETS, Problem
from .rules import Op, Operation, State, apply, successors

PATH = 20
"""Tokens of `<goal>` and of three operations of which one has a result of two tokens; few paths are longer."""
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
    ids = [notation.LEAVES]
    for op in _OPS:
        result = apply(left, op, right)
        if result is not None and result in TARGETS:
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


def fitting(operations: Sequence[Operation], room: int) -> list[Operation]:
    """The first of `operations` whose calls fit into `room` tokens, with room for an answer once results have replaced them."""
    for number in range(len(operations), 0, -1):
        if max(len(calling_block(operations[:number])), _ENDS + number + 2 * PATH) <= room:
            return list(operations[:number])
    return []


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
