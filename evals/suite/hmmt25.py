"""Harvard–MIT Mathematics Tournament of February 2025: MathArena's copy."""

from __future__ import annotations

from ..benchmark import Benchmark, Hub
from .competition import FIELDS, competition
from .graders.mathematics import mathematics

BENCHMARK = Benchmark(
    name="hmmt25",
    title="HMMT February 2025",
    about="Harvard–MIT Mathematics Tournament; a number or an expression, compared by what it means.",
    home=Hub(id="MathArena/hmmt_feb_2025", split="train"),
    licence="CC BY-NC-SA 4.0",
    size=30,
    fields=FIELDS,
    read=competition("hmmt25"),
    grade=mathematics,
    citation="Balunović et al. 2025, MathArena, arXiv 2505.23281",
)
