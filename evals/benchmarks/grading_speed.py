"""What a grade costs: `Equivalence` against math-verify called for every pair, side by side in one run, on recorded answers.

    python -m orchestra.evals.benchmarks.grading_speed traces --rounds 5 --out evals/recorded/grading-cpu.json

TRACES is a folder of recorded traces: files with `branches` (a final answer a trace) and with `preds` (an answer an output), each with its
gold answer and the grade that was recorded. Per round, in turn, and each with nothing known from before:

    ours          one `Equivalence` that has its process running, `equal` for every trace
    votes         the same with `key`, which is what a policy waits for
    plain         `parse` of both and `verify`, as math-verify's documentation shows it, in this process
    plain cached  the same, but once for each pair of strings: what a dictionary alone would save

Neither time holds what happens once a program: `start_seconds` for our process, and the import of sympy for plain. `speedup_with_start`
charges us, and not plain, for it. "Different" counts grades that are not the recorded ones. They were made with math-verify, so plain is at home here.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestra.answers import Equivalence
from orchestra.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Pair:
    problem: str
    gold: str
    answer: str | None
    correct: bool
    """As recorded."""


@dataclass(slots=True)
class Passes:
    """Passes of one method over all pairs, in seconds."""

    totals: list[float] = field(default_factory=list)
    medians: list[float] = field(default_factory=list)
    """Of single grades."""
    slowest: float = 0.0
    different: int = 0

    def add(self, total: float, singles: Sequence[float], grades: Sequence[bool], pairs: Sequence[Pair]) -> None:
        self.totals.append(total)
        self.medians.append(statistics.median(singles))
        self.slowest = max(self.slowest, *singles)
        self.different = sum(grade != pair.correct for grade, pair in zip(grades, pairs, strict=True))

    def summary(self, pairs: int) -> dict[str, Any]:
        total = statistics.median(self.totals)
        return {
            "seconds": [round(value, 3) for value in self.totals],
            "median_seconds": round(total, 3),
            "grades_per_second": round(pairs / total),
            "median_grade_us": round(1e6 * statistics.median(self.medians), 1),
            "slowest_grade_ms": round(1e3 * self.slowest, 1),
            "different": self.different,
        }


def read_pairs(file: Path) -> list[Pair]:
    with gzip.open(file, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    pairs = []
    for row in rows:
        problem, gold = str(row["qid"]), str(row["gold"])
        if "branches" in row:
            answers = [(None if b["final"] == "ERR" else b["final"], b["final_correct"]) for b in row["branches"]]
        else:
            answers = list(zip(row["preds"], row["correct"], strict=True))
        pairs += [Pair(problem, gold, answer, correct) for answer, correct in answers]
    return pairs


async def ours(pairs: Sequence[Pair], *, votes: bool) -> tuple[float, list[float], list[bool]]:
    singles, grades = [], []
    async with Equivalence(required=True) as same:
        await same.key("", r"\sqrt{2}")  # the process runs
        started = time.perf_counter()
        for pair in pairs:
            before = time.perf_counter()
            if votes:
                key = await same.key(pair.problem, pair.answer)
                singles.append(time.perf_counter() - before)
                grades.append(key is not None and key == await same.key(pair.problem, pair.gold))
            else:
                grades.append(await same.equal(pair.gold, pair.answer))
                singles.append(time.perf_counter() - before)
        return time.perf_counter() - started, singles, grades


def plain(pairs: Sequence[Pair], *, cached: bool) -> tuple[float, list[float], list[bool]]:
    math_verify: Any = import_module("math_verify")
    parse: Callable[[str], Any] = math_verify.parse
    known: dict[tuple[str, str], bool] = {}
    singles, grades = [], []
    started = time.perf_counter()
    for pair in pairs:
        before = time.perf_counter()
        both = (pair.gold, pair.answer or "")
        if not cached or both not in known:
            known[both] = math_verify.verify(parse(f"${both[0]}$"), parse(f"${both[1]}$"))
        grades.append(known[both])
        singles.append(time.perf_counter() - before)
    return time.perf_counter() - started, singles, grades


def measure(name: str, pairs: Sequence[Pair], *, rounds: int, start_s: float) -> dict[str, Any]:
    methods: dict[str, Callable[[], tuple[float, list[float], list[bool]]]] = {
        "ours": lambda: asyncio.run(ours(pairs, votes=False)),
        "votes": lambda: asyncio.run(ours(pairs, votes=True)),
        "plain": lambda: plain(pairs, cached=False),
        "plain cached": lambda: plain(pairs, cached=True),
    }
    passes = {method: Passes() for method in methods}
    plain(pairs[:1], cached=False)  # imports, and compiles its patterns
    for number in range(rounds):
        for method, run in methods.items():
            passes[method].add(*run(), pairs)
        told = ", ".join(f"{method} {done.totals[-1]:.2f} s" for method, done in passes.items())
        sys.stderr.write(f"{name}, round {number + 1}: {told}\n")

    def ratio(method: str, start_s: float = 0.0) -> float:
        paired = zip(passes[method].totals, passes["ours"].totals, strict=True)
        return round(statistics.median(theirs / (start_s + ours_s) for theirs, ours_s in paired), 2)

    return {
        "pairs": len(pairs),
        "different_pairs": len({(pair.gold, pair.answer) for pair in pairs}),
        **{method: done.summary(len(pairs)) for method, done in passes.items()},
        "speedup": ratio("plain"),
        "speedup_with_start": ratio("plain", start_s),
        "speedup_over_cached": ratio("plain cached"),
    }


async def starting() -> float:
    """Seconds from entering to the first answer that needs the process."""
    started = time.perf_counter()
    async with Equivalence(required=True) as same:
        await same.key("p", r"\sqrt{2}")
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    files = {file.name.removesuffix(".jsonl.gz"): file for file in sorted(args.traces.rglob("*.jsonl.gz"))}
    if not files:
        raise ConfigError(f"no `*.jsonl.gz` in {str(args.traces)!r}: give the folder of the recorded traces")
    start_s = statistics.median(asyncio.run(starting()) for _ in range(args.rounds))
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.processor() or platform.machine()}, {_cpu()}",
        "python": platform.python_version(),
        **{library: version(library) for library in ("math-verify", "latex2sympy2_extended", "sympy")},
        "rounds": args.rounds,
        "start_seconds": round(start_s, 3),
        "sets": {name: measure(name, read_pairs(file), rounds=args.rounds, start_s=start_s) for name, file in files.items()},
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    sets = {name: {key: value for key, value in row.items() if key.startswith("speedup")} for name, row in result["sets"].items()}
    sys.stdout.write(json.dumps(sets, indent=1) + "\n")


def _cpu() -> str:
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return f"{len(names)} cores of {names[0]}" if names else "unknown cores"


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


if __name__ == "__main__":
    main()
