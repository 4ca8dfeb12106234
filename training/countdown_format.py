"""Whether what a model wrote in Countdown's token language is well formed, judged on the forks and ends that were executed."""

from __future__ import annotations

from collections.abc import Sequence

from orchestra.countdown import notation
from orchestra.countdown.attempt import WEAVE, Attempt
from orchestra.countdown.problem import Problem
from orchestra.countdown.rules import Operation, apply
from orchestra.countdown.search import state_after
from orchestra.thread import Thread
from orchestra.thread.tree import Segment


def malformed_parts(attempt: Attempt) -> int:
    """Blocks that call nothing or are malformed, calls and outlines that are no legal move on the problem's numbers, and threads that end by
    themselves without `<goal>` or `<none>`, or in a weave with an end that is not theirs. Refused calls count elsewhere unless they are malformed too."""
    woven = attempt.tree.protocol == WEAVE.name
    count = 0
    for thread in attempt.tree.threads:
        if woven:
            count += _malformed_outlines(attempt.problem, thread)
        else:
            count += sum(not fork.children for fork in thread.forks)
            count += thread.depth > 0 and moves(attempt.problem, thread.prompt) is None
        if thread.status == "finished":
            words = thread.last_words
            own = notation.THREAD_END if thread.depth else notation.END
            count += not {notation.GOAL, notation.NONE} & set(words) or (woven and words[-1] != own)
    return count


def called(numbers: Sequence[int], spec: Sequence[int]) -> Operation | None:
    """The operation of `a op b`, if both are among `numbers` and its result is one that the rules allow and the notation can write."""
    place = next((i for i, token in enumerate(spec) if token in notation.OPS), None)
    if place is None:
        return None
    left, right = notation.read_numbers(spec[:place]), notation.read_numbers(spec[place + 1 :])
    if not (left and right and len(left) == len(right) == 1):
        return None
    rest = list(numbers)
    for operand in (*left, *right):
        if operand not in rest:
            return None
        rest.remove(operand)
    op = notation.OPS[spec[place]]
    result = apply(left[0], op, right[0])
    return None if result is None or result > notation.MAX_VALUE else Operation(left[0], op, right[0], result)


def moves(problem: Problem, prompt: Sequence[int]) -> list[Operation] | None:
    """What a child with this prompt was called for, one operation a generation; None where one of them is no legal move after those before it."""
    state, found = problem.numbers, list[Operation]()
    for spec in _specs(prompt):
        operation = called(state, spec)
        if operation is None:
            return None
        state = state_after(state, operation)
        found.append(operation)
    return found


def _specs(prompt: Sequence[int]) -> list[list[int]]:
    """The tokens between the calls of a child's prompt, and before its end."""
    specs: list[list[int]] = []
    for token in prompt[prompt.index(notation.CALL) : -1]:
        if token == notation.CALL:
            specs.append([])
        else:
            specs[-1].append(token)
    return specs


def _malformed_outlines(problem: Problem, thread: Thread) -> int:
    count = 0
    block: Sequence[int] = ()
    for item in thread.items:
        if isinstance(item, Segment):
            block = item.token_ids
        else:
            outlines = WEAVE.outlines(block)
            count += 1 if outlines is None else sum(called(problem.numbers, words) is None for words in outlines)
    return count
