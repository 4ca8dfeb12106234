"""A run on disk, as reports and exports read it.

DIR/config.json        what was asked for, resolved, with versions
DIR/rows.jsonl         one `Row` a line, appended the moment it is finished
DIR/traces.jsonl.gz    one `Kept` a try that was kept: a gzip member a line, so that a killed process tears no more than the last one
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from orchestra.errors import ConfigError

from .method import Kept
from .row import Row

CONFIG = "config.json"
ROWS = "rows.jsonl"
TRACES = "traces.jsonl.gz"
_PIECE = 1 << 20

_KEPT = TypeAdapter(tuple[str, int, Kept])


@dataclass(frozen=True)
class Run:
    """Raises `ConfigError` when the folder holds no run, or something that is none of a run's rows."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """With at least "experiment": what decides the results, "benchmark" and "method" (its label) among it."""
        path = self.folder / CONFIG
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
            if not {"benchmark", "method"} <= config["experiment"].keys():
                raise KeyError("benchmark, method")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ConfigError(
                f"{self.folder} holds no run (no {CONFIG}): give a folder that `orchestra eval … --out` wrote"
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"{path} is damaged: {error}") from error
        return dict(config)

    @property
    def method(self) -> str:
        return str(self.config["experiment"]["method"])

    @property
    def benchmark(self) -> str:
        return str(self.config["experiment"]["benchmark"])

    @cached_property
    def rows(self) -> list[Row]:
        """All rows, those with errors among them; the last of each (problem, epoch) counts."""
        return list({row.key: row for row in read_rows(self.folder)}.values())

    def kept(self) -> Iterator[tuple[tuple[str, int], Kept]]:
        """What was kept of tries, one at a time, in the order in which they ended."""
        for problem, epoch, kept in read_kept(self.folder / TRACES):
            yield (problem, epoch), kept


def read_rows(folder: Path) -> Iterator[Row]:
    """All rows of a run, one at a time. A torn last line is skipped: its problem is owed again. Anything else that is no row is an error."""
    path = folder / ROWS
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield Row.model_validate_json(line)
            except ValidationError as error:
                if not line.endswith("\n"):  # the process died in mid-write
                    return
                first = error.errors()[0]
                where = ".".join(map(str, first["loc"])) or "line"
                raise ConfigError(
                    f"{path}:{number} is no row ({where}: {first['msg']}); was it edited? Remove the line to run it again"
                ) from error


def line_of(row: Row) -> bytes:
    """One line of `rows.jsonl`."""
    try:
        return row.model_dump_json().encode() + b"\n"
    except PydanticSerializationError:
        return _replaced(row.model_dump(mode="json"))


def packed(problem: str, epoch: int, kept: Kept) -> bytes:
    """One entry of `traces.jsonl.gz`."""
    compressor = zlib.compressobj(wbits=31)
    try:
        line = _KEPT.dump_json((problem, epoch, kept)) + b"\n"
    except PydanticSerializationError:
        line = _replaced(_KEPT.dump_python((problem, epoch, kept), mode="json"))
    return compressor.compress(line) + compressor.flush()


def _replaced(value: Any) -> bytes:
    """A line of JSON with a question mark for each half of a character, which models may write and UTF-8 does not have."""
    return json.dumps(value, ensure_ascii=False).encode(errors="replace") + b"\n"


def read_kept(path: Path) -> Iterator[tuple[str, int, Kept]]:
    """Entries in order; a torn last one is skipped."""
    if not path.exists():
        return
    with path.open("rb") as file:
        decompressor, line, rest = zlib.decompressobj(wbits=31), b"", b""
        while piece := rest or file.read(_PIECE):
            rest = b""
            try:
                line += decompressor.decompress(piece)
            except zlib.error as error:
                raise ConfigError(f"{path} is damaged ({error}): delete it to go on without its traces") from error
            if decompressor.eof:
                yield _KEPT.validate_json(line)
                rest = decompressor.unused_data
                decompressor, line = zlib.decompressobj(wbits=31), b""
