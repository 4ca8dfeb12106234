"""Five numbers, targets to 1,000: demonstrations of forks over two generations, as `nesting.py` has them for four.

    root     <call> a op b <call> … <wait>                              as many calls as its window holds
    child    <1> a op b = r x y z <call> c op d <call> … <wait>         searches nothing itself; the block is replaced by its results
    below    <1> a op b = r x y z <2> c op d = s x y <3> … : … <3> …    as many states as its window holds

Widths and what fits are those of `orchestra.countdown.search` (`FAR_WIDTHS`), which the scripted player keeps to as well.
"""

from __future__ import annotations

from orchestra.countdown import notation, search
from orchestra.countdown.problem import Problem
from orchestra.countdown.rules import Operation

from .nesting import Child
from .packing import Demonstration

SIZE = search.FAR_SIZE
LEAST_WINDOW = 128
"""In narrower ones threads have room for too few states to be of use."""


def serial(problem: Problem, visits: search.Visits = search.promising) -> Demonstration:
    """One search in one context, in widths that let it end within 1,024 tokens."""
    return Demonstration(notation.serial_prompt(problem, beam=notation.FREE), search.far_serial(problem, visits).token_ids)


def child(
    problem: Problem, operation: Operation, *, parent: tuple[int, ...], window: int, visits: search.Visits = search.promising
) -> Child:
    """The child that the root of a problem with five numbers called for `operation`, and the threads below it."""
    prompt = notation.child_prompt(parent, notation.call(operation))
    own, called = search.far_child(problem, operation, window - len(prompt), visits)
    below = []
    for move in called:
        room = window - len(notation.child_prompt(prompt, notation.call(move)))
        below.append(search.far_below(problem, operation, move, room, visits))
    return Child(prompt, operation, own, None, tuple(called), tuple(below))
