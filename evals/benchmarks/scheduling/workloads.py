"""The workloads, as plain data: for each node its parents and what it sleeps. A peer gets one as JSON on its standard input.

    python -m scheduling.workloads layered-400 --seed 3      (in evals/benchmarks)

Nodes are numbered in the order in which a planner writes them, parents first. Log-normal durations have sigma 1: a long tail, as calls of
models and tools have. `leaves-60-chain-12` takes means of 100 ms, not 40, because asyncio's timers are a millisecond coarse and its twelve
links in a row would show that more than any order of starts.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["wide", "chain", "layered", "leaves", "stream"]
KINDS: tuple[Kind, ...] = get_args(Kind)

SIGMA = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    kind: Kind
    parents: list[list[int]]
    """For each node the nodes that must have ended before it starts; all have smaller numbers."""
    seconds: list[float]
    """What each node sleeps; 0 returns at once."""
    slots: int | None = None
    """Nodes that may run at one time; None for any number."""
    gap_s: float | None = None
    """Node i is unknown before i * gap_s: its plan streams in. None when the whole plan is there from the start."""

    def __post_init__(self) -> None:
        assert len(self.parents) == len(self.seconds)
        assert all(0 <= parent < node for node, parents in enumerate(self.parents) for parent in parents)

    @property
    def critical_path_s(self) -> float:
        ends: list[float] = []
        for parents, seconds in zip(self.parents, self.seconds, strict=True):
            ends.append(max((ends[parent] for parent in parents), default=0.0) + seconds)
        return max(ends, default=0.0)

    @property
    def lower_bound_s(self) -> float:
        """No schedule is shorter: the critical path, or all work spread evenly over the slots."""
        return max(self.critical_path_s, math.fsum(self.seconds) / self.slots) if self.slots else self.critical_path_s

    @property
    def barrier_s(self) -> float:
        """What it takes with any number of slots if each level waits for the whole level before it."""
        levels: list[int] = []
        longest: dict[int, float] = {}
        for parents, seconds in zip(self.parents, self.seconds, strict=True):
            levels.append(max((levels[parent] + 1 for parent in parents), default=0))
            longest[levels[-1]] = max(longest.get(levels[-1], 0.0), seconds)
        return math.fsum(longest.values())


def wide(num_tasks: int) -> Workload:
    """So many nodes that do nothing, and one that needs them all."""
    return Workload(kind="wide", parents=[[] for _ in range(num_tasks)] + [list(range(num_tasks))], seconds=[0.0] * (num_tasks + 1))


def chain(length: int) -> Workload:
    """Nodes that do nothing, each of which needs the one before."""
    return Workload(kind="chain", parents=[[node - 1] if node else [] for node in range(length)], seconds=[0.0] * length)


def layered(seed: int, *, num_layers: int = 20, width: int = 20) -> Workload:
    """Each node needs one to three of the layer before; durations log-normal, mean 40 ms, at most 0.5 s."""
    rng = random.Random(seed)
    parents: list[list[int]] = [[] for _ in range(width)]
    for layer in range(1, num_layers):
        above = range((layer - 1) * width, layer * width)
        parents += [sorted(rng.sample(above, min(width, rng.randint(1, 3)))) for _ in range(width)]
    return Workload(kind="layered", parents=parents, seconds=[_duration(rng, mean_s=0.04, most_s=0.5) for _ in parents])


def leaves(seed: int, *, num_leaves: int = 60, length: int = 12, slots: int = 8) -> Workload:
    """Leaves, then one chain, on few slots: whoever starts in the order of writing comes to the chain last. Mean 100 ms, at most 1 s."""
    rng = random.Random(seed)
    parents: list[list[int]] = [[] for _ in range(num_leaves)]
    parents += [[num_leaves + link - 1] if link else [] for link in range(length)]
    return Workload(kind="leaves", parents=parents, seconds=[_duration(rng, mean_s=0.1, most_s=1.0) for _ in parents], slots=slots)


def stream(seed: int, *, num_lines: int = 15, gap_s: float = 0.2) -> Workload:
    """A line of the plan every `gap_s`; each node needs one of the two before it and sleeps from half to two gaps."""
    rng = random.Random(seed)
    parents = [[rng.randint(max(0, node - 2), node - 1)] if node else [] for node in range(num_lines)]
    return Workload(kind="stream", parents=parents, seconds=[rng.uniform(0.5, 2) * gap_s for _ in parents], gap_s=gap_s)


def _duration(rng: random.Random, *, mean_s: float, most_s: float) -> float:
    return min(most_s, rng.lognormvariate(math.log(mean_s) - SIGMA**2 / 2, SIGMA))


POINTS: dict[str, Callable[[int], Workload]] = {
    "wide-1000": lambda seed: wide(1_000),
    "wide-10000": lambda seed: wide(10_000),
    "chain-200": lambda seed: chain(200),
    "layered-400": layered,
    "leaves-60-chain-12": leaves,
    "stream-15": stream,
}
"""What is measured, by name, from a seed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("point", choices=POINTS)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    sys.stdout.write(json.dumps(dataclasses.asdict(POINTS[args.point](args.seed))) + "\n")


if __name__ == "__main__":
    main()
