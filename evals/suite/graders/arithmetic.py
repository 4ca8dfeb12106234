r"""Answers that are an arithmetic expression of given numbers: Countdown and the Game of 24.

The expression is parsed and walked, never evaluated as Python. Its numbers are counted first, so that what is computed is bounded
by the problem, and its value is exact: divisions give fractions.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from orchestra.answers import Equivalence, extract

from ...problem import Grade, Problem
from .mathematics import NO_ANSWER
from .said import last_line

_LONGEST = 300
"""Characters of an expression."""
_DEEPEST = 40
_WRITTEN = str.maketrans(
    {"×": "*", "·": "*", "⋅": "*", "∙": "*", "÷": "/", "∕": "/", "−": "-", "–": "-", "[": "(", "]": ")", "\u00a0": " "}
)
_LATEX = (
    (re.compile(r"\\(?:left|right|displaystyle|[,;:!])|\\[()\[\]]|\$"), ""),
    (re.compile(r"\\(?:times|cdot|ast)(?![a-zA-Z])"), "*"),
    (re.compile(r"\\div(?![a-zA-Z])"), "/"),
    (re.compile(r"\\text\{\s*\}"), ""),
)
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_TIMES = re.compile(r"(?<=[\d)])\s*[xX]\s*(?=[\d(])")
_BESIDE = re.compile(r"(?<=[\d)])\s*(?=\()|(?<=\))\s*(?=\d)")
"""Where a product has no sign: (8-2)(7-3)."""
_AFTERWARDS = re.compile(r"(?<=[\d)])[^\d+*/().=-]+$")
"""Signs and words behind the expression that are no part of it."""
_PLAIN = re.compile(r"[\d\s+*/().-]+")
_NUMBER = re.compile(r"\s*-?\d+(?:\.\d+|\s*/\s*\d+)?\s*")
_EXPRESSION_AT_END = re.compile(r"[\d(][\d\s+*/().=-]*$")


class _Wrong(Exception):
    """The expression is none, or against the rules; the message is the flaw."""


async def arithmetic(problem: Problem, text: str, same: Equivalence) -> Grade:
    """Grades by `problem.data`: "numbers", each to be used exactly once, and "target"."""
    answer = extract(text) or last_line(text)
    if answer is None:
        return Grade(correct=False, answer=None, flaw=NO_ANSWER)
    try:
        expression = _the_expression(answer)
        value = _value(expression, problem.data["numbers"])
    except _Wrong as error:
        return Grade(correct=False, answer=answer[:_LONGEST], flaw=str(error))
    target = Fraction(problem.data["target"])
    return Grade(correct=value == target, answer=expression, flaw=None if value == target else f"is {value}, not {target}")


def _the_expression(answer: str) -> str:
    """The side of an equation that is more than a number, in Python's signs. Raises `_Wrong`."""
    plain = answer[: 4 * _LONGEST].translate(_WRITTEN)
    for pattern, replacement in _LATEX:
        plain = pattern.sub(replacement, plain)
    plain = _BESIDE.sub("*", _TIMES.sub("*", plain))
    for _ in range(_DEEPEST):
        plain, changed = _FRACTION.subn(r"((\1)/(\2))", plain)
        if not changed:
            break
    plain = _AFTERWARDS.sub("", plain.strip(" \t\n*_`.,;"))
    if not _PLAIN.fullmatch(plain.replace("=", " ")) and (found := _EXPRESSION_AT_END.search(plain)):
        plain = found[0]  # "So we get (1+2)*8"
    sides = [side.strip() for side in plain.split("=")]
    expressions = [side for side in sides if not _NUMBER.fullmatch(side) or "/" in side]
    if len(sides) > 2 or len(expressions) > 1:
        raise _Wrong("is a chain of equations: one expression is asked for")
    expression = expressions[0] if expressions else sides[0]
    if len(expression) > _LONGEST:
        raise _Wrong(f"has more than {_LONGEST} characters")
    if not _PLAIN.fullmatch(expression):
        raise _Wrong("is no arithmetic expression")
    return " ".join(expression.split())


def _value(expression: str, numbers: Sequence[int]) -> Fraction:
    try:
        tree = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _Wrong("is no arithmetic expression") from None
    used = Counter(_numbers(tree, _DEEPEST))
    if used != Counter(numbers):
        raise _Wrong(f"uses {sorted(used.elements())}, not each of {sorted(numbers)} once")
    return _walk(tree)


def _numbers(node: ast.expr, depth: int) -> list[int]:
    """Of all leaves, left to right. Raises `_Wrong` for anything that is neither a whole number nor one of the four operations."""
    if depth == 0:
        raise _Wrong("is nested too deeply")
    match node:
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            return [value]
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()):
            return _numbers(node.left, depth - 1) + _numbers(node.right, depth - 1)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
            raise _Wrong("has a sign that is none of the four operations")
        case _:
            raise _Wrong("has something other than whole numbers, + - * / and parentheses")


def _walk(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant):
        assert isinstance(node.value, int)
        return Fraction(node.value)
    assert isinstance(node, ast.BinOp)
    left, right = _walk(node.left), _walk(node.right)
    match node.op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case _:
            if right == 0:
                raise _Wrong("divides by zero")
            return left / right
