"""What a flawless model writes after a prompt that leaves widths and order to it: any legal search is right, so the one that was written is
followed, move by move, and has to come out as it was written."""

from __future__ import annotations

from collections.abc import Sequence

from orchestra.countdown import notation, search
from orchestra.countdown.problem import MAX_NUMBERS
from orchestra.countdown.rules import Operation, State, successors

from ..countdown_format import called

ALL = 1_000
"""More successors than a state has."""
_DEPTHS = {notation.visit(depth, Operation(1, "+", 1, 2), ())[0]: depth for depth in range(1, MAX_NUMBERS)}
"""The tokens that visits begin with."""


class Followed:
    """A `search.Visits` that visits what `words` visit, as far as it is legal and none comes twice, and the most promising move where they
    visit nothing.

    A search asks for the successors of states with more than two numbers, in the order in which their visits are written.
    """

    def __init__(self, words: Sequence[int], *, numbers: int, below: int = 0, calls: bool = False) -> None:
        """`below` is the depth of the first state: a child starts after the visits of its own moves. With `calls` it need not be searched:
        others are called for what it leads to."""
        self._words = tuple(words)
        self._numbers = numbers
        self._calls = calls
        visits = [(place, _DEPTHS[token]) for place, token in enumerate(words) if token in _DEPTHS][below:]
        asked = [(0, below), *((number, depth) for number, (_, depth) in enumerate(visits, start=1) if numbers - depth > 2)]
        self._children: list[list[int]] = []
        for number, depth in asked:
            end = next((later for later in range(number, len(visits)) if visits[later][1] <= depth), len(visits))
            self._children.append([place for place, at in visits[number:end] if at == depth + 1])
        self._asked = 0

    def __call__(self, state: State, target: int, beam: int) -> list[tuple[Operation, State]]:
        legal = search.promising(state, target, ALL)
        depth = self._numbers - len(state) + 1
        found: list[tuple[Operation, State]] = []
        places = self._children[self._asked] if self._asked < len(self._children) else []
        self._asked += 1
        for place in places:
            for operation, after in legal:
                visit = notation.visit(depth, operation, search.rest(operation, after))
                if self._words[place : place + len(visit)] == visit and (operation, after) not in found:
                    found.append((operation, after))
                    break
        return found if found or (self._calls and self._asked == 1) else legal[:1]


def calling_block(state: State, allowed: Sequence[State], words: Sequence[int]) -> tuple[int, ...]:
    """The calls of `words` that lead from `state` to one of the `allowed` ones, each once; one for the first of these where there is none."""
    specs: list[list[int]] = []
    for token in words:
        if token == notation.CALL:
            specs.append([])
        elif specs and token != notation.WAIT:
            specs[-1].append(token)
    moves: dict[State, Operation] = {}
    for spec in specs:
        if (move := called(state, spec)) and (after := search.state_after(state, move)) in allowed:
            moves.setdefault(after, move)
    return search.calling_block([*moves.values()] or [move for move, after in successors(state) if after == allowed[0]])


def whole_visits(words: tuple[int, ...]) -> tuple[int, ...]:
    """Of a search that was cut: what it wrote before its last visit."""
    return words[: max((place for place, token in enumerate(words) if token in _DEPTHS), default=0)]
