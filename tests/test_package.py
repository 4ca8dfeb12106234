"""The package as users meet it: light to import, typed, complete in its wheel, and never imported twice under two names."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MAPPED = ("evals", "prompts", "training")
"""Directories beside `orchestra` that are installed inside it."""
HEAVY = ("datasets", "jsonschema", "mcp", "networkx", "torch", "transformers", "trl", "vllm")


@pytest.mark.parametrize("module", ["orchestra", "orchestra.cli", "orchestra.doctor"])
def test_import_loads_nothing_heavy(module: str) -> None:
    program = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_mapped_directories_are_only_imported_as_parts_of_orchestra() -> None:
    """`import evals` works from the repository root, and would be a second copy of `orchestra.evals`."""
    pattern = re.compile(rf"^\s*(from|import) ({'|'.join(MAPPED)})\b", re.MULTILINE)
    offenders = [path for path in sources("orchestra", *MAPPED, "examples", "scripts", "tests") if pattern.search(path.read_text())]
    assert offenders == []


def test_core_never_imports_what_is_built_on_it() -> None:
    pattern = re.compile(r"^\s*(from|import) (orchestra|\.+)\.?(evals|training)\b", re.MULTILINE)
    assert [path for path in sources("orchestra") if pattern.search(path.read_text())] == []


ORDER = (
    *(
        "errors",
        "argument_types",
        "user_modules",
        "model_files",
        "prompt_files",
        "engine",
        "thread",
        "trace",
        "chat",
        "answers",
        "sample",
        "plan",
        "tools",
        "schedule",
        "agent",
    ),
    *("countdown", "doctor", "search_arguments", "eval_arguments", "report_arguments", "export_arguments", "cli", "__init__"),
)
"""Each part of the core may import those before it."""


def test_imports_inside_the_core_point_one_way() -> None:
    pattern = re.compile(r"^\s*from (\.+)(\w*)", re.MULTILINE)
    for path in sources("orchestra"):
        own = path.relative_to(ROOT / "orchestra").with_suffix("").parts
        for dots, name in pattern.findall(path.read_text()):
            if len(dots) == len(own) and name:  # it reaches the top of the package
                assert ORDER.index(name) <= ORDER.index(own[0]), f"{path} imports {name}"


def test_public_names_are_these_and_can_be_imported() -> None:
    import orchestra

    assert set(orchestra.__all__) == {
        *("Capabilities", "Completion", "Engine", "Request", "Sampling", "Timings", "open_engine"),
        *("ConfigError", "EngineError", "OrchestraError", "ProblemError"),
        *("Event", "Fork", "Ledger", "Limits", "Observer", "RunTree", "Segment", "Thread", "ledger", "run_tree"),
    }
    assert all(getattr(orchestra, name) for name in orchestra.__all__)


def test_every_package_directory_is_declared() -> None:
    found = {path.parent.relative_to(ROOT) for path in sources("orchestra", *MAPPED) if path.name == "__init__.py"}
    names = {".".join(folder.parts if folder.parts[0] == "orchestra" else ("orchestra", *folder.parts)) for folder in found}
    assert names == set(PYPROJECT["tool"]["setuptools"]["packages"])


def test_wheel_holds_every_source_file_and_template(tmp_path: Path) -> None:
    tree = tmp_path / "tree"  # a copy: a build leaves files behind
    for folder in ("orchestra", *MAPPED):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        f"--wheel-dir={tmp_path}",
        str(tree),
    ]
    result = subprocess.run(build, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    (wheel,) = tmp_path.glob("orchestra-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        installed = set(archive.namelist())
    expected = {f"orchestra/{path.relative_to(ROOT)}" for path in sources(*MAPPED)} | {"orchestra/py.typed"}
    expected |= {str(path.relative_to(ROOT)) for path in sources("orchestra")}
    for folder in ("orchestra", *MAPPED):
        prefix = "" if folder == "orchestra" else "orchestra/"
        expected |= {f"{prefix}{path.relative_to(ROOT)}" for path in (ROOT / folder).rglob("*.j2")}
    assert expected - installed == set()
