"""Which tries of a run are meant."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import islice

from orchestra.errors import ConfigError
from orchestra.trace.record import TraceRecord

from ..row import Row
from ..run import Run


def chosen_rows(run: Run, *, problem: str | None = None, epoch: int | None = None) -> list[Row]:
    """The rows of `run`, or those at one problem (its name, or its id or the start of it) or of one epoch. Raises `ConfigError` for none."""
    rows = run.rows
    if not rows:
        raise ConfigError(f"{run.folder} has no rows yet: run `orchestra eval` with it as `--out` first")
    if problem is not None:
        rows = _at(run, problem)
    if epoch is not None:
        at_problem, rows = rows, [row for row in rows if row.epoch == epoch]
        if not rows:
            raise ConfigError(f"no try of epoch {epoch}: there are epochs 0 to {max(row.epoch for row in at_problem)}")
    return rows


def chosen_records(run: Run, rows: Sequence[Row], *, most: int | None = None) -> Iterator[TraceRecord]:
    """What was kept of the threads of `rows`, in the order in which they ended, at most `most`. Titles tell tries apart, and facts say what the
    row knows."""
    wanted = {row.key: row for row in rows}
    many = max(row.epoch for row in run.rows) > 0
    model = run.config["experiment"].get("model")
    common = {} if model is None else {"model": str(model)}

    def titled(tree: TraceRecord, row: Row) -> TraceRecord:
        title = f"{row.name or row.problem}{f', epoch {row.epoch}' if many else ''}"
        correct = "unknown" if row.error else "yes" if row.correct else "no"
        facts = {**tree.facts, "answer": row.answer or "none", "correct": correct, **common}
        return dataclasses.replace(tree, title=title, facts=facts)

    trees = (titled(kept.tree, wanted[key]) for key, kept in run.kept() if key in wanted and kept.tree is not None)
    return islice(trees, most)


def check_kept(run: Run, number: int) -> None:
    """Raises `ConfigError` when nothing was found that could be drawn."""
    if not number:
        raise ConfigError(
            f"{run.folder} keeps no threads of these tries: run them with `orchestra eval … --traces all`, and with a method that decodes"
            " threads (serial, fork, or a policy over one of them); plans and texts are on the page of `orchestra view` without --problem"
        )


def _at(run: Run, problem: str) -> list[Row]:
    found = [row for row in run.rows if problem in (row.name, row.problem)]
    if found:
        return found
    by_prefix = {row.problem for row in run.rows if row.problem.startswith(problem)}
    if len(by_prefix) == 1:
        return [row for row in run.rows if row.problem in by_prefix]
    names = list(dict.fromkeys(row.name or row.problem for row in run.rows))
    close = get_close_matches(problem, names, n=3, cutoff=0.4) or names[:3]
    raise ConfigError(f"{run.folder} has no problem {problem!r}: it has {len(names):,}, such as {', '.join(map(repr, close))}")
