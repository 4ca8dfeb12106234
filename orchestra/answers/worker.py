"""A process that reads answers with math-verify, by lines of JSON. All that names math-verify and sympy is here.

It is a process because reading may take for ever: its parent kills it. It runs as `python -m`, so that it does not import the program
that started it, in a session of its own, so that Ctrl-C passes it by, and ends when its input does.

Requests are `["read", answer]` → `{"key", "value", "parsed"}` and `["same", one, other]` → `{"same"}`; `null` is the
answer to what cannot be read.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import logging
import os
import resource
import signal
import sys
import threading
import zlib
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache
from queue import SimpleQueue
from typing import Any

from .normal import clean, quick_key, rational_key, short_key, written_key

_MAX_MEMORY = 2 << 30  # bytes: sympy needs a fifth of it; `10^{10^{10}}` would take what there is
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Reader:
    """math-verify and sympy, in terms of strings. The libraries have no types."""

    def __init__(self) -> None:
        """Raises `ImportError`. It takes a second or two."""
        self._sympy: Any = importlib.import_module("sympy")
        self._math_verify: Any = importlib.import_module("math_verify")
        # Not its pattern for plain expressions: that takes the first number in what it does not understand for the answer.
        self._config = (self._math_verify.LatexExtractionConfig(),)
        self._parsed = lru_cache(maxsize=1024)(self._parse)
        self.read(r"\frac{x}{\sqrt{2}}")  # compiles its patterns and loads its grammar

    def read(self, answer: str) -> dict[str, Any] | None:
        """The canonical form of `answer`, and its value `[real, imaginary]` where it is a number or becomes one.

        An answer that math-verify does not understand is its own form, as math-verify compares it, unless it has been cut off.
        """
        text = clean(answer)
        if not text:
            return None
        expression = self._expression(text)
        if expression is None:
            key = written_key(text)
            return {"key": key, "value": None, "parsed": False} if key is not None else None
        expression = self._bare(expression)
        return {"key": short_key(self._form(expression)), "value": self._value(expression), "parsed": True}

    def same(self, one: str, other: str) -> bool:
        """Whether math-verify takes either for the gold one and accepts the other. By itself it is not symmetric: to it an interval answers
        a relation, and a relation does not answer an interval.
        """
        ours, theirs = self._parsed(clean(one)), self._parsed(clean(other))
        verify = self._math_verify.verify
        return bool(
            verify(ours, theirs, timeout_seconds=None, raise_on_error=False)
            or verify(theirs, ours, timeout_seconds=None, raise_on_error=False)
        )

    def _parse(self, text: str) -> list[Any]:
        parsed: list[Any] = self._math_verify.parse(f"${text.replace('**', '^')}$", self._config, parsing_timeout=None)
        return [self._with_imaginary_unit(found) for found in parsed]

    def _with_imaginary_unit(self, found: Any) -> Any:
        """math-verify takes `i` for a variable. Where it is the only one it is none: an index does not stand alone in an answer."""
        if isinstance(found, self._sympy.Eq) and found.lhs.is_Symbol:
            return self._sympy.Eq(found.lhs, self._with_imaginary_unit(found.rhs), evaluate=False)
        free: set[Any] = getattr(found, "free_symbols", set())
        if {symbol.name for symbol in free} != {"i"}:
            return found
        return found.subs(dict.fromkeys(free, self._sympy.I))

    def _expression(self, text: str) -> Any | None:
        basic = (self._sympy.Basic, self._sympy.MatrixBase)
        return next((found for found in self._parsed(text) if isinstance(found, basic)), None)

    def _bare(self, expression: Any) -> Any:
        """Without `x =`, the braces around a single element, and the percent sign."""
        sympy = self._sympy
        for _ in range(3):
            if isinstance(expression, sympy.Eq) and expression.lhs.is_Symbol:
                expression = expression.rhs
            if isinstance(expression, sympy.FiniteSet) and len(expression) == 1:
                (expression,) = expression
            if isinstance(expression, sympy.Mul) and expression.args[1:] == (sympy.UnevaluatedExpr(sympy.Rational(1, 100)),):
                expression = expression.args[0]
        return expression

    def _form(self, expression: Any) -> str:
        sympy = self._sympy
        if isinstance(expression, sympy.FiniteSet):
            return "{" + ", ".join(sorted(map(self._form, expression.args))) + "}"
        if isinstance(expression, sympy.Interval):  # an open one is written as a pair of numbers is, and read as either
            left, right = "(" if expression.left_open else "[", ")" if expression.right_open else "]"
            return f"{left}{self._form(expression.start)}, {self._form(expression.end)}{right}"
        if isinstance(expression, sympy.Tuple):
            return "(" + ", ".join(map(self._form, expression.args)) + ")"
        if isinstance(expression, sympy.Union):
            return " U ".join(sorted(map(self._form, expression.args)))
        if isinstance(expression, sympy.MatrixBase):
            return "[" + "; ".join(", ".join(map(self._form, row)) for row in expression.tolist()) + "]"
        with suppress(Exception):  # the boundary: sympy raises whatever it likes, and an expression as it stands is a form, too
            expression = expression.doit()
            if isinstance(expression, sympy.Expr):
                expression = sympy.expand(expression)
                if not expression.is_Rational and self._looks_rational(expression):
                    expression = sympy.simplify(expression)
        if expression.is_Rational:
            return rational_key(Fraction(int(expression.p), int(expression.q)))
        if expression.is_Float:
            digits = format(Fraction(str(expression)).__float__(), ".15g")
            return quick_key(digits) or digits
        return str(expression)

    def _looks_rational(self, expression: Any) -> bool:
        """Whether it may be a number in disguise, such as `sin² x + cos² x`."""
        value = self._value(expression)
        return value is not None and abs(Fraction(value[0]).limit_denominator(1000) - Fraction(value[0])) < 1e-12

    def _value(self, expression: Any) -> list[float] | None:
        """A number, or the number that an expression becomes for arbitrary values of its symbols: where two of them differ, no
        comparison is needed. None for what is no number, and for words, which are read as products of letters.
        """
        if not isinstance(expression, self._sympy.Expr) or expression.is_Symbol:
            return None
        if expression.is_Mul and all(factor.is_Symbol or factor == self._sympy.E for factor in expression.args):
            return None
        with suppress(Exception):  # the boundary, as in `_form`
            point = {
                symbol: self._sympy.Float(1 + zlib.crc32(symbol.name.encode()) % 9973 / 9973) for symbol in expression.free_symbols
            }
            number = complex(expression.subs(point).doit().evalf(15))
            if abs(number) < 1e9:  # beyond, fifteen digits do not tell what six places do
                return [number.real, number.imag]
        return None


def main() -> None:
    """The process. Its argument is the id of the process to follow."""
    if sys.platform == "linux":  # a computation on huge integers does not let the thread below run
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(sys.argv[1]):
            os._exit(1)
    with suppress(ValueError, OSError):  # not everywhere may it be set
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    logging.disable(logging.CRITICAL)
    sys.set_int_max_str_digits(0)  # the time limit is the limit
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what libraries print is no answer
    lines: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    try:
        reader = Reader()
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), file=answers, flush=True)  # to the parent
        return
    reply: Any = {"ready": True}
    while True:
        print(json.dumps(reply), file=answers, flush=True)  # to the parent
        reply = _answer(reader, json.loads(lines.get()))


def _listen(lines: SimpleQueue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)  # the parent has closed it, or is gone: in the middle of a computation, too


def _answer(reader: Reader, request: list[Any]) -> dict[str, Any] | None:
    kind, *arguments = request
    try:
        if kind == "read":
            return reader.read(arguments[0])
        return {"same": reader.same(*arguments)}
    except Exception:  # noqa: BLE001 # the boundary: parsers and sympy raise anything for what they cannot read
        return None


if __name__ == "__main__":
    main()
