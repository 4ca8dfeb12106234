"""What a trace votes for: its answer as the benchmark's grader reads it out of the text.

Answers of mathematics are compared by what they mean; those of other benchmarks as they are written, numbers by value. Of a grade only the
reading is used: a vote knows nothing of what is right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestra.answers import Equivalence
from orchestra.answers.normal import quick_key, written_key
from orchestra.sample.decisions import Revise
from orchestra.sample.prompts import WITHOUT_ANSWER
from orchestra.sample.source import Ending, LiveTrace

from ..benchmark import Benchmark
from ..problem import Problem
from ..suite.graders.mathematics import mathematics


@dataclass(frozen=True, slots=True, kw_only=True)
class Voting:
    """Of one problem."""

    benchmark: Benchmark
    problem: Problem
    answers: Equivalence

    async def of(self, trace: LiveTrace, ending: Ending, text: str) -> Ending:
        """The ending of a trace that has written `text`, with what it votes for; the trace's own words for it are put right as well."""
        prepares = isinstance(trace.start, Revise) and trace.start.purpose in WITHOUT_ANSWER
        if prepares or self.benchmark.grade is mathematics:  # whose reading is the sources' own
            return ending
        grade = await self.benchmark.grade(self.problem, text, self.answers)
        trace.answer_text = grade.answer
        key = None if grade.answer is None else quick_key(grade.answer) or written_key(grade.answer)
        return replace(ending, answer=key.casefold() if key else None)
