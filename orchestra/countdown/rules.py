"""The rules of Countdown: operations, the successors of a state, and exact verification. Nothing a model writes is ever evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Op = Literal["+", "-", "*", "/"]
State = tuple[int, ...]
"""The numbers that are left, in descending order."""


@dataclass(frozen=True, slots=True)
class Operation:
    """`left op right = result`, as claimed: `verify` tells whether it is true."""

    left: int
    op: Op
    right: int
    result: int

    def __str__(self) -> str:
        return f"{self.left} {self.op} {self.right} = {self.result}"


def apply(left: int, op: Op, right: int) -> int | None:
    """The value, or None where the rules forbid it (a negative or fractional result, division by zero)."""
    match op:
        case "+":
            return left + right
        case "-":
            return left - right if left >= right else None
        case "*":
            return left * right
        case "/":
            return left // right if right and left % right == 0 else None


def successors(state: State) -> list[tuple[Operation, State]]:
    """Every operation on two numbers of `state` with the state it leads to; of several that lead to the same state, the first."""
    found: dict[State, Operation] = {}
    for i, left in enumerate(state):
        for j in range(i + 1, len(state)):
            right = state[j]
            rest = state[:i] + state[i + 1 : j] + state[j + 1 :]
            results: list[tuple[Op, int]] = [("+", left + right), ("-", left - right), ("*", left * right)]
            if right and left % right == 0:
                results.append(("/", left // right))
            for op, result in results:
                after = tuple(sorted((*rest, result), reverse=True))
                if after not in found:
                    found[after] = Operation(left, op, right, result)
    return [(operation, after) for after, operation in found.items()]


def verify(numbers: Sequence[int], target: int, operations: Sequence[Operation]) -> str | None:
    """Why `operations` do not solve the problem, or None when they do.

    They do when each one takes two numbers that are there, its result is arithmetically right, one number is left and it is the target.
    """
    left = list(numbers)
    for operation in operations:
        for operand in (operation.left, operation.right):
            if operand not in left:
                return f"`{operation}` uses {operand}, but the numbers left are {sorted(left, reverse=True)}"
            left.remove(operand)
        if apply(operation.left, operation.op, operation.right) != operation.result:
            return f"`{operation}` is not true"
        left.append(operation.result)
    if len(left) != 1:
        return f"{len(left)} numbers are left: {sorted(left, reverse=True)}"
    if left[0] != target:
        return f"the last value is {left[0]}, not the target {target}"
    return None


_BARE_ON_THE_RIGHT: dict[Op, str] = {"+": "+-*/", "-": "*/", "*": "*", "/": ""}
"""Operations whose result needs no parentheses as the right operand of another. `a*(b/c)` keeps them: read from left to right,
`a*b/c` is a different, though equal, calculation."""


def expression(numbers: Sequence[int], operations: Sequence[Operation]) -> str:
    """One arithmetic expression for verified `operations`, such as `(8-6)*(4+1)`. Call `verify` first."""
    terms: list[tuple[int, str, Op | None]] = [(n, str(n), None) for n in numbers]

    def take(value: int) -> tuple[str, Op | None]:
        index = next(i for i, term in enumerate(terms) if term[0] == value)
        _, text, op = terms.pop(index)
        return text, op

    for operation in operations:
        left, left_op = take(operation.left)
        right, right_op = take(operation.right)
        if operation.op in "*/" and left_op in ("+", "-"):
            left = f"({left})"
        if right_op and right_op not in _BARE_ON_THE_RIGHT[operation.op]:
            right = f"({right})"
        terms.append((operation.result, f"{left}{operation.op}{right}", operation.op))
    return terms[0][1]
