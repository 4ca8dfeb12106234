"""What `setup_env.py` decides: under which Python to go on, the engine that fits this machine, and where PyTorch comes from."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from setup_pip import SetupError

PYTHONS = ((3, 11), (3, 12), (3, 13))
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
NAMES = {"gpu": "vLLM for the GPU", "cpu": "vLLM for the CPU", "transformers": "transformers, without vLLM"}


def right_python() -> None:
    """Goes on under a Python that PyTorch and vLLM have builds for, if this one is not."""
    if sys.version_info[:2] in PYTHONS:
        return
    for major, minor in PYTHONS:
        program = shutil.which(f"python{major}.{minor}")
        if program and subprocess.run([program, "-c", "import venv"], check=False, capture_output=True).returncode == 0:
            os.execv(program, [program, *sys.argv])
    raise SetupError(
        f"Python 3.11, 3.12 or 3.13 is needed, this is {platform.python_version()}. Install one, then name it: `make demo PYTHON=…`"
    )


@dataclass(frozen=True)
class Machine:
    """What decides which engine runs here."""

    system: str
    arch: str
    gpu: bool = False
    avx2: bool = True
    glibc: tuple[int, int] | None = (2, 36)
    """None where the C library is another one."""
    numa: bool = True
    """libnuma.so.1 can be loaded; vLLM's CPU kernels are linked to it."""


def this_machine() -> Machine:
    system, arch = platform.system(), platform.machine().lower()
    if system != "Linux":
        return Machine(system, arch)
    avx2 = arch != "x86_64" or " avx2 " in Path("/proc/cpuinfo").read_text()
    return Machine(system, arch, gpu=has_gpu(), avx2=avx2, glibc=_glibc(), numa=_has_numa())


def has_gpu() -> bool:
    """`nvidia-smi` lists a GPU, and CUDA_VISIBLE_DEVICES does not hide it."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1") or not (program := shutil.which("nvidia-smi")):
        return False
    try:
        return b"GPU " in subprocess.run([program, "-L"], check=False, capture_output=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False


def _glibc() -> tuple[int, int] | None:
    found = re.match(r"(\d+)\.(\d+)", platform.libc_ver()[1]) if platform.libc_ver()[0] == "glibc" else None
    return (int(found[1]), int(found[2])) if found else None


def _has_numa() -> bool:
    with suppress(OSError):
        return bool(ctypes.CDLL("libnuma.so.1"))
    return False


def choose_engine(machine: Machine) -> tuple[str, str]:
    """The name of the engine, and why it is that one."""
    if machine.system != "Linux":
        return "transformers", f"vLLM has no build for {machine.system}"
    if machine.glibc is None:
        raise SetupError("PyTorch has no build for Linux without glibc (Alpine): use a Debian, Ubuntu or Fedora system.")
    if machine.gpu:
        return "gpu", "`nvidia-smi` lists a GPU"
    if machine.arch not in ("x86_64", "aarch64"):
        return "transformers", f"vLLM has no CPU build for {machine.arch}"
    if not machine.avx2:
        return "transformers", "vLLM's CPU build needs AVX2, which this processor does not have"
    if machine.glibc < (2, 31):
        return "transformers", "a package that vLLM needs has no build for a glibc older than 2.31"
    if not machine.numa:
        return "transformers", "vLLM's CPU build needs libnuma: for vLLM run `sudo apt-get install libnuma1`, then this again"
    return "cpu", "no NVIDIA GPU"


@dataclass(frozen=True)
class Source:
    """A place where pip looks for PyTorch: arguments of pip, on top of its own configuration."""

    name: str
    args: tuple[str, ...] = ()


def torch_sources(setting: str, *, cpu_only: bool) -> list[Source]:
    """What to try, in this order, for a value of ORCHESTRA_TORCH."""
    own, index = Source("pip's own configuration"), Source(CPU_INDEX, ("--index-url", CPU_INDEX))
    if setting == "auto":
        return [own, index] if cpu_only else [own]
    if setting == "pip":
        return [own]
    if "://" in setting:
        return [Source(setting, ("--index-url", setting))]
    if not (folder := Path(setting).expanduser()).is_dir():
        raise SetupError(
            f"ORCHESTRA_TORCH={setting!r} is neither `auto`, `pip`, the URL of a package index, nor a folder with wheels."
        )
    return [Source(setting, ("--no-index", "--find-links", str(folder.resolve())))]


def cuda_packages(report: dict[str, Any]) -> list[str]:
    """What makes the torch of a `pip install --report` no CPU build: the accelerator packages it needs, or its version."""
    metadata = report["install"][0]["metadata"]
    names = [re.split(r"[^\w-]", need)[0] for need in metadata.get("requires_dist", []) if "extra ==" not in need]
    found = [name for name in names if name.startswith(("nvidia", "cuda", "triton", "pytorch-triton"))]
    local = metadata["version"].partition("+")[2]
    return found or ([f"version {metadata['version']}"] if local and not local.startswith("cpu") else [])


def pick_torch(setting: str, *, cpu_only: bool, look: Callable[[Source], dict[str, Any] | str]) -> Source:
    """The first source whose torch may run here. `look` asks pip what a source gives: its report, or in words why there is none."""
    refused = []
    for source in torch_sources(setting, cpu_only=cpu_only):
        if not cpu_only:
            return source
        report = look(source)
        if isinstance(report, str):
            refused.append(f"{source.name}: {report}")
        elif cuda := cuda_packages(report):
            refused.append(f"{source.name}: this is a CUDA build ({', '.join(cuda[:3])}{' …' if cuda[3:] else ''})")
        else:
            return source
    raise SetupError(
        f"ORCHESTRA_TORCH={setting} gives no CPU build of PyTorch, and this machine has no NVIDIA GPU:\n  "
        + "\n  ".join(refused)
        + f"\nSet ORCHESTRA_TORCH to an index with CPU builds (such as {CPU_INDEX}) or to a folder with the wheel."
    )
