"""On what a benchmark was run: goes into its results."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def facts(*packages: str) -> dict[str, Any]:
    """Date, machine, GPU where there is one, and the versions of Python, orchestra and `packages` (without those that are not installed)."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "gpu": _gpu(),
        },
        "versions": {"python": platform.python_version()}
        | {name: found for name in ("orchestra", *packages) if (found := _version(name)) is not None},
    }


def _processor() -> str:
    """Linux gives platform.processor() no name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _gpu() -> str | None:
    try:
        import torch
    except ImportError:
        return None
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
