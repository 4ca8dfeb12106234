"""Short answers to questions: a name, a word, or a number with ten percent of tolerance, as LLMCompiler's evaluation takes them.

Texts are equal when they are without case, punctuation and articles, the measure of SQuAD. A gold answer that is a number wants
one: the only number in the answer, with or without units and thousands separators.
"""

from __future__ import annotations

import re
import string
from fractions import Fraction

from orchestra.answers import Equivalence, extract

from ...problem import Grade, Problem
from .mathematics import NO_ANSWER
from .said import last_line

TOLERANCE = Fraction(1, 10)
"""Of a number, by LLMCompiler's evaluation: its facts come from a living encyclopaedia."""
_LONGEST = 500
"""Characters: more is not a short answer."""
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation + "‘’“”")
_NUMBER = re.compile(r"(?<![\w.])[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,3})?(?!\w*\d)", re.ASCII)
_TEXT = re.compile(r"\\(?:text|mbox|mathrm|textbf|textit)\s*\{([^{}]*)\}")
_IS_NUMBER = re.compile(r"[-+]?\d{1,30}(?:\.\d{1,30})?", re.ASCII)


async def short(problem: Problem, text: str, same: Equivalence) -> Grade:
    r"""Grades the last `\boxed{…}`, what follows "the answer is", or the last line."""
    answer = stated(text)
    if answer is None:
        return Grade(correct=False, answer=None, flaw=NO_ANSWER)
    gold = str(problem.gold)
    if not _IS_NUMBER.fullmatch(gold.strip()):
        return Grade(correct=normal(answer) == normal(gold), answer=answer)
    numbers = {_value(found) for found in _NUMBER.findall(answer)}
    if len(numbers) != 1:
        return Grade(correct=False, answer=answer, flaw="is not one number")
    right = Fraction(gold.strip())
    return Grade(correct=abs(numbers.pop() - right) <= TOLERANCE * abs(right), answer=answer)


async def words(problem: Problem, text: str, same: Equivalence) -> Grade:
    """As `short`, without tolerance: numbers are words as well, so that a year is right or wrong."""
    answer = stated(text)
    if answer is None:
        return Grade(correct=False, answer=None, flaw=NO_ANSWER)
    return Grade(correct=normal(answer) == normal(str(problem.gold)), answer=answer)


def stated(text: str) -> str | None:
    """The answer of a text, out of LaTeX's text commands and on one line; None for none and for one that is no short answer."""
    answer = extract(text) or last_line(text)
    if answer is None or len(answer) > _LONGEST:
        return None
    return " ".join(_TEXT.sub(r"\1", answer).strip(' *_`"').split()) or None


def normal(answer: str) -> str:
    """Lower case, without punctuation and articles."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def _value(number: str) -> Fraction:
    return Fraction(number.replace(",", "").replace("−", "-"))
