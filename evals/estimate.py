"""What a run would do, before it does: `orchestra eval --dry-run`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from .methods.ways import Way
from .problem import Problem
from .rows import check_config
from .run import read_rows


def estimate(out: Path | None, config: Mapping[str, Any], problems: Sequence[Problem], way: Way, *, epochs: int) -> Table:
    """Nothing is written. Tokens are those of rows that are there already, a try, or else the most that a try may sample.

    Raises `ConfigError` when `out` holds another experiment.
    """
    wanted = {(problem.id, epoch) for problem in problems for epoch in range(epochs)}
    done, work, num_rows = set[tuple[str, int]](), 0, 0
    if out is not None:
        check_config(out, config)
        for row in read_rows(out):
            if row.error is None:
                done.add(row.key)
                work += row.work
                num_rows += 1
    owed = len(wanted - done)
    view = Table(show_header=False, box=None, pad_edge=False)
    view.add_column(style="bold")
    view.add_column(overflow="fold")
    experiment = config["experiment"]
    view.add_row("benchmark", experiment["benchmark"])
    view.add_row("method", way.label)
    view.add_row("engine", f"{experiment['engine']}" + (f", {experiment['model']}" if experiment.get("model") else ""))
    view.add_row("problems", f"{len(problems):,}" + (f" × {epochs:,} epochs" if epochs > 1 else ""))
    view.add_row(
        "owed", f"{owed:,} of {len(wanted):,} tries" + (f", {len(wanted) - owed:,} are done" if owed < len(wanted) else "")
    )
    view.add_row("tokens", _tokens(owed, work / num_rows if num_rows else None, way.most_tokens))
    return view


def _tokens(owed: int, mean: float | None, most: int | None) -> str:
    if mean is not None:
        return f"about {owed * mean:,.0f}: {mean:,.0f} a try, as in the rows that are there"
    if most is not None:
        return f"at most {owed * most:,}: {most:,} a try"
    return "not known before some tries are done: a plan has no bound without --budget tokens=N"
