"""Arithmetic as a tool: the value of an expression, found by walking its syntax tree. Nothing is ever evaluated as Python.

Whole numbers stay exact: `+ - *`, `//`, `%`, powers and divisions without remainder of integers give integers of any size up to
`MAX_DIGITS`. What would exceed a limit is refused before it is computed.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable

from ..errors import ToolError

MAX_LENGTH = 1_000
"""Characters of an expression."""
MAX_DEPTH = 50
"""Levels of its syntax tree; far below where Python's parser or our walk would overflow the stack."""
MAX_DIGITS = 1_000
"""Decimal digits of an integer result; `str` itself refuses above 4,300."""

Number = int | float

_MAX_BITS = math.floor(MAX_DIGITS * math.log2(10))
_TYPOGRAPHY = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-"})
_THOUSANDS = re.compile(r"(?<![\w.])\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d)")


def arithmetic(expression: str) -> int | float:
    """Compute the value of an arithmetic expression.

    Numbers, parentheses, + - * / // % and ** (power); the constants pi and e; the functions sqrt, abs, round, floor, ceil, exp, log
    (natural, or log(x, base)), log2, log10, sin, cos, tan, factorial, gcd, and min, max, sum of several numbers. Write numbers without
    thousands separators. Whole results are exact.

    Args:
        expression: For example "(3 + 5) * 7 / 2" or "sqrt(2) * round(10 / 3, 2)".
    """
    if len(expression) > MAX_LENGTH:
        raise ToolError(
            f"the expression has {len(expression):,} characters, at most {MAX_LENGTH:,} are allowed: compute it in parts"
        )
    if separated := _THOUSANDS.search(expression):
        raise ToolError(
            f"`{separated[0]}` could be one number or several: write {separated[0].replace(',', '')} without thousands separators, "
            "or put a space after each comma that separates arguments"
        )
    try:
        tree = ast.parse(expression.strip().translate(_TYPOGRAPHY), mode="eval").body
    except SyntaxError as error:
        raise ToolError(f"{_quoted(expression)} is no arithmetic expression: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; the parser's ways to say "nested too deeply"
        raise ToolError(f"{_quoted(expression)} cannot be parsed: {error or type(error).__name__}") from None
    try:
        return _value(tree, MAX_DEPTH)
    except ZeroDivisionError:
        raise ToolError(f"division by zero in {_quoted(expression)}") from None
    except OverflowError:
        raise ToolError(f"a number in {_quoted(expression)} is too large for floating point (about 1.8e308)") from None
    except (ValueError, TypeError) as error:  # what `math` says of arguments outside a function's domain, or of the wrong count
        raise ToolError(f"{_quoted(expression)} has no value: {error}") from None


def _value(node: ast.expr, depth: int) -> Number:
    if depth == 0:
        raise ToolError(f"the expression is nested more than {MAX_DEPTH} levels deep: compute it in parts")
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _checked(value)
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, depth - 1)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, depth - 1)
        case ast.BinOp():
            return _operations(node, depth - 1)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if function := _FUNCTIONS.get(name):
            return _checked(function(*_arguments(arguments, depth - 1)))
        case ast.Call(func=ast.Name(id=name), keywords=[]):
            raise ToolError(f"unknown function `{name}`: there are {', '.join(sorted(_FUNCTIONS))}")
        case ast.Name(id=name):
            raise ToolError(
                f"unknown name `{name}`: only {' and '.join(_CONSTANTS)} are known; write numbers in place of variables"
            )
        case _:
            raise ToolError(_not_arithmetic(node, node.col_offset))


