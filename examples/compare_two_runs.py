"""Two methods on the same problems: the paired comparison, and one page with every try.

python examples/compare_two_runs.py                           two small runs of a symbolic player: no model, no GPU, a second
python examples/compare_two_runs.py runs/serial runs/fork     runs that `orchestra eval … --out` wrote

In a shell the first is

    orchestra eval countdown --engine scripted --method serial --limit 50 --out runs/serial
    orchestra eval countdown --engine scripted --method fork --join first --limit 50 --out runs/fork
    orchestra report runs/serial runs/fork
"""

import sys
from pathlib import Path

from orchestra.evals.pages import write_report_page
from orchestra.evals.run import Run

from orchestra.cli import main as orchestra

FOLDER = Path("runs/compare")


def measured(name: str, *options: str) -> Path:
    """A run in a folder of its own. Where it was finished before, nothing is run again."""
    folder = FOLDER / name
    words = ["eval", "countdown", "--engine", "scripted", "--limit", "50", "--traces", "all", "--out", str(folder), *options]
    if status := orchestra(words):
        sys.exit(status)
    return folder


if __name__ == "__main__":
    runs = [Path(argument) for argument in sys.argv[1:]]
    if not runs:
        runs = [measured("serial", "--method", "serial"), measured("fork", "--method", "fork", "--join", "first")]
    if status := orchestra(["report", *map(str, runs)]):
        sys.exit(status)
    page = FOLDER / "report.html"
    write_report_page([Run(run) for run in runs], page)
    print(f"every try with its threads: {page}")
