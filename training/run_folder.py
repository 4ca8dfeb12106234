"""What the folder of a run says about it: a folder belongs to one run, and a second run with other arguments must not mix with it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from orchestra.errors import ConfigError

ARGUMENTS = "arguments.json"
FACTS = "training.json"
METRICS = "metrics.jsonl"


def claim(folder: Path, arguments: Mapping[str, Any], *, may_change: Collection[str] = (), note: str = ARGUMENTS) -> None:
    """Make the folder and note in a file what it is for; a run that goes on has to have the same arguments, but for those that
    `may_change`. A folder without the note, of an older version, is taken as it is where a checkpoint in it says whose it is.

    Raises `ConfigError` for a folder of another run, and for one with metrics of a run that nothing says anything about.
    """
    values = {name: value for name, value in as_json(arguments).items() if name not in may_change}
    make_folder(folder)
    path = folder / note
    if path.exists():
        refuse_others(folder, read_object(path), values)
    elif (folder / METRICS).exists() and not any(folder.glob("checkpoint*")):
        raise ConfigError(f"{folder / METRICS} is of a run that nothing else is known of: remove it, or give another --out")
    replace_text(path, json.dumps(values, indent=1) + "\n")


def finished(folder: Path, arguments: Mapping[str, Any], *, may_change: Collection[str] = ()) -> dict[str, Any] | None:
    """The `training.json` that a run with these arguments has left at its end; None where no run has ended yet.

    Raises `ConfigError` where another run has ended, and for a model that no run of a trainer has left: both would be overwritten.
    """
    path = folder / FACTS
    if not path.exists():
        if (folder / "config.json").exists() and not (folder / METRICS).exists():
            raise ConfigError(f"{folder} holds a model of something else, which would be overwritten: give another --out")
        return None
    facts = read_object(path)
    before, values = facts.get("arguments"), as_json(arguments)
    if not isinstance(before, dict):
        raise ConfigError(f"{path} names no arguments, so {folder} is of something else: give another --out")
    kept = {name: value for name, value in before.items() if name not in may_change}
    refuse_others(folder, kept, {name: value for name, value in values.items() if name not in may_change})
    return facts


def refuse_others(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises `ConfigError` where an argument was another. Absent ones count as None."""
    if others := {name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}:
        name = min(others)
        raise ConfigError(
            f"{folder} is of a run with --{name.replace('_', '-')} {before.get(name)!r}, not {now.get(name)!r}: give the same arguments,"
            " or another --out"
        )


def forget_after(out: Path, step: int) -> None:
    """Metrics of steps that will be taken again."""
    path = out / METRICS
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if _step(line) <= step]
        replace_text(path, "".join(f"{line}\n" for line in kept))


def evaluated(out: Path, step: int) -> bool:
    """Whether the metrics have an evaluation of this step."""
    path = out / METRICS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return any('"evaluation"' in line and _step(line) == step for line in lines)


def _step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")  # a line that a kill cut short


def as_json(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Paths as text, everything else as it is."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in arguments.items()}


def make_folder(folder: Path) -> None:
    """Raises `ConfigError` where there can be none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be made a folder ({error.strerror}): give another --out") from error


def read_object(path: Path) -> dict[str, Any]:
    """Raises `ConfigError` for what is no JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is damaged ({error}): remove it and run the program that made it again") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path} is damaged (no JSON object): remove it and run the program that made it again")
    return value


def replace_text(path: Path, text: str) -> None:
    """The file is the old or the new one, never a part."""
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.rename(path)
