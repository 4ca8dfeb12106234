"""Answers that can be counted: solutions that differ only in order and brackets get one key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .rules import Operation, verify

_FALSE = " = "
"""In every key of a wrong claim, and in no expression."""


def canonical(numbers: Sequence[int], target: int, path: Sequence[Operation]) -> str:
    """The key under which the solution that `path` claims is counted in votes.

    For a path that solves the problem it is an expression for it, such as `(11*7-5)/3`, in a normal form: sums and differences become one
    list of terms, products and quotients one list of factors, each ordered by value, so that all ways to write a solution that follow
    from each other by the commutative and associative laws agree. A neutral element may stand on either side (`a-0` counts as `a+0`, `a/1`
    as `a*1`). Different solutions of one problem keep different keys.

    A path that does not solve it is an answer, too, only a wrong one: its key is its text, such as `11 * 7 = 77; 77 - 5 = 71`.
    """
    if verify(numbers, target, path) is not None:
        return "; ".join(map(str, path)) or _FALSE.strip()
    terms = [_Term(number, str(number)) for number in numbers]

    def take(value: int) -> _Term:
        return terms.pop(next(index for index, term in enumerate(terms) if term.value == value))

    for operation in path:
        left, right = take(operation.left), take(operation.right)
        terms.append(_join(operation, left, right))
    return terms[0].text


def solves(key: str | None) -> bool:
    """Whether a key of `canonical` is that of a solution."""
    return key is not None and _FALSE.strip() not in key


@dataclass(frozen=True, slots=True)
class _Term:
    """A value and how it is made: a number, or what is put together (`plus`) and taken away (`minus`) by + and - or by * and /."""

    value: int
    text: str
    kind: str = ""
    """ "+", "*", or "" for a number."""
    plus: tuple[_Term, ...] = ()
    minus: tuple[_Term, ...] = ()


def _join(operation: Operation, left: _Term, right: _Term) -> _Term:
    kind = "+" if operation.op in "+-" else "*"
    plus, minus = _parts(left, kind)
    more, less = _parts(right, kind)
    if operation.op in "-/":
        more, less = less, more
    neutral = 0 if kind == "+" else 1
    neutrals = [term for term in (*minus, *less) if term.value == neutral]
    added = _ordered((*plus, *more, *neutrals))
    removed = _ordered(term for term in (*minus, *less) if term.value != neutral)
    sign, unsign = ("+", "-") if kind == "+" else ("*", "/")
    text = sign.join(_inside(term, kind) for term in added) + "".join(unsign + _inside(term, kind) for term in removed)
    return _Term(operation.result, text, kind, added, removed)


def _parts(term: _Term, kind: str) -> tuple[tuple[_Term, ...], tuple[_Term, ...]]:
    return (term.plus, term.minus) if term.kind == kind else ((term,), ())


def _ordered(terms: Iterable[_Term]) -> tuple[_Term, ...]:
    return tuple(sorted(terms, key=lambda term: (-term.value, term.text)))


def _inside(term: _Term, kind: str) -> str:
    return f"({term.text})" if kind == "*" and term.kind == "+" else term.text
