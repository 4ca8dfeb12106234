"""What a judge is trained on: examples from a pool, the rarer class more often, problems split by a hash of their ids."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestra.errors import ConfigError
from orchestra.sample.events import Group
from orchestra.sample.judges.questions import askable, is_held_out, label_of
from orchestra.sample.judges.reading import Asked
from orchestra.sample.pool import PooledProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One question with its answer."""

    problem: PooledProblem
    traces: Group
    """Places in `problem.traces`."""
    length: float
    """Tokens of each trace that are shown; below 1 a share of it."""
    label: bool


def examples(
    problems: Iterable[PooledProblem], question: Asked, lengths: Sequence[float], *, most: int, even: bool = False, seed: int = 0
) -> list[Example]:
    """Up to `most` questions a problem and length, drawn at random.

    `even` draws as many of either answer from a problem as there are, up to half of `most`: then which problem it is tells less about the
    answer, and what the traces say tells more.
    """
    found: list[Example] = []
    for problem in problems:
        rng = random.Random(f"{seed}/{problem.id}")
        for length in lengths:
            asked = [
                Example(problem=problem, traces=group, length=length, label=label_of(problem, group))
                for group in askable(problem, question, length)
            ]
            found += _even(asked, most, rng) if even else _some(asked, most, rng)
    return found


def _some(asked: list[Example], most: int, rng: random.Random) -> list[Example]:
    return asked if len(asked) <= most else rng.sample(asked, most)


def _even(asked: list[Example], most: int, rng: random.Random) -> list[Example]:
    """A problem on which all agree gives half of `most`, too."""
    return [one for label in (False, True) for one in _some([one for one in asked if one.label is label], most // 2, rng)]


def oversampled(found: Sequence[Example], times: int) -> list[Example]:
    """The rarer class `times` over (DeepPrune, arXiv 2510.08483, has 2).

    Raises `ConfigError` when there is only one class.
    """
    counts = Counter(example.label for example in found)
    if len(counts) < 2:
        only = (
            "no question at all: its traces end within the prefixes, or state no answers"
            if not counts
            else (f"only questions whose answer is {'yes' if True in counts else 'no'}")
        )
        raise ConfigError(f"the training problems give {only}. A judge needs both: take more problems, or other `--lengths`")
    rare = min(counts, key=counts.__getitem__)
    return [copy for example in found for copy in [example] * (times if example.label is rare else 1)]


def split(problems: Sequence[PooledProblem], share: float, fold: int = 0) -> tuple[list[PooledProblem], list[PooledProblem]]:
    """Problems to train on, and those held out in this fold. Raises `ConfigError` when either side has fewer than two."""
    sides: tuple[list[PooledProblem], list[PooledProblem]] = [], []
    for problem in problems:
        sides[is_held_out(problem, share, fold)].append(problem)
    if min(map(len, sides)) < 2:
        raise ConfigError(
            f"{len(problems)} problems, of which {share:.0%} are held out, leave {len(sides[0])} to train on and {len(sides[1])} to test "
            "with: both need two at least. Take more problems, or another `--held-out`"
        )
    return sides
