"""What the headline's parts write: points (one search set-up on many problems, try by try), timed tries, and where they come from.

Files of one seed are merged: shards of a point are put together, and every other point must be there once.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from orchestra.countdown.problem import Split
from orchestra.errors import ConfigError

Role = Literal["serial", "fork", "start", "five"]
"""Whose tries: the serial policy's, the forking policy's, those of the model that RL began with, or of one for five numbers."""


class Point(BaseModel):
    """One set-up on problems of one seeded list. The columns hold a list of tries for each problem."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    role: Role
    split: Split
    size: int
    """Numbers of a problem."""
    largest_target: int = 100
    """That the list draws; lists of recordings without it end at 100."""
    problem_seed: int = 0
    """Of the list that the problems are from."""
    setup: dict[str, Any]
    places: list[int]
    """Of the problems, in the list that `evals.problems.from_split` gives for `problem_seed`."""
    votes: list[list[int]]
    """0: no answer. k > 0: the k-th right answer of this problem. k < 0: its k-th wrong claim. Equal numbers are equal answers."""
    work: list[list[int]]
    """Sampled tokens."""
    span: list[list[int]] | None = None
    """Sampled tokens on the critical path; None where a try is one thread, whose span is its work."""
    children: list[list[int]] | None = None
    prompts: list[int]
    """Tokens of each problem's prompt."""
    explored: int = 0
    """Operations whose result was written while searching, in all tries."""
    seconds: float
    """Wall clock of the measurement."""

    @model_validator(mode="after")
    def _columns_agree(self) -> Self:
        shape = [len(tries) for tries in self.votes]
        for column in (self.work, self.span, self.children):
            if column is not None and [len(tries) for tries in column] != shape:
                raise ValueError(f"the columns of {self.name} differ in length")
        if not len(self.places) == len(self.prompts) == len(shape):
            raise ValueError(f"{self.name} has {len(self.places)} places and {len(shape)} problems")
        return self

    @property
    def spans(self) -> list[list[int]]:
        return self.work if self.span is None else self.span

    @property
    def tries(self) -> int:
        return sum(map(len, self.votes))


class Timed(BaseModel):
    """The problems of one method that ran in one round at one load."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    at_once: int
    round: int
    tries: int
    """Most of them at a problem."""
    window: int
    """Of the first."""
    seconds: list[float]
    """Of each problem, from its start to its answer."""
    correct: list[bool]
    work: list[int]
    total_seconds: float


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    parameters: int | None
    weights: str | None
    """Short hash of its weights."""
    sizes: tuple[int, ...] = ()
    """How many numbers its training problems had."""


class Recording(BaseModel):
    """One file: what one process measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    benchmark: Literal["headline"] = "headline"
    seed: str
    window: int
    engine: str
    models: dict[Role, Model]
    points: list[Point]
    timed: list[Timed] = []
    origin: dict[str, Any]
    """Date, machine, versions, commit and command."""


def write(path: Path, recording: Recording) -> None:
    """Compressed where the name ends in .gz; the same recording gives the same bytes."""
    data = (json.dumps(recording.model_dump(mode="json"), separators=(",", ":")) + "\n").encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    temporary.replace(path)


def read(path: Path) -> Recording:
    """Raises `ConfigError` for a file that is not there or is no recording."""
    try:
        data = path.read_bytes()
        return Recording.model_validate_json(gzip.decompress(data) if path.suffix == ".gz" else data)
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{path} cannot be read: {error}; give the files that `headline --out` wrote") from error
    except ValidationError as error:
        raise ConfigError(f"{path} is no recording of the headline: {error.errors()[0]['msg']}") from error


def joined(recordings: Sequence[Recording]) -> Recording:
    """The recordings of one seed as one. Raises `ConfigError` when they do not belong together: other seeds, windows,
    models, or a problem twice."""
    first = recordings[0]
    models: dict[Role, Model] = {}
    shards: dict[str, list[Point]] = {}
    for recording in recordings:
        if recording.seed != first.seed:
            raise ConfigError(
                f"these files are of seeds {first.seed} and {recording.seed}: give each seed a folder (--out) of its own"
            )
        if recording.window != first.window:
            raise ConfigError(
                f"seed {first.seed} was measured at windows {first.window} and {recording.window}: give --window to all parts"
            )
        for role, model in recording.models.items():
            if models.setdefault(role, model).weights != model.weights:
                raise ConfigError(
                    f"seed {first.seed} has two {role} models, {models[role].name} and {model.name}: keep seeds apart"
                )
        for point in recording.points:
            shards.setdefault(point.name, []).append(point)
    devices = dict.fromkeys(device(recording.origin) for recording in recordings)
    dates, commits = (dict.fromkeys(recording.origin.get(what) for recording in recordings) for what in ("date", "commit"))
    several = {what: " / ".join(filter(None, found)) for what, found in (("date", dates), ("commit", commits)) if len(found) > 1}
    return first.model_copy(
        update={
            "models": models,
            "engine": " / ".join(dict.fromkeys(recording.engine for recording in recordings)),
            "origin": first.origin | several | ({"machine": {"gpu": " / ".join(devices)}} if len(devices) > 1 else {}),
            "points": [_whole(parts) for parts in shards.values()],
            "timed": [timed for recording in recordings for timed in recording.timed],
        }
    )


def device(origin: dict[str, Any]) -> str:
    """What a recording was measured on."""
    machine = origin.get("machine")
    assert isinstance(machine, dict), origin
    return str(machine.get("gpu") or f"{machine.get('cores')} CPU cores")


def by_seed(recordings: Iterable[Recording]) -> list[Recording]:
    """One recording a seed, in the order of their names."""
    seeds: dict[str, list[Recording]] = {}
    for recording in recordings:
        seeds.setdefault(recording.seed, []).append(recording)
    return [joined(seeds[seed]) for seed in sorted(seeds)]


def _whole(parts: Sequence[Point]) -> Point:
    first = parts[0]
    if any(
        (part.setup, part.problem_seed, part.largest_target) != (first.setup, first.problem_seed, first.largest_target)
        for part in parts
    ):
        raise ConfigError(f"the shards of {first.name} were measured with different settings: measure them again")
    order = sorted((place, number, index) for number, part in enumerate(parts) for index, place in enumerate(part.places))
    places = [place for place, _, _ in order]
    if len(set(places)) < len(places):
        raise ConfigError(f"{first.name} holds a problem twice: give each shard, and each part, once")

    def column(name: str) -> list[Any] | None:
        columns = [getattr(part, name) for part in parts]
        return None if columns[0] is None else [columns[number][index] for _, number, index in order]

    return first.model_copy(
        update={
            "places": places,
            **{name: column(name) for name in ("votes", "work", "span", "children", "prompts")},
            "explored": sum(part.explored for part in parts),
            "seconds": sum(part.seconds for part in parts),
        }
    )
