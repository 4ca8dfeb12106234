"""Plan-over-Graph (Zhang et al. 2025, arXiv 2502.14563) by the exact planner: is every plan valid, as fast as can be, and how cheap?

    python -m orchestra.evals.benchmarks.plan_over_graph path/to/data/dev/test --out runs/plan_over_graph.json
    python -m orchestra.evals.benchmarks.plan_over_graph --generate 100 --out runs/task_graphs.json

The dataset (github.com/zsq259/Plan-over-Graph) has no licence and is not shipped; `--generate` draws graphs of the same kinds, of more sizes,
with cycles and with costs that differ. A plan counts as valid when `validate`, which knows nothing of the search, finds its time and cost to be
what the planner says; as time-optimal when no earlier time comes out of plain relaxation to a fixed point, nor stands in the file.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import random
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from rich import box
from rich.console import Console
from rich.table import Table

from orchestra.errors import ConfigError, ProblemError
from orchestra.plan.exact import solve
from orchestra.plan.task_graph import Number, Rule, TaskGraph, load_task_graph, validate

Kind = Literal["random", "tree", "cyclic"]
SIZES = (10, 30, 50, 100)


@dataclass(frozen=True, slots=True)
class Reference:
    """What a file says of a task."""

    time: Number
    cost: Number


@dataclass(slots=True)
class Row:
    """The planner on the tasks of one file, or on one kind of generated graphs."""

    name: str
    tasks: int = 0
    rules: int = 0
    valid: int = 0
    time_optimal: int = 0
    proven: int = 0
    """Plans proved to be the cheapest of the fastest."""
    equal: int = 0
    """Plans that cost what the file's reference costs; likewise the next two. All 0 without references."""
    cheaper: int = 0
    dearer: int = 0
    milliseconds: list[float] = field(default_factory=list)
    """Of each `solve`, in the order of the tasks."""

    def add(self, graph: TaskGraph, reference: Reference | None) -> None:
        started = time.perf_counter()
        schedule = solve(graph)
        self.milliseconds.append(1000 * (time.perf_counter() - started))
        self.tasks += 1
        self.rules += len(graph.rules)
        self.proven += schedule.proven
        try:
            steps = [subtask.model_dump(mode="json") for subtask in schedule.subtasks()]
            self.valid += validate(graph, steps) == (schedule.makespan, schedule.cost)
        except ProblemError as error:
            sys.stderr.write(f"{self.name}, task {self.tasks}: {error}\n")
        best = relaxed_time(graph)
        self.time_optimal += schedule.makespan <= (best if reference is None else min(best, reference.time))
        if reference is not None:
            self.equal += schedule.cost == reference.cost
            self.cheaper += schedule.cost < reference.cost
            self.dearer += schedule.cost > reference.cost


def relaxed_time(graph: TaskGraph) -> float:
    """The earliest time of the target: all times are lowered, rule by rule, until nothing changes."""
    times = dict.fromkeys(graph.initial_source, 0.0)
    changed = True
    while changed:
        changed = False
        for rule in graph.rules:
            finish = max((times.get(item, math.inf) for item in rule.source), default=0) + rule.time
            if finish < times.get(rule.target, math.inf):
                times[rule.target] = finish
                changed = True
    return times.get(graph.target, math.inf)


def random_task_graph(
    items: int, seed: int, *, kind: Kind = "random", dense: bool = False, max_group: int = 3, max_cost: int = 1
) -> TaskGraph:
    """A task graph whose target can be made in more than one way, the same for the same arguments.

    random: a random acyclic graph with 2 to 3 edges an item, or any number when `dense`. tree: depth at most 3 with the target as its root,
    and up to half as many cross edges as items. cyclic: random, and rules that lead back. The edges into an item are dealt out into rules
    of 1 to `max_group` sources (two thirds of them at once in a tree). Times are uniform in 1..50, costs in 1..`max_cost`.
    """
    if items < 3:
        raise ProblemError(f"a graph with a choice has at least 3 items, got {items}")
    rng = random.Random(f"{items}/{seed}/{kind}/{dense}/{max_group}/{max_cost}")
    while True:
        graph = _draw(rng, items, kind, dense, max_group, max_cost)
        if _has_choice(graph):
            return graph


