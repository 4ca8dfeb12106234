"""What a flawless model writes after a prompt, from nothing but the prompt.

This is the leak check: a demonstration whose target equals `expected` of its own prompt depends on nothing that the prompt does not show,
whoever made it. Nothing here is shared with the converters except the grammar and the symbolic search.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestra.countdown import notation, search
from orchestra.countdown.attempt import WEAVE
from orchestra.countdown.problem import Problem

from ..countdown_format import moves
from . import nested
from .followed import ALL, Followed, calling_block
from .nested import path_of, strange


def expected(prompt: Sequence[int], written: Sequence[int] = ()) -> tuple[Problem, tuple[int, ...]]:
    """The problem that `prompt` poses and the tokens that follow. Where it leaves widths and order to the model, they are those of what was
    `written`, as far as that is legal. Raises `ProblemError` for a prompt that no run could hold."""
    prompt = tuple(prompt)
    if notation.GO not in prompt:
        raise strange(prompt, "it has no <go>")
    go = prompt.index(notation.GO)
    head, after = prompt[: go + 1], prompt[go + 1 :]
    problem, beams = _task(head)
    match head[1]:
        case notation.SERIAL if len(beams) == 1:
            if head != notation.serial_prompt(problem, beam=beams[0]) or after:
                raise strange(prompt, "it is not as `serial_prompt` writes it")
            if beams[0] == notation.FREE:
                return problem, search.serial(problem, beam=0, visits=Followed(written, numbers=len(problem.numbers))).token_ids
            return problem, search.serial(problem, beam=beams[0]).token_ids
        case notation.CHILD if len(beams) == 1 and notation.CALL in head:
            return problem, _child(problem, head, beams[0], after, written)
        case notation.FORK if len(beams) == 2:
            if head != notation.fork_prompt(problem, beam=beams[0], child_beam=beams[1]):
                raise strange(prompt, "it is not as `fork_prompt` writes it")
            return problem, _forked(problem, beams[0], after, written)
        case notation.WEAVE if len(beams) == 2:
            if head != notation.weave_prompt(problem, beam=beams[0], child_beam=beams[1]):
                raise strange(prompt, "it is not as `weave_prompt` writes it")
            return problem, _woven(problem, beams[0], beams[1], after)
    raise strange(prompt, "its head is in no mode")


def _task(head: tuple[int, ...]) -> tuple[Problem, list[int]]:
    """The problem of a prompt's head, and its beams."""
    if notation.TARGET not in head or notation.NUMBERS not in head:
        raise strange(head, "it names no target or no numbers")
    task, listed = head.index(notation.TARGET), head.index(notation.NUMBERS)
    end = head.index(notation.CALL) if notation.CALL in head else len(head) - 1
    beams, target = notation.read_numbers(head[2:task]), notation.read_numbers(head[task + 1 : listed])
    numbers = notation.read_numbers(head[listed + 1 : end])
    if not (beams and all(0 <= beam < 100 for beam in beams) and target and len(target) == 1 and numbers):
        raise strange(head, "its beams, target or numbers are no numbers")
    return Problem(tuple(numbers), target[0]), beams


def _child(problem: Problem, head: tuple[int, ...], beam: int, after: tuple[int, ...], written: Sequence[int]) -> tuple[int, ...]:
    operations = moves(problem, head)
    if operations is None:
        raise strange(head, "its call is no legal move")
    if len(operations) > len(problem.numbers) - 2:
        raise strange(head, "its calls leave it nothing to search")
    prompt = notation.fork_prompt(problem, beam=1, child_beam=beam)
    for operation in operations:
        prompt = notation.child_prompt(prompt, notation.call(operation))
    if head != prompt:
        raise strange(head, "it is not as `child_prompt` writes it")
    if beam == notation.FREE:
        return nested.last_turn(problem, operations, after) if after else nested.first_turn(problem, operations, written)
    if after or len(operations) > 1:
        raise strange((*head, *after), "children of a given width do not fork")
    return search.child(problem, *operations, beam=beam).token_ids


def _forked(problem: Problem, beam: int, after: tuple[int, ...], written: Sequence[int]) -> tuple[int, ...]:
    if not after:
        if beam != notation.FREE:
            return search.calling_block(search.calls(problem, beam=beam))
        allowed = [state for _, state in search.promising(problem.numbers, problem.target, ALL)]
        return calling_block(problem.numbers, allowed, written)
    outcomes = nested.read_outcomes(after)
    if beam != notation.FREE and len(outcomes) != (called_for := len(search.calls(problem, beam=beam))):
        raise strange(after, f"{len(outcomes)} outcomes of {called_for} calls")
    return search.final_answer([path_of(problem, outcome) for outcome in outcomes])


def _woven(problem: Problem, beam: int, child_beam: int, after: tuple[int, ...]) -> tuple[int, ...]:
    operations = search.calls(problem, beam=beam)
    outlines = search.outline_block(operations)
    if not after:
        return outlines
    if after[: len(outlines)] != outlines:
        raise strange(after, "its outlines are not the most promising moves")
    rest = after[len(outlines) :]
    headers = {WEAVE.header(number): operation for number, operation in enumerate(operations, start=1)}
    if rest in headers:
        return search.thread_words(search.child(problem, headers[rest], beam=child_beam).token_ids)
    return search.final_answer([path_of(problem, words) for words in _threads(rest, list(headers))])


def _threads(rest: tuple[int, ...], headers: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The words of each thread of a join, in the order of the outlines."""
    threads: list[tuple[int, ...]] = []
    left = rest
    for header in headers:
        if left[: len(header)] != header or notation.THREAD_END not in left:
            raise strange(rest, "no join of all threads, one thread, or nothing after the outlines")
        end = left.index(notation.THREAD_END)
        threads.append(left[len(header) : end])
        left = left[end + 1 :]
    if left != (notation.PARALLEL_END,):
        raise strange(rest, "it goes on after its last thread")
    return threads
