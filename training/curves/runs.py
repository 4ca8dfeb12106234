"""What training runs have reported, read and averaged over the runs of one label. Reads metrics of grpo, of asynchronous grpo, and of sft."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from orchestra.errors import ConfigError

from ..run_folder import FACTS, METRICS
from .picture import Point

Kind = Literal["grpo", "sft"]
Over = Literal["steps", "tokens"]
_SEED = re.compile(r"[-_.]?(?:seed|s)[-_]?\d+$")
_GRPO = {"reward", "evaluation", "sampler_kl"}
"""A line of grpo has one of them; asynchronous steps may come without a reward."""
_HELD_OUT = {"validation_loss": "loss"}
"""What sft measures on held-out rows, and beside what it is shown."""


@dataclass(frozen=True, slots=True)
class Run:
    """The lines of one run, by their steps."""

    label: str
    path: Path
    kind: Kind
    steps: dict[int, dict[str, float]]
    """What was reported of training."""
    held_out: dict[int, dict[str, float]]
    """What was measured on held-out problems or rows; of several splits each number is under `KEY/SPLIT`, because their mean says nothing."""
    tokens: dict[int, float]
    """Tokens sampled (grpo) or seen (sft) up to each reported step."""

    @property
    def last(self) -> int:
        return max(self.tokens)


def read_run(asked: str) -> Run:
    """The run that `asked` names: a folder with metrics.jsonl, such a file, or a training.json, as `LABEL=RUN` or plain. A plain one has its folder's
    name for a label, without `-seed3` at its end.

    Raises `ConfigError` for what is no such run, has not reported a step yet, or holds a line that is none.
    """
    label, path = _named(asked)
    if path.is_dir():
        path = next((path / name for name in (METRICS, FACTS) if (path / name).exists()), path / METRICS)
    if not path.is_file():
        raise ConfigError(f"no training run at {path}: give the --out of a grpo or sft run that has begun, or its {METRICS}")
    lines = _facts(path) if path.suffix == ".json" else _lines(path)
    kind = _kind(lines, path)
    steps: dict[int, dict[str, float]] = {}
    held_out: dict[int, dict[str, float]] = {}
    tokens: dict[int, float] = {0: 0.0}
    sampled = 0.0
    for line in lines:
        step = int(line["step"])
        if isinstance(found := line.get("evaluation"), dict):
            held_out[step] = _by_split(found["splits"]) if isinstance(found.get("splits"), dict) else _numbers(found)
            continue
        steps[step] = _numbers(line)
        sampled = line["tokens"] if kind == "sft" else sampled + line.get("sampled_tokens", 0)
        tokens[step] = sampled
        if beside := {key: steps[step].pop(name) for name, key in _HELD_OUT.items() if name in steps[step]}:
            held_out[step] = beside
    if not steps:
        raise ConfigError(f"{path} reports no training step yet: wait for the first one")
    return Run(label, path, kind, steps, held_out, tokens)


def read_runs(asked: Sequence[str]) -> list[Run]:
    """Raises `ConfigError` as `read_run` does, for a run that is named twice, and for runs of different kinds."""
    runs = [read_run(one) for one in asked]
    for number, run in enumerate(runs):
        if any(run.path.resolve() == other.path.resolve() for other in runs[:number]):
            raise ConfigError(f"{run.path} is named twice: it would be averaged with itself")
        if run.kind != runs[0].kind:
            raise ConfigError(f"{runs[0].path} is a run of {runs[0].kind} and {run.path} one of {run.kind}: draw them apart")
    return runs


def averaged(runs: Sequence[Run], key: str, *, over: Over, smooth: int = 1) -> list[Point]:
    """The mean of `key` in training at every step that all `runs` have reached, with the lowest and the highest run.

    A step at which a run has no such number (nothing was learned) is the mean of the others. `smooth` steps of each run are averaged first.
    """
    return _averaged(runs, [_smoothed(_column(run.steps, key), smooth) for run in runs], over)


def held_out(runs: Sequence[Run], key: str, *, over: Over) -> list[Point]:
    """The same for what was measured on held-out problems."""
    return _averaged(runs, [_column(run.held_out, key) for run in runs], over)


def splits(runs: Sequence[Run], key: str) -> list[str]:
    """The splits that `runs` were evaluated on by name, in their order."""
    found = [name.partition("/") for run in runs for line in run.held_out.values() for name in line]
    return list(dict.fromkeys(split for number, _, split in found if split and number == key))


def _averaged(runs: Sequence[Run], columns: Sequence[dict[int, float]], over: Over) -> list[Point]:
    shared = min(run.last for run in runs)
    points = []
    for step in sorted({step for column in columns for step in column if step <= shared}):
        values = [column[step] for column in columns if step in column]
        reached = [run.tokens[step] for run in runs if step in run.tokens]
        across = float(step) if over == "steps" or not reached else fmean(reached)
        points.append(Point(across, fmean(values), min(values), max(values)))
    return points


def _column(lines: dict[int, dict[str, float]], key: str) -> dict[int, float]:
    return {step: line[key] for step, line in lines.items() if key in line}


def _smoothed(column: dict[int, float], width: int) -> dict[int, float]:
    """Means of `width` neighbours (one more where it is even), of fewer at the ends."""
    values, half = list(column.values()), width // 2
    return {step: fmean(values[max(0, place - half) : place + half + 1]) for place, step in enumerate(column)}


def _named(asked: str) -> tuple[str, Path]:
    label, equals, rest = asked.partition("=")
    if equals and not Path(asked).exists():
        if not label or not rest:
            raise ConfigError(f"{asked!r} is no LABEL=RUN: give both, or the run alone")
        return label, Path(rest)
    path = Path(asked)
    name = path.resolve().parent.name if path.name in (METRICS, FACTS) else path.resolve().stem
    return _SEED.sub("", name) or name, path


def _lines(path: Path) -> list[dict[str, Any]]:
    """A last line without its newline is what a running or killed writer leaves behind, and is skipped."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no text ({error}): give a {METRICS}") from error
    lines = []
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if not line.endswith("\n"):
            break
        try:
            found = json.loads(line)
        except ValueError as error:
            raise ConfigError(f"{path}, line {number} is no JSON ({error}): {line[:60]!r}") from error
        if not isinstance(found, dict) or not _is_step(found.get("step")):
            raise ConfigError(f"{path}, line {number} reports no step: {line[:60]!r}")
        lines.append(found)
    if not lines:
        raise ConfigError(f"{path} has no whole line yet: wait for the run's first step")
    return lines