def _draw(rng: random.Random, items: int, kind: Kind, dense: bool, max_group: int, max_cost: int) -> TaskGraph:
    most = items * (items - 1) // 2
    fewest, usual = (items, 3 * items // 2) if kind == "tree" else (2 * items, 3 * items)
    num_edges = rng.randint(items, most) if dense else min(most, rng.randint(fewest, usual))
    edges = _tree(rng, items) if kind == "tree" else set[tuple[int, int]]()
    while len(edges) < num_edges:
        low, high = sorted(rng.sample(range(1, items + 1), 2))
        edges.add((low, high))
    groups: list[tuple[list[int], int]] = []
    for target in range(1, items + 1):
        before = sorted(low for low, high in edges if high == target)
        rng.shuffle(before)
        size = max(1, 2 * len(before) // 3) if kind == "tree" else rng.randint(1, max_group)
        groups += [(before[start : start + size], target) for start in range(0, len(before), size)]
    made = sorted({target for _, target in groups})
    if kind == "cyclic" and len(made) > 1:
        for target in rng.choices(made[:-1], k=items // 3):
            later = rng.choice(range(target + 1, items + 1))
            others = rng.sample(
                [item for item in range(1, items + 1) if item not in (target, later)], rng.randrange(min(max_group, items - 1))
            )
            groups.append(([later, *others], target))
    used = {source for sources, _ in groups for source in sources}
    return TaskGraph(
        rules=tuple(
            Rule(
                id=id,
                source=tuple(f"N{item}" for item in sources),
                target=f"N{target}",
                time=rng.randint(1, 50),
                cost=rng.randint(1, max_cost),
            )
            for id, (sources, target) in enumerate(groups)
        ),
        initial_source=tuple(f"N{item}" for item in range(1, items + 1) if item not in made),
        target=f"N{rng.choice([item for item in made if item not in used] or [items])}",
    )


def _tree(rng: random.Random, items: int) -> set[tuple[int, int]]:
    """Edges from each item to its parent; the last item is the root."""
    depth = {items: 0}
    edges: set[tuple[int, int]] = set()
    for item in range(items - 1, 0, -1):
        parent = rng.choice([other for other in range(item + 1, items + 1) if depth[other] < 3])
        depth[item] = depth[parent] + 1
        edges.add((item, parent))
    return edges


def _has_choice(graph: TaskGraph) -> bool:
    """Whether anything on the way to the target can be made by two rules."""
    for item in (walk := [graph.target]):
        rules = [rule for rule in graph.rules if rule.target == item]
        if len(rules) > 1:
            return True
        walk += [source for rule in rules for source in rule.source if source not in walk]
    return False


def from_file(path: Path) -> Iterator[tuple[TaskGraph, Reference]]:
    """The tasks of a dataset file. Raises `ConfigError` for another file, `ProblemError` for a task that is none."""
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_text())
        tasks = [(entry["question"], Reference(entry["min_time"], entry["min_cost"])) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is no file of Plan-over-Graph tasks: {type(error).__name__}: {error}") from error
    if not tasks:
        raise ConfigError(f"{path} holds no task")
    for place, (question, reference) in enumerate(tasks):
        try:
            yield load_task_graph(question), reference
        except ProblemError as error:
            raise ProblemError(f"{path}, task {place}: {error}") from error


def generated(count: int) -> Iterator[Row]:
    for kind in get_args(Kind):
        for dense in (False, True) if kind == "random" else (False,):
            for items in SIZES:
                row = Row(f"{'dense' if dense else kind} {items}")
                for seed in range(count):
                    row.add(random_task_graph(items, seed, kind=kind, dense=dense, max_cost=10), None)
                yield row


def files(paths: Iterable[Path]) -> list[Path]:
    found = [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    if not found:
        raise ConfigError("no task files: give the dataset's `data/dev/test` or files in it, or `--generate 100`")
    return found


def record(row: Row) -> dict[str, Any]:
    """A row for JSON, with times in place of every single one."""
    return {**asdict(row), "milliseconds": quantiles(row.milliseconds)}


def quantiles(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "median": round(statistics.median(ordered), 3),
        "p95": round(ordered[math.ceil(0.95 * len(ordered)) - 1], 3),
        "max": round(ordered[-1], 3),
    }


def table(rows: Sequence[Row]) -> Table:
    view = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    view.add_column("tasks of", no_wrap=True)
    for heading in ("tasks", "rules", "valid %", "time-opt. %", "proven %", "cost =", "cost <", "cost >", "ms", "p95", "max"):
        view.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        compared = row.equal + row.cheaper + row.dearer > 0
        view.add_row(
            row.name,
            str(row.tasks),
            f"{row.rules / row.tasks:.1f}",
            *(f"{100 * share / row.tasks:.1f}" for share in (row.valid, row.time_optimal, row.proven)),
            *(str(count) if compared else "–" for count in (row.equal, row.cheaper, row.dearer)),
            *(f"{value:.2f}" for value in quantiles(row.milliseconds).values()),
        )
    view.caption = "rules: mean a task · cost: plans as dear as the file's reference, cheaper, dearer · ms: median a task"
    return view


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path, metavar="DIR_OR_FILES")
    parser.add_argument("--generate", type=int, default=0, metavar="N", help="also N seeded graphs of each kind and size")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the numbers")
    args = parser.parse_args()
    rows: list[Row] = []
    try:
        for path in files(args.paths) if args.paths or args.generate < 1 else []:
            rows.append(Row(path.name))
            for graph, reference in from_file(path):
                rows[-1].add(graph, reference)
        rows += generated(args.generate) if args.generate > 0 else []
    except (ConfigError, ProblemError) as error:
        sys.exit(f"plan_over_graph: {error}")
    result = {
        "rows": [record(row) for row in rows],
        "device": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    Console(width=None if sys.stdout.isatty() else 120).print(table(rows))


if __name__ == "__main__":
    main()
