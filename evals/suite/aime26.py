"""AIME 2026, both papers. Copies call their fields `problem` or `question`, `answer` or `expected_answer`; any of these is read."""

from __future__ import annotations

from ..benchmark import Benchmark, Hub
from .competition import AIME_LICENCE, FIELDS, aime
from .graders.mathematics import mathematics

BENCHMARK = Benchmark(
    name="aime26",
    title="AIME 2026",
    about="American Invitational Mathematics Examination, I and II; a whole number from 0 to 999, compared exactly.",
    home=Hub(id="MathArena/aime_2026", split="train"),
    licence=f"CC BY-NC-SA 4.0; {AIME_LICENCE}",
    size=30,
    fields=FIELDS,
    read=aime("aime26"),
    grade=mathematics,
    citation="Balunović et al. 2025, MathArena, arXiv 2505.23281",
)
