"""Files that are replaced at once."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ConfigError


def write_text(path: Path, text: str) -> None:
    """Make `path` hold `text`: whoever reads it sees the old file or the new one, never half of one. Raises `ConfigError` when it cannot."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; make room, or choose another place for it") from error
