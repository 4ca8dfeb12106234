"""AIME 2024, both papers. Copies call their fields `problem` or `question`, `answer` or `expected_answer`; any of these is read."""

from __future__ import annotations

from ..benchmark import Benchmark, Hub
from .competition import AIME_LICENCE, FIELDS, aime
from .graders.mathematics import mathematics

BENCHMARK = Benchmark(
    name="aime24",
    title="AIME 2024",
    about="American Invitational Mathematics Examination, I and II; a whole number from 0 to 999, compared exactly.",
    home=Hub(id="HuggingFaceH4/aime_2024", split="train"),
    licence=AIME_LICENCE,
    size=30,
    fields=FIELDS,
    read=aime("aime24"),
    grade=mathematics,
    citation="Mathematical Association of America, American Invitational Mathematics Examination, 2024",
)
