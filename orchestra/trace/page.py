"""One self-contained HTML page of run trees: a thread timeline for each, on one time scale, with every thread's text one key away.

The page is complete without a network and nearly complete without scripts. All that a model wrote reaches it through jinja2's automatic
escaping, as text between tags; nothing a model wrote enters a script, a style or an attribute that is not quoted.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from .files import write_text
from .record import TraceRecord
from .timeline import Timeline, extent, lay_out, seconds, ticks

LANE_HEIGHT = 26  # px: 25 threads fit a laptop's screen


def write_page(records: Sequence[TraceRecord], path: Path, *, title: str) -> None:
    """Write the page; an existing file is replaced at once."""
    write_text(path, page(records, title=title))


def page(records: Sequence[TraceRecord], *, title: str) -> str:
    """The page as HTML."""
    if not records:
        raise ValueError("a page needs at least one record, got none")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"seconds": seconds, "count": "{:,}".format, "percent": "{:.3f}%".format, "share": "{:.0%}".format}
    environment.globals |= {"silhouette": silhouette}
    template = environment.from_string(files(__package__).joinpath("timeline.html.j2").read_text(encoding="utf-8"))
    timelines = lay_out(records)
    return template.render(
        title=title,
        timelines=timelines,
        facts=_common_facts(records),
        ticks=ticks(extent(records)),
        peak=max(1, *(timeline.peak for timeline in timelines)),
        lane_height=LANE_HEIGHT,
    )


def silhouette(timeline: Timeline, peak: int) -> str:
    """An SVG path, 100 wide and `peak` high: how many threads decode at each moment."""
    steps = "".join(f"H{x:.3f}V{peak - running}" for x, running in timeline.concurrency)
    return f"M0 {peak}{steps}H{timeline.end:.3f}V{peak}Z"


def _common_facts(records: Sequence[TraceRecord]) -> dict[str, str]:
    """Facts that hold for every record: they are said once."""
    return {key: value for key, value in records[0].facts.items() if all(record.facts.get(key) == value for record in records)}
