"""What was asked and what came back, in a file: record once, replay exactly.

Each line is a JSON object `{"request": …, "number": …, "result": …}`; requests and results are JSON objects too. A request that is asked
several times has several results, told apart by `number`, from 0 on. Requests are equal when their JSON is, whatever the order of names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

from ..errors import ConfigError

Json = Mapping[str, Any]


@dataclass(slots=True)
class Take:
    """One asking of a request, between `Recording.take` and its end."""

    request: Json
    number: int
    result: Json | None
    """None when the recording has none."""


class Recording:
    """The entries of a file, which need not exist yet, and those that are appended to it.

    A last line that was cut off when its writer was killed is dropped. Raises `ConfigError` for any other line that is no entry.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._results: dict[str, dict[int, Json]] = {}
        self._requests: dict[str, Json] = {}
        self._taken: dict[str, set[int]] = {}
        self._torn_at: int | None = None
        """Where in the file a last line begins that was cut off."""
        self._before = b""
        """What the next line has to be separated with."""
        content = self.path.read_bytes() if self.path.exists() else b""
        *lines, last = content.split(b"\n")
        for number, line in enumerate(lines, start=1):
            try:
                self._add(*_entry(line))
            except (ValueError, KeyError, TypeError) as error:
                raise ConfigError(
                    f"{self.path}, line {number}, is no entry of a recording ({error}): remove it, or record again"
                ) from error
        if last:
            try:
                self._add(*_entry(last))
                self._before = b"\n"
            except (ValueError, KeyError, TypeError):
                self._torn_at = len(content) - len(last)

    def __len__(self) -> int:
        return sum(map(len, self._results.values()))

    @contextmanager
    def take(self, request: Json) -> Iterator[Take]:
        """Around what asks: finds the next result of `request`. Where there is none, the one that the block sets is appended.

        Askings that run at the same time take different results, in the order in which they begin. One that sets no result (it failed, or
        was cancelled) leaves its number to the next.
        """
        key = _key(request)
        taken = self._taken.setdefault(key, set())
        number = next(number for number in count() if number not in taken)
        taken.add(number)
        found = self._results.get(key, {}).get(number)
        take = Take(request, number, found)
        try:
            yield take
        finally:
            if take.result is None:
                taken.discard(number)
            elif found is None:
                self._append(request, number, take.result)

    def missing(self, request: Json) -> str:
        """Says in what `request`, for which there is no result, differs from what was recorded."""
        results = self._results.get(_key(request))
        if results:
            return f"{self.path} has this request {len(results)} times, and it was asked once more"
        if not self._requests:
            return f"{self.path} holds no recorded requests"
        asked = json.loads(json.dumps(request))
        nearest = max((_Difference.between(asked, recorded) for recorded in self._requests.values()), key=lambda it: it.rank)
        return f"{self.path} holds {len(self)} results and none for this request. The nearest request differs first in {nearest}"

    def _append(self, request: Json, number: int, result: Json) -> None:
        line = json.dumps({"request": request, "number": number, "result": result}).encode()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self._torn_at is not None:
            os.truncate(self.path, self._torn_at)
        # One write of the whole line: several processes may record into one file.
        with self.path.open("ab", buffering=0) as file:
            file.write(self._before + line + b"\n")
        self._torn_at, self._before = None, b""
        self._add(request, number, result)

    def _add(self, request: Json, number: int, result: Json) -> None:
        key = _key(request)
        self._requests[key] = request
        self._results.setdefault(key, {}).setdefault(number, result)


@dataclass(frozen=True, slots=True)
class _Difference:
    """The first difference between two requests."""

    path: str
    asked: Any
    recorded: Any
    rank: tuple[int, int]
    """How near they are: equal values, and then equal characters at the beginning of the first that differs."""

    @classmethod
    def between(cls, asked: Json, recorded: Json) -> _Difference:
        ours, theirs = dict(_values(asked)), dict(_values(recorded))
        paths = [*ours, *(path for path in theirs if path not in ours)]
        different = [path for path in paths if repr(ours.get(path)) != repr(theirs.get(path))]  # 1 and 1.0 are two values of JSON
        first = different[0]
        same = len(os.path.commonprefix([str(ours.get(first)), str(theirs.get(first))]))
        return cls(first.lstrip("."), ours.get(first), theirs.get(first), (len(paths) - len(different), same))

    def __str__(self) -> str:
        begin = max(0, self.rank[1] - 30)
        asked, recorded = (_excerpt(value, begin) for value in (self.asked, self.recorded))
        return f"`{self.path}`: recorded {recorded}, asked {asked}"


def _values(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in a JSON value that holds nothing else, with where it is."""
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            yield from _values(part, f"{path}.{name}")
    elif isinstance(value, list) and value:
        for index, part in enumerate(value):
            yield from _values(part, f"{path}[{index}]")
    else:
        yield path, value


def _excerpt(value: Any, begin: int) -> str:
    if not isinstance(value, str):
        return "nothing" if value is None else repr(value)
    return f"{'…' if begin else ''}{value[begin : begin + 80]!r}"


def _entry(line: bytes) -> tuple[Json, int, Json]:
    entry = json.loads(line)
    request, number, result = entry["request"], entry["number"], entry["result"]
    if not (isinstance(request, dict) and isinstance(number, int) and isinstance(result, dict)):
        raise TypeError("`request` and `result` must be objects and `number` a number")
    return request, number, result


def _key(request: Json) -> str:
    return sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
