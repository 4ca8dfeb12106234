"""Rows of a file with their places: JSON lines, a JSON list, CSV, Parquet, and any of these compressed by gzip."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from orchestra.errors import ConfigError

Opened = gzip.GzipFile | io.BufferedReader
Row = tuple[str, Any]
"""Where it stands, as people say it, and what stands there, which may be no object."""

_LONGEST_FIELD = 10_000_000
"""Characters of one field of a CSV file."""


def rows_of(path: Path) -> Generator[Row, None, None]:
    """One at a time where the format allows it. Raises `ConfigError` for a file that is none of these, or is damaged."""
    packed = path.suffix == ".gz"
    kind = path.with_suffix("").suffix if packed else path.suffix
    reader = _READERS.get(kind.lower())
    if path.is_dir() or reader is None:
        raise ConfigError(f"{path} is no file of rows: give .jsonl, .json, .csv or .parquet, or one of these with .gz")
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            yield from reader(path, file)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigError(f"{path} cannot be read: {reason}") from error


def _lines(path: Path, file: Opened) -> Iterator[Row]:
    """A line that is no JSON is a row that is no object: the lines after it are read."""
    with _text(file) as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield f"line {number}", _parsed(line)


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return line.strip()


def _list(path: Path, file: Opened) -> Iterator[Row]:
    """A list, or an object that holds one list and is otherwise about the file."""
    try:
        with _text(file) as text:
            whole = json.load(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is no JSON: {error}; if it has an object a line, call it .jsonl") from error
    lists = [value for value in whole.values() if isinstance(value, list)] if isinstance(whole, dict) else [whole]
    if len(lists) != 1 or not isinstance(lists[0], list):
        raise ConfigError(f"{path} must hold a list of objects, got {whole!r:.60}")
    yield from ((f"item {place}", row) for place, row in enumerate(lists[0], 1))


def _commas(path: Path, file: Opened) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST_FIELD)
    with _text(file) as lines:
        reader = csv.DictReader(lines)
        for row in reader:
            yield f"line {reader.line_num}", {key: value for key, value in row.items() if key is not None}


def _parquet(path: Path, file: Opened) -> Iterator[Row]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError(
            f'{path} needs `pip install "orchestra[evals]"`, which brings pyarrow; or give the rows as .jsonl'
        ) from error
    from pyarrow import ArrowException

    try:
        place = 0
        for batch in parquet.ParquetFile(io.BytesIO(file.read())).iter_batches(batch_size=1_000):
            for row in batch.to_pylist():
                place += 1
                yield f"row {place}", row
    except ArrowException as error:
        raise ConfigError(f"{path} is no Parquet file: {error}") from error


def _text(file: Opened) -> io.TextIOWrapper:
    """As UTF-8, with or without a mark at the beginning; line ends are left to who reads."""
    return io.TextIOWrapper(file, encoding="utf-8-sig", newline="")


_READERS = {".jsonl": _lines, ".ndjson": _lines, ".json": _list, ".csv": _commas, ".parquet": _parquet}
