"""Whether what a model wrote in Countdown's token language is well formed, judged on the forks and ends that were executed."""

from __future__ import annotations

from orchestra.countdown import notation
from orchestra.countdown.attempt import Attempt
from orchestra.countdown.rules import apply
from orchestra.thread import Thread


def malformed_parts(attempt: Attempt) -> int:
    """Calling blocks without a call, calls that are no operation which the rules allow on the problem's numbers, and threads that end by
    themselves without `<goal>` or `<none>`. Refused calls count elsewhere unless they are malformed too."""
    count = 0
    for thread in attempt.tree.threads:
        count += sum(not fork.children for fork in thread.forks)
        count += thread.depth > 0 and not _legal(thread, attempt.problem.numbers)
        count += thread.status == "finished" and not {notation.GOAL, notation.NONE} & set(thread.last_words)
    return count


def _legal(child: Thread, numbers: tuple[int, ...]) -> bool:
    prompt = list(child.prompt)
    spec = prompt[len(prompt) - 1 - prompt[::-1].index(notation.CALL) + 1 : -1]
    op_at = next((i for i, token in enumerate(spec) if token in notation.OPS), None)
    if op_at is None:
        return False
    left, right = notation.read_numbers(spec[:op_at]), notation.read_numbers(spec[op_at + 1 :])
    if not (left and right and len(left) == len(right) == 1):
        return False
    rest = list(numbers)
    for operand in (left[0], right[0]):
        if operand not in rest:
            return False
        rest.remove(operand)
    return apply(left[0], notation.OPS[spec[op_at]], right[0]) is not None