def _operations(node: ast.BinOp, depth: int) -> Number:
    # `1 + 2 + 3` is nested to its left, as many levels as there are terms, so that side is followed without recursion.
    chain = [node]
    while isinstance(chain[-1].left, ast.BinOp):
        chain.append(chain[-1].left)
    value = _value(chain[-1].left, depth)
    for step in reversed(chain):
        operate = _OPERATORS.get(type(step.op))
        if operate is None:
            hint = "`^` is not a power here: write `**`"
            raise ToolError(hint if isinstance(step.op, ast.BitXor) else _not_arithmetic(step.op, step.left.end_col_offset or 0))
        value = _checked(operate(value, _value(step.right, depth)))
    return value


def _not_arithmetic(node: ast.AST, offset: int) -> str:
    name = type(node).__name__
    return f"{name} (character {offset + 1}) is not arithmetic: write numbers, + - * / // % **, parentheses and functions"


def _arguments(nodes: list[ast.expr], depth: int) -> list[Number]:
    match nodes:
        case [ast.List(elts=nodes) | ast.Tuple(elts=nodes)]:  # sum([1, 2, 3])
            return [_value(node, depth - 1) for node in nodes]
        case _:
            return [_value(node, depth) for node in nodes]


def _quoted(text: str) -> str:
    return f"`{text}`" if len(text) <= 80 else f"`{text[:77]}...`"


def _checked(value: Number) -> Number:
    if isinstance(value, int):
        if value.bit_length() > _MAX_BITS:
            raise ToolError(_too_long())
    elif isinstance(value, complex):
        raise ToolError("the result is not a real number: a negative number has no fractional power")
    elif not math.isfinite(value):
        raise ToolError(f"a result is {value}: floating point ends at about 1.8e308")
    return value


def _too_long() -> str:
    return f"an integer would have more than {MAX_DIGITS:,} digits: use logarithms, or floating point (for example 9.0**9)"


def _multiply(left: Number, right: Number) -> Number:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > _MAX_BITS + 1:
        raise ToolError(_too_long())
    return left * right


def _divide(left: Number, right: Number) -> Number:
    if isinstance(left, int) and isinstance(right, int) and right and left % right == 0:
        return left // right
    return left / right


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, int) and isinstance(exponent, int):
        # |base| >= 2 ** (bits - 1), so this many bits are certain
        if abs(base) > 1 and exponent * (base.bit_length() - 1) > _MAX_BITS:
            raise ToolError(f"{_quoted(f'{base} ** {exponent}')} is refused: {_too_long()}")
        if base == 0 and exponent < 0:
            raise ZeroDivisionError
    result: Number = base**exponent
    return result


def _factorial(number: Number) -> int:
    if number != int(number):
        raise ValueError(f"factorial of {number}, which is not whole")
    if number > MAX_DIGITS:  # 450! has 1,001 digits already
        raise ToolError(_too_long())
    return math.factorial(int(number))


def _gcd(*numbers: Number) -> int:
    return math.gcd(*(_whole(number) for number in numbers))


def _round(number: Number, digits: Number = 0) -> Number:
    if abs(digits) > MAX_DIGITS:  # Python would compute 10 ** -digits
        raise ToolError(f"cannot round to {digits} digits: at most {MAX_DIGITS:,}")
    return round(number, _whole(digits)) if digits else round(number)


def _whole(number: Number) -> int:
    if not isinstance(number, int):
        raise TypeError(f"{number} is not a whole number")
    return number


def _sum(*numbers: Number) -> Number:
    return sum(numbers) if all(isinstance(number, int) for number in numbers) else math.fsum(numbers)


_CONSTANTS = {"pi": math.pi, "e": math.e}
_OPERATORS: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: _multiply,
    ast.Div: _divide,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Mod: lambda left, right: left % right,
    ast.Pow: _power,
}
_FUNCTIONS: dict[str, Callable[..., Number]] = {
    "abs": abs,
    "ceil": math.ceil,
    "cos": math.cos,
    "exp": math.exp,
    "factorial": _factorial,
    "floor": math.floor,
    "gcd": _gcd,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": max,
    "min": min,
    "round": _round,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "sum": _sum,
    "tan": math.tan,
}
