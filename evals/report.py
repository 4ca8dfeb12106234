"""What runs say, each by itself and against a baseline: the numbers that `orchestra report` prints, as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

from orchestra.errors import ConfigError

from .compare import Comparison, compare
from .matched import AXES, Axis, Matched, matched
from .measured import Measured, measure
from .power import note_alone, note_paired
from .report_table import table
from .statistics import Interval
from .summary import Summary, summarise, summary_of, summary_of_run

__all__ = ["Group", "Report", "Reported", "Summary", "report_of", "summarise", "summary_of", "table"]


class Group(BaseModel):
    """One group of the benchmark's problems in one run."""

    group: str
    summary: Summary
    difference: Comparison | None
    """To the baseline, in this group."""


class Reported(BaseModel):
    """One run: a folder, or its shards."""

    folders: list[str]
    summary: Summary
    difference: Comparison | None
    """Its accuracy minus the baseline's; None for the baseline, and when there is nothing to compare on."""
    groups: list[Group] = []


class Report(BaseModel):
    """Accuracies and their differences are shares of 1."""

    baseline: str | None
    """Label of the run that the others are compared with."""
    runs: list[Reported]
    matched: list[Matched] = []
    notes: list[str] = []
    """What a reader should know."""


def report_of(
    folders: Sequence[Path],
    *,
    baseline: Path | None = None,
    pass_at: Sequence[int] = (),
    maj_at: Sequence[int] = (),
    axes: Sequence[Axis] | None = (),
    by_group: bool = False,
    seed: int = 0,
) -> Report:
    """Read the runs in `folders` and compare them with the one in `baseline`, which need not be among them; without it, with the first one.

    Args:
        pass_at, maj_at: numbers of tries for pass@k and maj@k.
        axes: at which equal costs the runs are compared with each other's families and majorities; None: at those at which something costs
            the same, and not a word about others.
        by_group: also each of the benchmark's groups by itself.
        seed: of bootstraps and of draws of tries.

    Raises `ConfigError` when a folder holds no run or a damaged one, when there is not a single row, and when runs of different benchmarks
    are to be compared.
    """
    runs = measure([*([baseline] if baseline and not _among(baseline, folders) else []), *folders])
    if not any(run.asked for run in runs):
        raise ConfigError(f"{runs[0].folders[0]} has no rows yet: run its `orchestra eval` command to the end")
    benchmarks = list(dict.fromkeys(run.benchmark for run in runs))
    if len(benchmarks) > 1 and (baseline or axes):
        raise ConfigError(
            f"these are runs of different benchmarks ({', '.join(benchmarks)}), which have no problem in common: compare runs of one with "
            "`--baseline` or `--matched`"
        )
    base = _base(runs, baseline) if len(runs) > 1 and len(benchmarks) == 1 else None
    wanted = axes if axes is not None else AXES if len(benchmarks) == 1 else ()
    equal = matched(runs, list(dict.fromkeys(wanted)), seed=seed)
    told = axes if axes is not None else [found.axis for found in equal]
    reported = [_reported(run, base, pass_at=pass_at, maj_at=maj_at, by_group=by_group, seed=seed) for run in runs]
    return Report(
        baseline=base.label if base else None,
        runs=reported,
        matched=equal,
        notes=[*_notes(runs, reported, base, benchmarks), *_matched_notes(reported, equal, told)],
    )


def _among(path: Path, folders: Sequence[Path]) -> bool:
    return path.resolve() in {folder.resolve() for folder in folders}


def _base(runs: Sequence[Measured], baseline: Path | None) -> Measured:
    if baseline is None:
        return runs[0]
    return next(run for run in runs if _among(baseline, run.folders))


def _reported(
    run: Measured, base: Measured | None, *, pass_at: Sequence[int], maj_at: Sequence[int], by_group: bool, seed: int
) -> Reported:
    other = base if base is not run else None
    groups: dict[str, list[str]] = {}
    if by_group:
        for problem, asked in run.asked.items():
            groups.setdefault(asked.group or "(none)", []).append(problem)
    return Reported(
        folders=[str(folder) for folder in run.folders],
        summary=summary_of_run(run, pass_ks=pass_at, maj_ks=maj_at, seed=seed),
        difference=compare(run.correct, other.correct, seed=seed) if other else None,
        groups=[_group(name, run.only(problems), other, seed) for name, problems in sorted(groups.items())],
    )


def _group(name: str, part: Measured, other: Measured | None, seed: int) -> Group:
    return Group(
        group=name,
        summary=summary_of_run(part, seed=seed),
        difference=compare(part.correct, other.correct, seed=seed) if other else None,
    )


def _notes(
    runs: Sequence[Measured], reported: Sequence[Reported], base: Measured | None, benchmarks: Sequence[str]
) -> Iterator[str]:
    if len(benchmarks) > 1:
        yield f"These are runs of different benchmarks ({', '.join(benchmarks)}): they are not compared with each other."
    if errors := sum(run.errors for run in runs):
        yield (
            f"{errors:,} row{'s' * (errors > 1)} with infrastructure errors: neither right nor wrong, and left out. The same eval command "
            "runs them again."
        )
    for run in runs:
        if not run.tries:
            yield f"{run.label} has no graded row{' but errors' if run.errors else ' yet'}."
        elif len(numbers := {len(tries) for tries in run.tries.values()}) > 1 and not run.errors:
            yield f"{run.label} has {min(numbers)} to {max(numbers)} tries a problem: it is unfinished, or problems were added to it."
    if base:
        for run in runs:
            common = len(run.tries.keys() & base.tries.keys())
            if run is not base and run.tries and (common < len(run.tries) or common < len(base.tries)):
                yield (
                    f"{run.label} has {len(run.tries):,} problems, {base.label} {len(base.tries):,}: they are compared on the {common:,} that "
                    "they have in common."
                    if common
                    else f"{run.label} and {base.label} have no problem in common, and are not compared."
                )
    yield from _power(reported, base)


def _matched_notes(reported: Sequence[Reported], equal: Sequence[Matched], axes: Sequence[Axis]) -> Iterator[str]:
    for axis in dict.fromkeys(axes):
        if not any(found.axis == axis for found in equal):
            yield (
                f"Nothing has the same {axis}: give another method at two settings or more, or a run with several tries a problem "
                "(`orchestra eval … --epochs N`) whose majority can vote."
            )
    loads = {one.summary.at_once for one in reported if one.summary.tries}
    if "wall" in axes and len(loads) > 1:
        yield "The runs had different numbers of problems at once, or changed theirs: their wall seconds do not compare."


def _power(reported: Sequence[Reported], base: Measured | None) -> Iterator[str]:
    if base is None:
        for problems, error in dict.fromkeys((one.summary.problems, one.summary.accuracy_error) for one in reported):
            if problems and (note := note_alone(problems, error)):
                yield note
        return
    differences = [one.difference for one in reported if one.difference is not None]
    for problems in dict.fromkeys(difference.problems for difference in differences):
        intervals = [
            Interval(one.difference, one.low, one.high)
            for one in differences
            if one.problems == problems and one.low is not None and one.high is not None
        ]
        if note := note_paired(problems, intervals):
            yield note
