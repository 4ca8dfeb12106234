"""From replays to a report: means with clustered errors, and paired differences to the baseline and to plain majorities at the same cost.

A majority of k traces costs more than one of k - 1, problem by problem, so for each policy and problem there is a k, mostly between two whole
numbers, at which the majority samples as many tokens (or has as long a critical path) as the policy does on this problem in the mean. Its
accuracy is interpolated there, in each resample, and compared on the same draws.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ..statistics import Interval, Mean, accuracy, mean, paired_difference, smallest_visible
from .resample import COUNTS, Majority, Played, Resampling, Results
from .results import Difference, Estimate, Group, Matched, Point, Report, Row, Skipped

_CURVE = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


def report_of(
    resampling: Resampling, specs: Sequence[str], results: Results, *, skipped: Sequence[Skipped] = (), notes: Sequence[str] = ()
) -> Report:
    """`specs` name `resampling.policies`, of which the first is the baseline."""
    problems = resampling.pool.problems
    comparison = _Comparison(resampling, results)
    rows = [comparison.row(spec, number) for number, spec in enumerate(specs)]
    return Report(
        pool=resampling.pool.name,
        problems=len(problems),
        groups={group: len(members) for group, members in comparison.groups.items()},
        depth=resampling.pool.depth,
        resamples=resampling.resamples,
        seed=resampling.seed,
        slots=resampling.rules.slots,
        baseline=specs[0],
        rows=rows,
        skipped=list(skipped),
        curve=curve_of(results.majority),
        notes=[*resampling.pool.notes, *notes, *comparison.power(rows)],
    )


@dataclass(frozen=True, slots=True)
class Match:
    """Where a cost lies among the costs of majorities of 1, 2, … traces."""

    below: int
    """Index of the last majority that costs no more."""
    share: float
    """Of the way to the next one."""
    reached: bool

    @property
    def traces(self) -> float:
        return self.below + 1 + self.share

    def of(self, majority: Majority) -> list[float]:
        """In each resample, the interpolated share of right answers."""
        lower = majority.right[self.below]
        if not self.share:
            return list(lower)
        return [(1 - self.share) * a + self.share * b for a, b in zip(lower, majority.right[self.below + 1], strict=True)]


def match(cost: float, costs: Sequence[float]) -> Match:
    """`costs` rise. A cost outside of them is matched by the nearest, which is marked as not reached."""
    above = bisect_right(costs, cost)
    if above == 0:
        return Match(0, 0.0, False)
    if above == len(costs):
        return Match(above - 1, 0.0, costs[-1] == cost)
    return Match(above - 1, (cost - costs[above - 1]) / (costs[above] - costs[above - 1]), True)


def curve_of(majorities: Sequence[Majority]) -> list[Point]:
    """Plain majorities of numbers of traces that every problem has."""
    depth = min(len(majority.right) for majority in majorities)
    points = []
    for traces in sorted({*(k for k in _CURVE if k <= depth), depth}):
        at = traces - 1
        points.append(
            Point(
                traces=traces,
                accuracy=_shares([majority.right[at] for majority in majorities]),
                tokens=_mean([majority.work[at] for majority in majorities]).value,
                span=_mean([majority.span[at] for majority in majorities]).value,
                seconds=_mean([majority.seconds[at] for majority in majorities]).value,
            )
        )
    return points


class _Comparison:
    def __init__(self, resampling: Resampling, results: Results) -> None:
        self._seed = resampling.seed
        self._results = results
        self.groups: dict[str, list[int]] = {}
        """Indices of the problems of each set."""
        for index, problem in enumerate(resampling.pool.problems):
            self.groups.setdefault(problem.group, []).append(index)

    def row(self, spec: str, number: int) -> Row:
        played, base = self._results.played[number], self._results.played[0]
        everywhere = range(len(played))
        tokens, span = _means(played, "work"), _means(played, "span")
        return Row(
            policy=spec,
            accuracy=_shares([one.right for one in played]),
            tokens=_mean(tokens),
            span=_mean(span),
            seconds=_mean(_means(played, "seconds")),
            counts={name: _mean([one.means[name] for one in played]).value for name in COUNTS},
            tokens_share=_ratio(sum(tokens), sum(_means(base, "work"))),
            span_share=_ratio(sum(span), sum(_means(base, "span"))),
            difference=self._to_baseline(played, everywhere) if number else None,
            at_tokens=self._matched(played, tokens, "work"),
            at_span=self._matched(played, span, "span"),
            groups={group: self._group(played, members, number) for group, members in self.groups.items()},
        )

    def power(self, rows: Sequence[Row]) -> list[str]:
        """How small a difference these problems can show, in words."""
        differences = [row.difference for row in rows if row.difference is not None]
        visible = [100 * smallest_visible(Interval(one.value, one.low, one.high)) for one in differences if one.low < one.high]
        if not visible:
            return []
        low, high = f"{min(visible):.1f}", f"{max(visible):.1f}"
        reach = low if low == high else f"{low} to {high}"
        note = (
            f"With {len(self._results.majority)} problems, a difference to the baseline must be {reach} points (2.8 standard errors, by "
            "policy) to be seen four times in five; smaller ones are mostly noise. Intervals are for other problems of these sets and other "
            "draws from these traces, not for other models, nor for policies chosen on these problems."
        )
        return [note]

    def _group(self, played: Sequence[Played], members: Sequence[int], number: int) -> Group:
        ours = [played[index] for index in members]
        return Group(
            problems=len(members),
            accuracy=_shares([one.right for one in ours]),
            tokens=_mean(_means(ours, "work")),
            span=_mean(_means(ours, "span")),
            difference=self._to_baseline(played, members) if number else None,
        )

    def _to_baseline(self, played: Sequence[Played], members: Sequence[int]) -> Difference:
        base = self._results.played[0]
        return self._difference({i: [a - b for a, b in zip(played[i].right, base[i].right, strict=True)] for i in members})

    def _matched(self, played: Sequence[Played], costs: Sequence[float], axis: str) -> Matched:
        majorities = self._results.majority
        matches = [match(cost, getattr(majority, axis)) for cost, majority in zip(costs, majorities, strict=True)]
        shares = [found.of(majority) for found, majority in zip(matches, majorities, strict=True)]
        return Matched(
            accuracy=_mean([sum(share) / len(share) for share in shares]).value,
            traces=_mean([found.traces for found in matches]).value,
            difference=self._difference(
                {i: [a - b for a, b in zip(played[i].right, shares[i], strict=True)] for i in range(len(played))}
            ),
            out_of_reach=sum(not found.reached for found in matches),
        )

    def _difference(self, differences: dict[int, list[float]]) -> Difference:
        """`differences` by problem."""
        by_group = {
            group: [differences[index] for index in members if index in differences] for group, members in self.groups.items()
        }
        interval = paired_difference({group: values for group, values in by_group.items() if values}, seed=self._seed)
        assert interval is not None, "a pool has problems"
        return Difference(value=interval.value, low=interval.low, high=interval.high)


def _means(played: Sequence[Played], field: str) -> list[float]:
    return [sum(getattr(one, field)) / len(one.right) for one in played]


def _mean(values: Sequence[float]) -> Estimate:
    return _estimate(mean(values))


def _shares(rights: Sequence[bytes]) -> Estimate:
    return _estimate(accuracy({str(index): [bool(one) for one in right] for index, right in enumerate(rights)}))


def _estimate(found: Mean | None) -> Estimate:
    assert found is not None, "a pool has problems"
    return Estimate(value=found.value, error=found.error)


def _ratio(value: float, base: float) -> float:
    return value / base if base else 1.0
