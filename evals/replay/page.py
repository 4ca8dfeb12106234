"""One self-contained HTML page of a report: complete without a network and without scripts."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from . import table
from .labels import pieces
from .plot import HEIGHT, SHAPES, STYLE, WIDTH, colours, panel
from .results import Report


def frontier_page(report: Report) -> str:
    """The page as HTML."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "percent": table.percent,
        "plus_minus": table.plus_minus,
        "tokens": table.tokens,
        "share": table.share,
        "signed": table.signed,
        "pieces": pieces,
    }
    template = environment.from_string(files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8"))
    return template.render(
        report=report,
        colours=colours(report),
        # Both escape what they are given; nothing else on the page is taken as markup.
        panels={axis: Markup(panel(report, axis)) for axis in ("tokens", "span")},
        style=Markup(STYLE.replace("svg {", ":root {") + SHAPES),
        width=WIDTH,
        height=HEIGHT,
    )
