"""A flawless player for the scripted engine: reads a prompt in `notation`, answers with the symbolic search.

`orchestra eval countdown --engine scripted` runs the whole command line on it, with no model and no GPU: an upper bound for a model that
imitates the search, and a fast fixture for tests.

Where a prompt leaves the widths to it and it knows its window, it forks so that every context fits: a child whose search would not fit
searches the most promising state itself and calls children of its own for the others, one state each. At five numbers every child calls
children of its own, which search some states each (`search.FAR_WIDTHS`).
"""

from __future__ import annotations

from collections.abc import Sequence

from . import notation, search
from .attempt import BEAMS, CHILD_BEAM, WEAVE
from .problem import Problem
from .rules import Operation, apply


def answer(prompt: Sequence[int], *, window: int | None = None) -> tuple[int, ...]:
    """What a perfect model writes after `prompt`: a search, a calling block or outlines, or the final words after what children returned.

    `window` is how many tokens a context may hold; it matters only after prompts that leave widths to the player.
    """
    prompt = tuple(prompt)
    mode, go = prompt[1], prompt.index(notation.GO)
    head = notation.read_numbers(prompt[2 : prompt.index(notation.TARGET)])
    target = notation.read_numbers(prompt[prompt.index(notation.TARGET) + 1 : prompt.index(notation.NUMBERS)])
    end = prompt.index(notation.CALL) if notation.CALL in prompt[:go] else go
    numbers = notation.read_numbers(prompt[prompt.index(notation.NUMBERS) + 1 : end])
    assert head and target and numbers, notation.text(prompt)
    problem = Problem(tuple(numbers), target[0])
    far = len(numbers) == search.FAR_SIZE and window is not None and not head[0]
    if mode == notation.SERIAL:
        if far:
            return search.far_serial(problem).token_ids
        return search.serial(problem, beam=head[0] or BEAMS["serial"]).token_ids
    if mode == notation.WEAVE:
        return _woven(problem, head[0] or BEAMS["weave"], head[1] or CHILD_BEAM, prompt[go + 1 :])
    if prompt[-1] == notation.RESULTS_END:
        return search.final_answer([_first_path(prompt[go + 1 : -1])])
    room = None if window is None or head[0] else window - len(prompt)
    if room is not None and far:
        return _far(problem, _specs(prompt[end:go]), room)
    if mode == notation.CHILD:
        return _child(problem, _specs(prompt[end:go]), beam=head[0] or CHILD_BEAM, room=room)
    calls = search.calls(problem, beam=head[0] or BEAMS["fork"])
    return search.calling_block(calls if room is None else search.fitting(calls, room))


def _far(problem: Problem, operations: Sequence[Operation], room: int) -> tuple[int, ...]:
    """A root of five numbers, a child of it, or a thread below a child."""
    match operations:
        case []:
            return search.calling_block(search.far_calls(problem, room))
        case [operation]:
            own, called = search.far_child(problem, operation, room)
            return (*own, *(search.calling_block(called) if called else search.final_answer([])))
        case [first, second]:
            return search.far_below(problem, first, second, room).token_ids
    return search.final_answer([])  # called for a generation that no search of five numbers needs


def _child(problem: Problem, operations: Sequence[Operation], *, beam: int, room: int | None) -> tuple[int, ...]:
    """The search below `operations`, or as much of it as leaves room to call for the rest."""
    alone = search.child(problem, *operations, beam=beam)
    if room is None or len(alone.token_ids) <= room:
        return alone.token_ids
    state = problem.numbers
    for operation in operations:
        state = search.state_after(state, operation)
    moves = [move for move, _ in search.promising(state, problem.target, beam)] if len(state) > 2 else []
    for looks in (1, 0):
        own = search.child(problem, *operations, *moves[:looks], beam=beam if looks else 0)
        if looks and own.path:
            return own.token_ids
        called = search.fitting(moves[looks:], room - len(own.searched))
        if called and (len(called) == len(moves) - looks or not looks):
            return (*own.searched, *search.calling_block(called))
    return alone.token_ids


def _woven(problem: Problem, beam: int, child_beam: int, after: Sequence[int]) -> tuple[int, ...]:
    """`after` is what stands behind the task: nothing, outlines and the head of one thread, or outlines and all threads."""
    if not after:
        return search.outline_block(search.calls(problem, beam=beam))
    shown = after.index(notation.OUTLINES_END) + 1
    if after[-1] == notation.PARALLEL_END:
        threads: list[list[int]] = [[]]
        for token in after[shown:]:
            threads[-1].append(token)
            if token == notation.THREAD_END:
                threads.append([])
        # A path without its end is malformed: the thread was cut in it.
        paths = [notation.read_path(words[:-1]) for words in threads]
        return search.final_answer([tuple(path) if path else None for path in paths])
    outlines, numbers = WEAVE.outlines(after[:shown]), notation.read_numbers(after[-1:])
    assert outlines and numbers and 0 < numbers[0] <= len(outlines), notation.text(after)
    return search.thread_words(search.child(problem, _called(outlines[numbers[0] - 1]), beam=child_beam).token_ids)


def _specs(calls: Sequence[int]) -> list[Operation]:
    """What a child's prompt calls it for, one operation a generation."""
    specs: list[list[int]] = []
    for token in calls:
        if token == notation.CALL:
            specs.append([])
        else:
            specs[-1].append(token)
    return [_called(spec) for spec in specs]


def _called(spec: Sequence[int]) -> Operation:
    op_at = next(i for i, token in enumerate(spec) if token in notation.OPS)
    left, right = notation.read_numbers(spec[:op_at]), notation.read_numbers(spec[op_at + 1 :])
    assert left and right, notation.text(spec)
    op = notation.OPS[spec[op_at]]
    result = apply(left[0], op, right[0])
    assert result is not None, notation.text(spec)
    return Operation(left[0], op, right[0], result)


def _first_path(results: Sequence[int]) -> tuple[Operation, ...] | None:
    """The path of the first `<goal>` in a results block."""
    if notation.GOAL not in results:
        return None
    start = results.index(notation.GOAL)
    outcome = (notation.GOAL, notation.NONE, notation.CANCELLED, notation.REFUSED, notation.CUT)
    end = next((i for i in range(start + 1, len(results)) if results[i] in outcome), len(results))
    path = notation.read_path(results[start:end])
    return tuple(path) if path else None