def _facts(path: Path) -> list[dict[str, Any]]:
    """The loss curve that a finished sft run keeps in its training.json."""
    try:
        curve = json.loads(path.read_text(encoding="utf-8"))["curve"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} holds no loss curve ({type(error).__name__}: {error}): give the run's {METRICS}") from error
    if not isinstance(curve, list) or not curve or not all(isinstance(line, dict) and _is_step(line.get("step")) for line in curve):
        raise ConfigError(f"the curve in {path} has no steps: give the run's {METRICS}")
    return curve


def _kind(lines: Sequence[dict[str, Any]], path: Path) -> Kind:
    kinds: set[Kind] = set()
    for number, line in enumerate(lines, start=1):
        if _GRPO & line.keys():
            kinds.add("grpo")
        elif "loss" in line and _is_number(line.get("tokens")):
            kinds.add("sft")
        else:
            raise ConfigError(f"{path}, line {number} is of neither grpo nor sft: it reports {', '.join(line)[:80]}")
    if len(kinds) > 1:
        raise ConfigError(f"{path} holds lines of grpo and of sft: runs must not share an --out")
    return kinds.pop()


def _numbers(line: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in line.items() if _is_number(value)}


def _by_split(found: dict[str, Any]) -> dict[str, float]:
    measured = {split: _numbers(line) for split, line in found.items() if isinstance(line, dict)}
    return {f"{name}/{split}": value for split, line in measured.items() for name, value in line.items()}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_step(value: object) -> bool:
    return _is_number(value) and float(value) >= 0  # type: ignore[arg-type]
