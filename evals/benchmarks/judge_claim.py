"""DeepPrune's claim put to the test: can a judge that reads beginnings tell which traces will agree, and does pruning by it pay?

    python -m orchestra.training.judge --pool pool.jsonl.gz --init models/countdown-6m --lengths 24 48 --held-out 0.5 --fold 0 --out judges/0
    python -m orchestra.training.judge --pool pool.jsonl.gz --init models/countdown-6m --lengths 24 48 --held-out 0.5 --fold 1 --out judges/1
    python -m orchestra.evals.benchmarks.judge_claim --pool pool.jsonl.gz --judge judges/0 judges/1 --n 16 --out judge-claim.json

Each problem is judged by a judge that was not trained on it; problems that all were trained on do not count. First the areas under the ROC
curve inside problems, for prefixes of 25, 50 and 75 % and of the judge's own lengths, beside those of a measure without a model (`Similar`) and
of the problem alone. Then `DeepPrune` on the recorded traces, problem by problem on the same draws, against three majorities: of all `--n`
traces, as the paper has it; of as many sampled tokens; and of as many tokens when those that the judge reads count, too.

Beside the trained judge stand `Similar`, with a threshold above which as many pairs lie; "shuffled", the trained judge's own opinions about other
traces of the problem, which prunes as much and knows nothing of the traces; and "oracle", which knows the answers and reads for nothing.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from orchestra.errors import ConfigError
from orchestra.sample.judges.classifier import Classifier, PoolClassifier
from orchestra.sample.judges.questions import askable, is_held_out, label_of
from orchestra.sample.judges.reading import JudgeCard, Reader
from orchestra.sample.pool import Pool, PooledProblem
from orchestra.sample.pool_file import read_pool

from ..pair_scores import oracle_scores, shuffled, similar_scores, similarities, trained_scores
from ..pruning import Terms, prunings
from ..ranking import worth

SHARES = (0.25, 0.5, 0.75)


@dataclass(frozen=True, slots=True)
class Bench:
    """Judges that were trained alike, on different problems of one pool."""

    judges: Sequence[PoolClassifier]
    held_out: Sequence[tuple[float, int]]
    """Of each, the share of problems that it was not trained on, and which: its fold."""

    @classmethod
    def open(cls, folders: Sequence[Path]) -> Bench:
        """Raises `ConfigError` for folders without judges, and for judges that read or are asked differently."""
        held_out = [_held_out(folder) for folder in folders]
        judges = [PoolClassifier(Classifier(folder)) for folder in folders]
        first = _asked(judges[0].classifier.reader.card)
        for folder, judge in zip(folders, judges, strict=True):
            if (other := _asked(judge.classifier.reader.card)) != first:
                raise ConfigError(f"{folder} was trained on {other}, {folders[0]} on {first}: give judges that were trained alike")
        return cls(judges, held_out)

    @property
    def reader(self) -> Reader:
        return self.judges[0].classifier.reader

    def of(self, problem: PooledProblem) -> PoolClassifier | None:
        """The first that was not trained on it; None when all were."""
        for judge, (share, fold) in zip(self.judges, self.held_out, strict=True):
            if is_held_out(problem, share, fold):
                return judge
        return None

    def sure_of(self, problem: PooledProblem) -> PoolClassifier:
        judge = self.of(problem)
        assert judge is not None, "problems without a judge were left out"
        return judge

    def part(self, pool: Pool, traces: int | None) -> Pool:
        """The problems that have a judge, and up to `traces` traces of each. Raises `ConfigError` when there are none."""
        kept = [replace(problem, traces=problem.traces[:traces]) for problem in pool.problems if self.of(problem) is not None]
        if not kept:
            raise ConfigError(
                f"none of the {len(pool.problems)} problems of {pool.name} was held out: give the pool that the judges were trained on"
            )
        return replace(pool, problems=kept)


def _held_out(folder: Path) -> tuple[float, int]:
    try:
        arguments = json.loads((folder / "training.json").read_text(encoding="utf-8"))["arguments"]
        return float(arguments["held_out"]), int(arguments["fold"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{folder / 'training.json'} does not say which problems were held out ({error}): train the judge again"
        ) from error


def _asked(card: JudgeCard) -> tuple[str, tuple[float, ...]]:
    return card.question, card.lengths


def areas(pool: Pool, bench: Bench, lengths: Sequence[float], *, most: int) -> dict[str, dict[str, Any]]:
    """By length and judge, what its scores are worth on up to `most` groups a problem."""
    asked = bench.reader.card.question
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
            rows["trained"] += [opinion.score for opinion in bench.sure_of(problem).ask(problem, groups, length)]
            if asked == "same_answer":
                rows.setdefault("similar", []).extend(similarities(problem, groups, length, bench.reader))
        found[f"{length:g}"] = {name: worth(scores, labels, problems) for name, scores in rows.items()}
    return found


def measure(args: argparse.Namespace, said: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Both tables. Judges of single traces have no pruning. Raises `ConfigError` for judges and pools that do not fit."""
    began = time.monotonic()

    def say(what: str) -> None:
        said(f"{time.monotonic() - began:6.1f} s  {what}")

    bench = Bench.open(args.judge)
    pool = bench.part(read_pool(args.pool), args.traces)
    card = bench.reader.card
    fixed: list[int] = args.tokens or [int(length) for length in card.lengths if length >= 1]
    everyone = [trace for problem in pool.problems for trace in problem.traces]
    found: dict[str, Any] = {
        "arguments": {name: _value(value) for name, value in vars(args).items()},
        "pool": pool.name,
        "problems": len(pool.problems),
        "traces": len(everyone),
        "mean_tokens": sum(trace.tokens for trace in everyone) / len(everyone),
        "ended_within": {f"{tokens}": sum(t.tokens < tokens for t in everyone) / len(everyone) for tokens in fixed},
        "areas": areas(pool, bench, [*SHARES, *fixed], most=args.pairs),
        "prunings": [],
    }
    say(f"areas on {len(pool.problems)} problems")
    if card.question == "same_answer" and fixed:
        if args.n > pool.depth:
            raise ConfigError(f"{pool.name} has problems with only {pool.depth} traces: lower --n {args.n}")
        trained = trained_scores(pool.problems, fixed, bench.sure_of)
        say(f"{sum(map(len, trained.said.values()))} pairs judged")
        judges = {
            "trained": trained,
            "similar": similar_scores(pool.problems, fixed, bench.reader),
            "shuffled": shuffled(trained, seed=args.seed),
            "oracle": oracle_scores(pool.problems, fixed),
        }
        say("pairs compared without a model")
        terms = Terms(n=args.n, resamples=args.resamples, read_price=args.read_price, seed=args.seed, processes=args.processes)
        found["prunings"] = [asdict(one) for one in prunings(pool, judges, fixed, args.tau, args.largest, terms)]
        say("replays")
    found["seconds"] = round(time.monotonic() - began, 1)
    return found


