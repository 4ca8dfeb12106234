r"""Mathematics: the last `\boxed{…}`, or what follows "the answer is", equal to the gold answer by `orchestra.answers`."""

from __future__ import annotations

from orchestra.answers import Equivalence, extract

from ...problem import Grade, Problem

NO_ANSWER = "states no answer"


async def mathematics(problem: Problem, text: str, same: Equivalence) -> Grade:
    """Whole numbers, fractions and decimals are compared exactly and at once; the rest by what it means, with math-verify."""
    return await compared(problem, extract(text), same)


async def compared(problem: Problem, answer: str | None, same: Equivalence) -> Grade:
    """The grade of an answer that has been found."""
    if answer is None:
        return Grade(correct=False, answer=None, flaw=NO_ANSWER)
    return Grade(correct=await same.equal(str(problem.gold), answer), answer=answer)
