"""Rows as tables: CSV with nothing but the standard library, Parquet with pyarrow. The columns are the fields of a `Row`; what is neither a
number, a word nor a truth value is JSON."""

from __future__ import annotations

import csv
import json
import os
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from orchestra.errors import ConfigError

from ..row import Row

_BATCH = 10_000
"""Rows of a Parquet file that are in memory as columns at once."""
_PLAIN = (str, int, float, bool)


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """A header and one line a row, in UTF-8; None is an empty cell."""
    with _replaced(path) as temporary, temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows([_cell(row, name) for name in _COLUMNS] for row in rows)


def write_parquet(rows: Sequence[Row], path: Path) -> None:
    """Columns with the types of the fields. Raises `ConfigError` when pyarrow is not installed."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError("Parquet files need pyarrow: pip install 'orchestra[evals]', or export --to csv") from error
    kinds = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in _COLUMNS.items()])
    with _replaced(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        for start in range(0, len(rows), _BATCH):
            some = rows[start : start + _BATCH]
            columns = {name: [_text(_cell(row, name)) for row in some] for name in _COLUMNS}
            writer.write_table(pyarrow.table(columns, schema=schema))


def _plain(annotation: Any) -> type | None:
    """The type of a field's values other than None; None for what is written as JSON."""
    kinds = [annotation]
    if isinstance(annotation, types.UnionType):
        kinds = [part for part in get_args(annotation) if part is not types.NoneType]
    return kinds[0] if len(kinds) == 1 and kinds[0] in _PLAIN else None


_KINDS = {name: _plain(field.annotation) for name, field in Row.model_fields.items()}
_COLUMNS: dict[str, type] = {name: kind or str for name, kind in _KINDS.items()}


def _cell(row: Row, name: str) -> Any:
    value = getattr(row, name)
    return value if value is None or _KINDS[name] is not None else json.dumps(value, ensure_ascii=False, default=str)


def _text(value: Any) -> Any:
    """Lone surrogates, which a model may write, have no UTF-8."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """A file beside `path` that takes its place when all went well. Raises `ConfigError` when it cannot be written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; make room, or choose another place for it") from error
