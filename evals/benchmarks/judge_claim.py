"""DeepPrune's claim put to the test: can a judge that reads beginnings tell which traces will agree, and does pruning by it pay?

    python -m orchestra.training.judge --pool pool.jsonl.gz --model models/countdown-6m --lengths 32 64 --out judge
    python -m orchestra.evals.benchmarks.judge_claim --pool pool.jsonl.gz --judge judge --n 16 --out judge-claim.json

Only problems that the judge was not trained on count. First the areas under the ROC curve inside problems, for prefixes of 25, 50 and 75 % and
of the judge's own lengths, beside those of a measure without a model (`Similar`) and of the problem alone. Then `DeepPrune` with this judge on
the recorded traces, against plain majorities of as many tokens on the same draws, problem by problem: once with sampled tokens alone, once with
those that the judge reads counted like sampled ones. Two judges that cannot be bought stand beside it: one that throws a coin, which is what
pruning gets without knowing anything, and one that knows the answers.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestra.errors import ConfigError
from orchestra.sample.events import Group
from orchestra.sample.judges.base import Opinion
from orchestra.sample.judges.classifier import Classifier, PoolClassifier
from orchestra.sample.judges.questions import askable, is_held_out, label_of
from orchestra.sample.judges.reading import length_in
from orchestra.sample.judges.similar import similarity
from orchestra.sample.policies.deep_prune import DeepPrune
from orchestra.sample.pool import Pool, PooledProblem, Recorded
from orchestra.sample.pool_file import read_pool
from orchestra.sample.replay import PoolJudge, Rules

from ..ranking import worth
from ..replay.compare import match
from ..replay.resample import Majority, Played, Resampling, run
from ..statistics import mean, paired_difference

SHARES = (0.25, 0.5, 0.75)


def coin(problem: PooledProblem, traces: Sequence[Recorded], tokens: int | None) -> Opinion:
    """A number from 0 to 1 that knows nothing, the same for the same question."""
    places = sorted(place for place, trace in enumerate(problem.traces) if any(trace is one for one in traces))
    return Opinion(score=random.Random(f"{problem.id} {places} {tokens}").random())


def oracle(problem: PooledProblem, traces: Sequence[Recorded], tokens: int | None) -> Opinion:
    """Knows the answers. A trace without one agrees with nobody."""
    answers = {trace.answer for trace in traces}
    return Opinion(score=float(len(answers) == 1 and None not in answers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """One policy with one judge against majorities at its price."""

    judge: str
    tokens: int
    tau: float
    accuracy: float
    accuracy_error: float | None
    sampled: float
    """Mean tokens a problem, of traces and of the judge."""
    judge_sampled: float
    judge_read: float
    span: float
    pruned: float
    """Traces that were aborted."""
    majority: float
    """Accuracy of the majority at as many sampled tokens."""
    difference: tuple[float, float, float]
    """To it, with its 95 % interval over problems and draws."""
    majority_with_read: float
    """Accuracy of the majority at as many tokens when those that the judge reads are counted."""
    difference_with_read: tuple[float, float, float]


def held_out_part(pool: Pool, folder: Path) -> Pool:
    """The problems that the judge in `folder` was not trained on. Raises `ConfigError` when it does not say, or when there are none."""
    try:
        share = json.loads((folder / "training.json").read_text(encoding="utf-8"))["arguments"]["held_out"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"{folder / 'training.json'} does not say which problems were held out ({error}): train the judge again"
        ) from error
    kept = [problem for problem in pool.problems if is_held_out(problem, float(share))]
    if not kept:
        raise ConfigError(
            f"none of the {len(pool.problems)} problems of {pool.name} was held out: give the pool that the judge was trained on"
        )
    return replace(pool, problems=kept)


def areas(pool: Pool, judge: PoolClassifier, lengths: Sequence[float], *, most: int) -> dict[str, dict[str, Any]]:
    """By length and judge, what its scores are worth on up to `most` groups a problem."""
    reader = judge.classifier.reader
    asked = reader.card.question
    found: dict[str, dict[str, Any]] = {}
    for length in lengths:
        rows: dict[str, list[float]] = {"trained": []}
        labels: list[bool] = []
        problems: list[str] = []
        for problem in pool.problems:
            groups = askable(problem, asked, length)
            groups = groups if len(groups) <= most else random.Random(problem.id).sample(groups, most)
            labels += [label_of(problem, group) for group in groups]
            problems += [problem.id] * len(groups)
            rows["trained"] += [opinion.score for opinion in judge.ask(problem, groups, length)]
            if asked == "same_answer":
                rows.setdefault("similar", []).extend(_similar(problem, groups, length, reader.spell))
        found[f"{length:g}"] = {name: worth(scores, labels, problems) for name, scores in rows.items()}
    return found


def _similar(
    problem: PooledProblem, groups: Sequence[Group], length: float, spell: Callable[[Recorded, float], str]
) -> list[float]:
    texts = {place: spell(problem.traces[place], length) for place in {place for group in groups for place in group}}
    return [similarity(*(texts[place] for place in group)) for group in groups]


def prunings(
    pool: Pool, judges: Mapping[str, PoolJudge], lengths: Sequence[int], taus: Sequence[float], *, n: int, resamples: int, seed: int
) -> list[Pruning]:
    """`DeepPrune` with each judge, length and threshold, on the same draws."""
    found = []
    settings = [(tokens, tau) for tokens in lengths for tau in taus]
    for name, judge in judges.items():
        policies = [DeepPrune(n=n, judge_tokens=tokens, tau=tau, clusters=n) for tokens, tau in settings]
        resampling = Resampling(
            pool=pool, policies=policies, rules=Rules(judges={"same_answer": judge}), resamples=resamples, seed=seed
        )
        results = run(resampling)
        for (tokens, tau), played in zip(settings, results.played, strict=True):
            found.append(_against_majority(name, tokens, tau, played, results.majority, seed=seed))
    return found


def _against_majority(
    judge: str, tokens: int, tau: float, played: Sequence[Played], majority: Sequence[Majority], *, seed: int
) -> Pruning:
    sampled = [_mean(one.work) for one in played]
    read = [one.means["judge_read"] for one in played]
    accuracy = mean([_mean(one.right) for one in played])
    assert accuracy is not None
    plain, difference = _matched(played, majority, sampled, seed=seed)
    dear, dear_difference = _matched(played, majority, [a + b for a, b in zip(sampled, read, strict=True)], seed=seed)
    return Pruning(
        judge=judge,
        tokens=tokens,
        tau=tau,
        accuracy=accuracy.value,
        accuracy_error=accuracy.error,
        sampled=_mean(sampled),
        judge_sampled=_mean([one.means["judge"] for one in played]),
        judge_read=_mean(read),
        span=_mean([_mean(one.span) for one in played]),
        pruned=_mean([one.means["launched"] - one.means["finished"] for one in played]),
        majority=plain,
        difference=difference,
        majority_with_read=dear,
        difference_with_read=dear_difference,
    )


def _matched(
    played: Sequence[Played], majority: Sequence[Majority], costs: Sequence[float], *, seed: int
) -> tuple[float, tuple[float, float, float]]:
    """Accuracy of majorities that cost as much on each problem, and the paired difference to it."""
    shares = [match(cost, votes.work).of(votes) for cost, votes in zip(costs, majority, strict=True)]
    differences = [[a - b for a, b in zip(one.right, share, strict=True)] for one, share in zip(played, shares, strict=True)]
    interval = paired_difference({"": differences}, seed=seed)
    assert interval is not None
    return _mean([_mean(share) for share in shares]), (interval.value, interval.low, interval.high)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def table(found: Mapping[str, Any]) -> str:
    """For people; accuracies and differences in points."""
    lines = ["prefix    judge     within problems        pooled   problem alone   problems"]
    for length, rows in found["areas"].items():
        for name, row in rows.items():
            numbers = " ".join(f"{'–' if row[key] is None else format(row[key], '.3f'):>10}" for key in _AREAS)
            lines.append(f"{length:>6}    {name:<8} {numbers}   {row['within_problems']:>8}")
    if found["prunings"]:
        lines += ["", "judge    tokens  tau   accuracy  sampled     read  pruned   at equal tokens          with read tokens"]
    for row in found["prunings"]:
        ours, dear = row["difference"], row["difference_with_read"]
        lines.append(
            f"{row['judge']:<8} {row['tokens']:>6} {row['tau']:>4.2f}   {100 * row['accuracy']:>7.1f} {row['sampled']:>9.0f}"
            f" {row['judge_read']:>8.0f} {row['pruned']:>7.1f}   {_points(ours)}   {_points(dear)}"
        )
    return "\n".join(lines) + "\n"


_AREAS = ("within", "within_error", "pooled", "pooled_problem_alone")


def _points(difference: Sequence[float]) -> str:
    value, low, high = (100 * number for number in difference)
    return f"{value:+5.1f} [{low:+5.1f}, {high:+5.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True, help="the pool that the judge was trained on")
    parser.add_argument("--judge", type=Path, required=True, help="folder of a trained judge")
    parser.add_argument("--n", type=int, default=16, help="traces that DeepPrune launches")
    parser.add_argument("--tokens", type=int, nargs="+", help="when it judges; default: the judge's own lengths")
    parser.add_argument("--tau", type=float, nargs="+", default=[0.3, 0.5, 0.7])
    parser.add_argument("--pairs", type=int, default=256, help="most a problem, for the areas")
    parser.add_argument("--resamples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    args = parser.parse_args()
    try:
        found = measure(args)
    except ConfigError as error:
        raise SystemExit(str(error)) from None
    args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(table(found))


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Both tables. A judge of single traces has no pruning."""
    pool = held_out_part(read_pool(args.pool), args.judge)
    classifier = Classifier(args.judge)
    judge = PoolClassifier(classifier)
    card = classifier.reader.card
    fixed = args.tokens or [int(length) for length in card.lengths if length >= 1]
    found: dict[str, Any] = {
        "arguments": {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()},
        "pool": pool.name,
        "problems": len(pool.problems),
        "traces": sum(len(problem.traces) for problem in pool.problems),
        "mean_tokens": _mean([trace.tokens for problem in pool.problems for trace in problem.traces]),
        "ended_within": {
            f"{length:g}": _mean([length_in(t, length) >= t.tokens for problem in pool.problems for t in problem.traces])
            for length in fixed
        },
        "areas": areas(pool, judge, [*SHARES, *fixed], most=args.pairs),
        "prunings": [],
    }
    if card.question == "same_answer" and fixed:
        for tokens in fixed:  # in large batches what a replay would ask one by one
            for problem in pool.problems:
                every = range(len(problem.traces))
                judge.ask(problem, [(one, other) for one in every for other in range(one)], tokens)
        judges: dict[str, PoolJudge] = {"trained": judge, "coin": coin, "oracle": oracle}
        played = prunings(pool, judges, fixed, args.tau, n=args.n, resamples=args.resamples, seed=args.seed)
        found["prunings"] = [{name: getattr(one, name) for name in one.__dataclass_fields__} for one in played]
    return found


if __name__ == "__main__":
    main()
