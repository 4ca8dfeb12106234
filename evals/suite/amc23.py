"""AMC 12 of 2023, those problems whose answer is a number, without their choices. The Hub's copy calls the problem `question`."""

from __future__ import annotations

from ..benchmark import Benchmark, Hub
from .competition import AIME_LICENCE, FIELDS, competition
from .graders.mathematics import mathematics

BENCHMARK = Benchmark(
    name="amc23",
    title="AMC 2023",
    about="American Mathematics Competitions 12A and 12B without choices; a number, compared by its value.",
    home=Hub(id="math-ai/amc23"),
    licence=AIME_LICENCE,
    size=40,
    fields=FIELDS,
    read=competition("amc23"),
    grade=mathematics,
    citation="Mathematical Association of America, American Mathematics Competitions, 2023",
)
