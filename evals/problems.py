"""Where the Countdown problems of an eval come from: a seeded held-out split, or a file with one JSON object a line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from orchestra.countdown.problem import Problem, Split, generate
from orchestra.errors import ConfigError, ProblemError


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of a problems file that is no problem. The others still run."""

    number: int
    reason: str


def from_split(split: Split, *, seed: int, limit: int, size: int = 4) -> list[Problem]:
    """The first `limit` solvable problems of a split; the same seed gives the same list, and a larger limit a longer one."""
    return list(islice(generate(split, seed=seed, size=size), limit))


def from_file(path: Path, *, limit: int | None) -> tuple[list[Problem], list[BadLine]]:
    """Problems of a JSONL file, `{"numbers": [3, 5, 7, 11], "target": 24}` a line, with the lines that are none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read problems from {path}: {error}") from error
    problems: list[Problem] = []
    bad: list[BadLine] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            problems.append(parse_problem(line))
        except ProblemError as error:
            bad.append(BadLine(number, str(error)))
    unique = list({problem.key: problem for problem in problems}.values())
    if not unique:
        reasons = f": line {bad[0].number}: {bad[0].reason}" if bad else " (it is empty)"
        raise ConfigError(f'{path} holds no problem{reasons}. Expected lines such as {{"numbers": [3, 5, 7, 11], "target": 24}}')
    return unique[:limit], bad


def parse_problem(line: str) -> Problem:
    """One problem from one JSON object. Raises `ProblemError` that says what is wrong."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProblemError(f"not JSON: {error}") from error
    if not isinstance(value, dict) or not {"numbers", "target"} <= value.keys():
        raise ProblemError('expected an object with "numbers" and "target"')
    numbers, target = value["numbers"], value["target"]
    if not isinstance(numbers, list) or not all(_is_int(n) for n in numbers) or not _is_int(target):
        raise ProblemError('"numbers" must be a list of integers and "target" an integer')
    return Problem(tuple(numbers), target)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
