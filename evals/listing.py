"""The table of all benchmarks: what `orchestra eval list` shows."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from .benchmark import Benchmark, Generated, Hub
from .suite import all_benchmarks


def listing() -> Table:
    """A row a benchmark: its name, how many problems, what it asks and how it is graded, what it needs and under which licence."""
    view = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
    view.add_column("benchmark", no_wrap=True)
    view.add_column("problems", justify="right", no_wrap=True)
    view.add_column("what it asks, and how it is graded", ratio=5)
    view.add_column("what it needs, and its licence", ratio=4, overflow="fold")
    for benchmark in all_benchmarks():
        view.add_row(
            benchmark.name,
            problems(benchmark),
            Text(benchmark.about),
            Text.assemble(needs(benchmark), "\n", (f"licence: {benchmark.licence}", "dim")),
        )
    view.caption = "Every benchmark also takes --data FILE: .jsonl, .json, .csv or .parquet, or one of these with .gz."
    return view


def problems(benchmark: Benchmark) -> str:
    """How many; of those that are made without an end, that they are."""
    endless = isinstance(benchmark.home, Generated) and benchmark.home.endless
    return f"{benchmark.size:,}+" if endless else f"{benchmark.size:,}"


def needs(benchmark: Benchmark) -> str:
    """What must be there before it can run."""
    match benchmark.home:
        case Hub(id=id):
            return f"the Hub ({id})"
        case Generated():
            return "nothing"
        case home:
            return f"--data: {home.path} of {home.repository}"
