"""What the rows of one run come to."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel

from orchestra.answers.normal import quick_key, written_key

from .at_k import Vote, majority_at, pass_at
from .classes import Pair, macro_f1_of
from .measured import Measured, Try, measure
from .row import Row
from .statistics import mean, mean_share, percentile, share_interval

_MOST_CLASSES = 5
"""Different true answers, each said of several problems: beyond, a benchmark does not ask for a class."""


class Estimate(BaseModel):
    """pass@k or maj@k: a mean over the problems with at least k tries."""

    k: int
    value: float | None
    """None when no problem has so many tries."""
    error: float | None
    """One standard error, over problems."""
    low: float | None
    high: float | None
    problems: int


class Summary(BaseModel):
    """Rows with an infrastructure error are counted and otherwise left out. Several tries at one problem are averaged first: the problem is
    the unit of all errors and intervals. Accuracies and other shares are of 1, token counts are means a try."""

    run: str
    benchmark: str = ""
    method: str
    problems: int
    tries: int
    """Rows that were graded; `problems` times the epochs when nothing is missing."""
    correct: int
    errors: int
    accuracy: float | None
    accuracy_error: float | None
    """One standard error, over problems."""
    accuracy_low: float | None = None
    """End of the 95 % interval."""
    accuracy_high: float | None = None
    score: float | None = None
    """Where the benchmark gives part marks."""
    score_error: float | None = None
    macro_f1: float | None = None
    """Where the benchmark asks for one of a few classes, such as yes or no."""
    macro_f1_error: float | None = None
    work: float | None
    span: float | None
    parallelism: float | None
    """Mean work by mean span."""
    context: float | None = None
    threads: float | None = None
    """Threads, traces or plan nodes; None where every try had one."""
    explored: float | None = None
    """Countdown: operations whose result the model wrote."""
    cached_share: float | None
    """Of all prompt tokens; None when the engine does not say."""
    wasted_share: float | None
    """Of sampled tokens: by what was cancelled or pruned."""
    wall_seconds: float | None
    """Median of a try, at the concurrency of the run."""
    wall_p95: float | None = None
    at_once: int | None
    """Problems that ran at once; None when rows of several concurrencies are mixed."""
    pass_at: list[Estimate] = []
    maj_at: list[Estimate] = []

    @property
    def epochs(self) -> float:
        return self.tries / self.problems if self.problems else 0.0


def summarise(folder: Path) -> Summary:
    """The summary of one run folder. Raises `ConfigError` when there is no run in it."""
    return summary_of_run(measure([folder])[0])


def summary_of(rows: Iterable[Row], *, run: str, method: str) -> Summary:
    found = list(rows)
    benchmark = found[0].benchmark if found else ""
    return summary_of_run(Measured.of_rows(found, label=run, benchmark=benchmark, method=method))


def summary_of_run(run: Measured, *, pass_ks: Sequence[int] = (), maj_ks: Sequence[int] = (), seed: int = 0) -> Summary:
    every = [one for tries in run.tries.values() for one in tries]
    shares = [statistics.fmean(one.correct for one in tries) for tries in run.tries.values()]
    accuracy, interval = mean_share(shares), share_interval(shares, seed=seed)
    marked = any(one.score != one.correct for one in every)
    score = mean([statistics.fmean(one.score for one in tries) for tries in run.tries.values()]) if marked else None
    f1 = macro_f1_of(_classes(run))
    work, span = _average(run, lambda one: one.work), _average(run, lambda one: one.span)
    prompts = sum((one.cached or 0) + (one.prefilled or 0) for one in every)
    walls = sorted(one.wall_seconds for one in every)
    loads = {one.at_once for one in every}
    return Summary(
        run=run.label,
        benchmark=run.benchmark,
        method=run.method,
        problems=len(run.tries),
        tries=len(every),
        correct=sum(one.correct for one in every),
        errors=run.errors,
        accuracy=accuracy.value if accuracy else None,
        accuracy_error=accuracy.error if accuracy else None,
        accuracy_low=interval.low if interval else None,
        accuracy_high=interval.high if interval else None,
        score=score.value if score else None,
        score_error=score.error if score else None,
        macro_f1=f1.value if f1 else None,
        macro_f1_error=f1.error if f1 else None,
        work=work,
        span=span,
        parallelism=work / span if work and span else None,
        context=_average(run, lambda one: one.context),
        threads=_average(run, lambda one: one.threads) if any(one.threads > 1 for one in every) else None,
        explored=_average(run, lambda one: one.explored),
        cached_share=sum(one.cached or 0 for one in every) / prompts
        if prompts and all(one.cached is not None for one in every)
        else None,
        wasted_share=sum(one.wasted for one in every) / total if (total := sum(one.work for one in every)) else None,
        wall_seconds=percentile(walls, 0.5) if walls else None,
        wall_p95=percentile(walls, 0.95) if walls else None,
        at_once=loads.pop() if len(loads) == 1 else None,
        pass_at=_estimates(pass_ks, _passes(run, pass_ks)),
        maj_at=_estimates(maj_ks, _majorities(run, maj_ks, seed)),
    )


def voting(run: Measured, problem: str) -> list[Vote]:
    """What each try at a problem votes for: right answers to a problem with a gold answer are one answer, since
    the grader has found them equal; others are compared as they are written, without noise."""
    single = run.asked[problem].gold is not None
    return [(key_of(one, single), one.correct) for one in run.tries[problem]]


def key_of(one: Try, single: bool) -> str | None:
    if one.answer is None:
        return None
    if one.correct and single:
        return "right"
    written = quick_key(one.answer) or written_key(one.answer)
    return f"= {written}" if written else None


def _passes(run: Measured, ks: Sequence[int]) -> list[list[float]]:
    """For each of `ks`, pass@k at each problem with so many tries."""
    counts = [(sum(one.correct for one in tries), len(tries)) for tries in run.tries.values()]
    return [[pass_at(correct, tries, k) for correct, tries in counts if tries >= k] for k in ks]


def _majorities(run: Measured, ks: Sequence[int], seed: int) -> list[list[float]]:
    """For each of `ks`, maj@k at each problem with so many tries."""
    values: list[list[float]] = [[] for _ in ks]
    # The draws' scatter averages out over problems: many problems need fewer draws each.
    resamples = max(50, min(400, 200_000 // max(1, len(run.tries))))
    for problem, tries in run.tries.items():
        if fitting := [place for place, k in enumerate(ks) if k <= len(tries)]:
            shares = majority_at(
                voting(run, problem), [ks[place] for place in fitting], resamples=resamples, seed=f"{seed} {problem}"
            )
            for place, share in zip(fitting, shares, strict=True):
                values[place].append(share)
    return values


def _estimates(ks: Sequence[int], values: Sequence[Sequence[float]]) -> list[Estimate]:
    return [_estimate(k, of_problems) for k, of_problems in zip(ks, values, strict=True)]


def _estimate(k: int, values: Sequence[float]) -> Estimate:
    found, interval = mean_share(values), share_interval(values)
    return Estimate(
        k=k,
        value=found.value if found else None,
        error=found.error if found else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        problems=len(values),
    )


def _average(run: Measured, value: Callable[[Try], float | None]) -> float | None:
    """Mean over problems of means over their tries; None when a try does not know, or there is none."""
    means = []
    for tries in run.tries.values():
        values = [found for one in tries if (found := value(one)) is not None]
        if len(values) < len(tries):
            return None
        means.append(statistics.fmean(values))
    return math.fsum(means) / len(means) if means else None


def _classes(run: Measured) -> dict[str, list[Pair]]:
    """The pairs of a run whose benchmark asks for classes; else nothing."""
    golds = [run.asked[problem].gold for problem in run.tries]
    classes = {gold for gold in golds if isinstance(gold, str)}
    if not 2 <= len(classes) <= _MOST_CLASSES or not all(isinstance(gold, str) and gold.isalpha() for gold in golds):
        return {}
    if len(golds) < 2 * len(classes):
        return {}
    return {
        problem: [(run.asked[problem].gold, run.asked[problem].gold if one.correct else one.answer) for one in tries]
        for problem, tries in run.tries.items()
    }
