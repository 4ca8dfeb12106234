"""The token language in which the shipped model searches: one token for every number below 100, operator and control marker.

    prompts    <bos> <serial> BEAM <target> T <numbers> n n n n <go>
               <bos> <fork> BEAM CHILD_BEAM <target> T <numbers> n n n n <go>
               <bos> <child> BEAM <target> T <numbers> n n n n <call> a op b <go>      one call a generation: a child's child has two
               <bos> <weave> BEAM CHILD_BEAM <target> T <numbers> n n n n <go>
    search     <1> a op b = r rest...        a visited state: the operation that leads there, its result, the other numbers left
               <2> a op b = r rest : x y     with two numbers left, every result inside the target range follows
    fork       <call> a op b <call> a op b ... <wait>
    results    <results> <none> <goal> a op b = r ... <cancelled> ... </results>       one outcome a child, in the order of the calls
    endings    <goal> a op b = r ... <end>     or     <none> <end>
    weave      <parallel> <outlines> <outline> 1 a op b <outline> 2 a op b ... </outlines>     then `thread.protocols.weaver` goes on:
               <thread> 1 search </thread> <thread> 2 search </thread> ... </parallel>        each search ends in </thread>, not <end>

A number of 100 or more takes two tokens: its hundreds (`12_`) and the remainder (`34`). `BEAM` is how many successors of a state are
visited; it is the dial for compute, and 0 (`FREE`) leaves how many, and in which order, to the model. Ids are positions in `VOCABULARY`; `tokenizer.json` of a shipped model is written from it.

Tokens are only ever appended, so a model that was trained on a shorter vocabulary keeps its ids and reads all that it was taught. The
weave markers came after the model of 228 tokens: it knows the other three prompts, and weaving needs a checkpoint with all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from .problem import MAX_NUMBERS, Problem
from .rules import Op, Operation

MAX_VALUE = 9_999
"""Largest number that can be written. Successors above it are not explored: 1 in 3,000 solvable four-number problems needs one."""

FREE = 0
"""The beam of a prompt that leaves it to the model."""

_MARKERS = [
    "<pad>",
    "<bos>",
    "<end>",
    "<serial>",
    "<fork>",
    "<child>",
    "<target>",
    "<numbers>",
    "<go>",
    "<call>",
    "<wait>",
    "<results>",
    "</results>",
    "<goal>",
    "<none>",
    "<cancelled>",
    "<refused>",
    "<cut>",
    "=",
    ":",
    "+",
    "-",
    "*",
    "/",
] + [f"<{depth}>" for depth in range(1, MAX_NUMBERS)]

_WEAVE_MARKERS = ["<weave>", "<parallel>", "</parallel>", "<outlines>", "</outlines>", "<outline>", "<thread>", "</thread>"]

VOCABULARY: tuple[str, ...] = (
    *_MARKERS,
    *map(str, range(100)),
    *(f"{hundreds}_" for hundreds in range(1, 100)),
    *_WEAVE_MARKERS,
)
ID: dict[str, int] = {token: index for index, token in enumerate(VOCABULARY)}

PAD, BOS, END = ID["<pad>"], ID["<bos>"], ID["<end>"]
SERIAL, FORK, CHILD = ID["<serial>"], ID["<fork>"], ID["<child>"]
TARGET, NUMBERS, GO, CALL, WAIT = ID["<target>"], ID["<numbers>"], ID["<go>"], ID["<call>"], ID["<wait>"]
RESULTS, RESULTS_END = ID["<results>"], ID["</results>"]
GOAL, NONE, CANCELLED, REFUSED, CUT = ID["<goal>"], ID["<none>"], ID["<cancelled>"], ID["<refused>"], ID["<cut>"]
EQUALS, LEAVES = ID["="], ID[":"]
WEAVE, PARALLEL, PARALLEL_END = ID["<weave>"], ID["<parallel>"], ID["</parallel>"]
OUTLINES, OUTLINES_END, OUTLINE = ID["<outlines>"], ID["</outlines>"], ID["<outline>"]
THREAD, THREAD_END = ID["<thread>"], ID["</thread>"]
_DEPTHS = [ID[f"<{depth}>"] for depth in range(1, MAX_NUMBERS)]
OPS: dict[int, Op] = {ID[op]: cast(Op, op) for op in "+-*/"}
_ZERO, _HUNDRED = ID["0"], ID["1_"]
_AFTER_NUMBERS = ID["99_"] + 1


def number(value: int) -> tuple[int, ...]:
    """One token below 100, two up to `MAX_VALUE`."""
    assert 0 <= value <= MAX_VALUE, value
    if value < 100:
        return (_ZERO + value,)
    return (_HUNDRED + value // 100 - 1, _ZERO + value % 100)


def numbers(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(token for value in values for token in number(value))


def call(operation: Operation) -> tuple[int, ...]:
    """`a op b`: what a parent asks a child to explore."""
    return (*number(operation.left), ID[operation.op], *number(operation.right))


def claim(operation: Operation) -> tuple[int, ...]:
    """`a op b = r`."""
    return (*call(operation), EQUALS, *number(operation.result))


def visit(depth: int, operation: Operation, rest: Iterable[int]) -> tuple[int, ...]:
    return (_DEPTHS[depth - 1], *claim(operation), *numbers(rest))


def goal(path: Iterable[Operation]) -> tuple[int, ...]:
    return (GOAL, *(token for operation in path for token in claim(operation)))


def _task(problem: Problem) -> tuple[int, ...]:
    return (TARGET, *number(problem.target), NUMBERS, *numbers(problem.numbers))


def serial_prompt(problem: Problem, *, beam: int) -> tuple[int, ...]:
    return (BOS, SERIAL, *number(beam), *_task(problem), GO)


def fork_prompt(problem: Problem, *, beam: int, child_beam: int) -> tuple[int, ...]:
    return (BOS, FORK, *number(beam), *number(child_beam), *_task(problem), GO)


def weave_prompt(problem: Problem, *, beam: int, child_beam: int) -> tuple[int, ...]:
    return (BOS, WEAVE, *number(beam), *number(child_beam), *_task(problem), GO)


def child_prompt(parent_prompt: Sequence[int], spec: Sequence[int]) -> tuple[int, ...]:
    """A child's fresh context, made from its parent's prompt and the tokens between `<call>` and the next marker."""
    task = parent_prompt.index(TARGET)
    child_beam = parent_prompt[task - 1]
    return (BOS, CHILD, child_beam, *parent_prompt[task:-1], CALL, *spec, GO)


def read_numbers(ids: Sequence[int]) -> list[int] | None:
    """The numbers that `ids` spell, or None when they are not all number tokens in a possible order."""
    values: list[int] = []
    hundreds = 0
    for token in ids:
        if _HUNDRED <= token < _AFTER_NUMBERS and not hundreds:
            hundreds = token - _HUNDRED + 1
        elif _ZERO <= token < _HUNDRED:
            values.append(100 * hundreds + token - _ZERO)
            hundreds = 0
        else:
            return None
    return None if hundreds else values


def read_path(ids: Sequence[int]) -> list[Operation] | None:
    """The operations after the last `<goal>` of `ids`, up to `<end>`; None when there is no goal or it is malformed."""
    if GOAL not in ids:
        return None
    start = len(ids) - 1 - list(reversed(ids)).index(GOAL) + 1
    body = list(ids[start:])
    if body and body[-1] == END:
        body.pop()
    operations: list[Operation] = []
    while body:
        op_at = next((i for i, token in enumerate(body) if token in OPS), None)
        if op_at is None or EQUALS not in body:
            return None
        equals_at = body.index(EQUALS)
        # The result ends where its number does: one token, or two when the first is a hundreds token.
        end = equals_at + (3 if equals_at + 1 < len(body) and _HUNDRED <= body[equals_at + 1] < _AFTER_NUMBERS else 2)
        left, right = read_numbers(body[:op_at]), read_numbers(body[op_at + 1 : equals_at])
        result = read_numbers(body[equals_at + 1 : end])
        if not (left and right and result and len(left) == len(right) == len(result) == 1):
            return None
        operations.append(Operation(left[0], OPS[body[op_at]], right[0], result[0]))
        body = body[end:]
    return operations


def explored(sampled: Sequence[int]) -> int:
    """Operations whose result the model wrote while it searched: a measure of work that no tokenizer changes.

    Counts every visited state and every leaf result; calls and the repeated final path are not exploration. A child computes the move that
    it was called for, which its parent has only named. A child of a child computes its parent's move again: that is counted again, as its
    tokens are, because it is work that a fork costs (9 % of the count in windows of 92 tokens).
    """
    count, in_leaves, in_path = 0, False, False
    for previous, token in zip((0, *sampled), sampled, strict=False):
        if token in (GOAL, RESULTS):
            in_path = True
        elif token in _DEPTHS:
            in_leaves = in_path = False
            count += 1
        elif token == LEAVES:
            in_leaves = True
        elif in_leaves and not in_path and _ZERO <= token < _AFTER_NUMBERS and previous < _HUNDRED:
            count += 1  # the second token of a large number is no result of its own
    return count


def text(ids: Sequence[int]) -> str:
    """Human-readable form: tokens joined by spaces, a number's two tokens joined into one."""
    words: list[str] = []
    for token in ids:
        word = VOCABULARY[token] if 0 <= token < len(VOCABULARY) else f"<id {token}>"
        if words and words[-1].endswith("_") and word.isdigit():
            words[-1] = words[-1][:-1] + word.zfill(2)
        else:
            words.append(word)
    return " ".join(words)
