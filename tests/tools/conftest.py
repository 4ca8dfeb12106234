"""A sandbox on this machine, once with namespaces and once without, so that both ways are checked wherever they are granted."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from orchestra.errors import ToolError
from orchestra.tools.isolation import Isolation, broken_promises
from orchestra.tools.python_process import Layer

LAYERS: list[tuple[Layer, ...]] = [("namespaces", "landlock", "seccomp"), ("landlock", "seccomp")]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="package", params=LAYERS, ids="+".join)
def isolation(request: pytest.FixtureRequest) -> Isolation:
    if sys.platform != "linux":
        pytest.skip("there is a sandbox on Linux only")
    layers: tuple[Layer, ...] = request.param
    try:
        broken = asyncio.run(broken_promises(layers))
    except ToolError as error:
        pytest.skip(f"this machine does not grant them: {error}")
    if broken:
        pytest.skip(f"on this machine they do not enforce {', '.join(broken)}")
    return Isolation(layers=layers)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The sandbox's folder, in a directory with nothing else in it."""
    path = tmp_path / "folder"
    path.mkdir()
    return path


@pytest.fixture
def alive(folder: Path) -> Path:
    """A pipe in the sandbox's folder, which programs hold open for writing: at its end, all of them are gone."""
    os.mkfifo(folder / "alive")
    return folder / "alive"