def _value(value: object) -> object:
    """As JSON has it."""
    if isinstance(value, list):
        return [_value(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def table(found: Mapping[str, Any]) -> str:
    """For people; accuracies and differences in points."""
    lines = [f"{found['problems']} problems that no judge was trained on, {found['mean_tokens']:.0f} tokens a trace"]
    lines += ["", "prefix    judge     within problems        pooled   problem alone   problems with both classes"]
    for length, rows in found["areas"].items():
        for name, row in rows.items():
            numbers = " ".join(f"{'–' if row[key] is None else format(row[key], '.3f'):>10}" for key in _AREAS)
            lines.append(f"{length:>6}    {name:<8} {numbers}   {row['within_problems']:>8}")
    if found["prunings"]:
        lines += [
            "",
            f"{'judge':<9}{'tokens':>6} {'K':>2} {'tau':>5} {'acc.':>5} {'sampled':>8} {'read':>7} {'pruned':>6} {'saved':>6}",
        ]
        lines[-1] += "".join(f"   {title:<21}" for title in ("to all", "at equal tokens", "with read tokens", "to shuffled"))
    for row in found["prunings"]:
        line = f"{row['judge']:<9}{row['tokens']:>6} {row['largest']:>2} {row['tau']:>5.2f} {100 * row['accuracy']:>5.1f}"
        line += f" {row['sampled']:>8.0f} {row['judge_read']:>7.0f} {row['pruned']:>6.1f} {100 * row['saved']:>5.1f}%"
        lines.append(line + "".join(f"   {_points(row[name]):<21}" for name in _DIFFERENCES))
    return "\n".join(line.rstrip() for line in lines) + "\n"


_AREAS = ("within", "within_error", "pooled", "pooled_problem_alone")
_DIFFERENCES = ("to_all", "at_equal_tokens", "with_read", "to_shuffled")


def _points(difference: Sequence[float] | None) -> str:
    if difference is None:
        return "–"
    value, low, high = (100 * number for number in difference)
    return f"{value:+5.1f} [{low:+5.1f}, {high:+5.1f}]"


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True, help="the pool that the judges were trained on")
    parser.add_argument("--judge", type=Path, nargs="+", required=True, help="folders of trained judges, one a fold")
    parser.add_argument("--n", type=int, default=16, help="traces that DeepPrune launches")
    parser.add_argument("--traces", type=int, help="most traces of a problem that are used")
    parser.add_argument("--tokens", type=int, nargs="+", help="when it judges; default: the judges' own lengths")
    parser.add_argument("--tau", type=float, nargs="+", default=[0.3, 0.5, 0.7], help="thresholds of the trained judge")
    parser.add_argument("--largest", type=int, nargs="+", default=[0, 10], help="traces of its second stage; 0 for none")
    parser.add_argument("--read-price", type=float, default=1.0, help="of a token that a judge reads, in sampled tokens")
    parser.add_argument("--pairs", type=int, default=256, help="most a problem, for the areas")
    parser.add_argument("--resamples", type=int, default=50)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    return parser.parse_args(argv)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def main() -> None:
    args = parse()
    try:
        found = measure(args, _say)
    except ConfigError as error:
        raise SystemExit(str(error)) from None
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(table(found))


if __name__ == "__main__":
    main()
