"""A run under other circumstances: split batches, several processes, another beginning, and what stops it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("transformers", reason="training needs transformers")

from orchestra.training.checkpoint import Interrupted
from orchestra.training.packing import Demonstration, load, pack
from orchestra.training.planner.data import make_tokenizer
from orchestra.training.sft import run as sft
from safetensors.torch import load_file

from orchestra.countdown.model import read_card
from orchestra.errors import ConfigError

TWO = [sys.executable, *["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "orchestra.training.sft"]]
ALONE = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    demos = [Demonstration((1, 3, 10 + i), tuple(range(20 + i, 40 + i))) for i in range(48)]
    pack(demos, width=64).save(tmp_path / "data" / "rows-0000.npz")
    return tmp_path


def arguments(root: Path, out: str, *more: str) -> list[str]:
    run = ["--batch-tokens", "256", "--steps", "4", "--log-every", "2", "--warmup", "1"]
    shape = [] if "--init" in more else ["--hidden", "64", "--layers", "1"]
    return ["--data", str(root / "data"), "--out", str(root / out), *run, *shape, *more]


def weights(folder: Path) -> dict[str, Any]:
    return {name: tensor.float().numpy() for name, tensor in load_file(folder / "model.safetensors").items()}


def losses(folder: Path) -> list[float]:
    return [entry["loss"] for entry in json.loads((folder / "training.json").read_text())["curve"]]


def test_a_batch_in_parts_trains_as_the_whole_one_does(data: Path) -> None:
    sft.train(sft.parse(arguments(data, "whole")))
    sft.train(sft.parse(arguments(data, "parts", "--accumulate", "2")))
    assert losses(data / "parts") == pytest.approx(losses(data / "whole"), abs=2e-4)
    with pytest.raises(ConfigError, match="cannot be split into 3 equal parts: give --batch-tokens a multiple of 192"):
        sft.train(sft.parse(arguments(data, "uneven", "--accumulate", "3")))


def test_a_warm_up_that_never_ends_is_told(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sft.train(sft.parse(arguments(data, "whole")))
    started = capsys.readouterr().err
    assert "--warmup" not in started and ", 1,104 tokens, 4 steps" in started
    sft.train(sft.parse(arguments(data, "never", "--warmup", "5")))
    assert "--warmup 5 is longer than the 4 steps: the rate never reaches --lr\n" in capsys.readouterr().err


def test_the_rate_falls_to_the_floor_that_the_option_gives_by_default(data: Path) -> None:
    args = sft.parse(arguments(data, "whole"))
    assert sft.learning_rate(2, peak=args.lr, steps=12, warmup=2) == args.lr
    assert sft.learning_rate(12, peak=args.lr, steps=12, warmup=2) == pytest.approx(args.lr * args.lr_floor)


def test_two_processes_train_as_one_does(data: Path) -> None:
    sft.train(sft.parse(arguments(data, "one")))
    done = subprocess.run([*TWO, *arguments(data, "two")], env=ALONE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert losses(data / "two") == pytest.approx(losses(data / "one"), abs=2e-4)
    one, two = weights(data / "one"), weights(data / "two")
    assert all(np.allclose(one[name], two[name], atol=5e-3) for name in one)


def test_a_run_goes_on_from_a_model_and_widens_its_context(data: Path) -> None:
    sft.train(sft.parse(arguments(data, "first")))
    rows = load([data / "data" / "rows-0000.npz"])
    wide = [np.pad(array, ((0, 0), (0, 64))) for array in (rows.token_ids, rows.document, rows.trained)]
    np.savez(data / "data" / "rows-0000.npz", **dict(zip(("token_ids", "document", "trained"), wide, strict=True)))
    sft.train(sft.parse(arguments(data, "second", "--init", str(data / "first"))))
    assert losses(data / "second")[0] < losses(data / "first")[0]
    assert json.loads((data / "second" / "config.json").read_text())["max_position_embeddings"] == 128
    assert read_card(data / "second").sizes == (3, 4)


def test_ctrl_c_saves_a_checkpoint_of_several_processes_at_a_step_that_they_agree_on(data: Path) -> None:
    many = [*arguments(data, "two"), "--steps", "100000", "--log-every", "1"]
    with subprocess.Popen([*TWO, *many], env=ALONE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if '"step": 1,' in line:
                running.send_signal(signal.SIGINT)
                break
        said = running.stderr.read()
    assert "stopped after" in said, said
    saved = torch.load(data / "two" / "checkpoint.pt", weights_only=True)["progress"]["step"]
    assert saved > 0 and saved % sft.AGREE_EVERY == 0


def test_a_model_of_another_tokenizer_or_a_damaged_one_is_refused(data: Path) -> None:
    sft.train(sft.parse(arguments(data, "countdown")))
    make_tokenizer(data / "data" / "tokenizer", samples=100, vocabulary=600)
    with pytest.raises(ConfigError, match="has another tokenizer than the rows"):
        sft.train(sft.parse(arguments(data, "second", "--init", str(data / "countdown"))))
    (data / "countdown" / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match="is no whole model: there are no weights"):
        sft.train(sft.parse(arguments(data, "third", "--init", str(data / "countdown"))))
    with pytest.raises(SystemExit):
        sft.parse([*arguments(data, "fourth", "--init", str(data / "countdown")), "--hidden", "128"])


def test_a_loss_that_is_no_number_stops_the_run_and_saves_the_rows(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def spoiled(model: Any, token_ids: Any, document: Any, trained: Any) -> Any:
        seen.append(token_ids.numpy())
        loss, count = original(model, token_ids, document, trained)
        return loss * (float("nan") if len(seen) == 3 else 1), count

    original = sft.loss_of
    monkeypatch.setattr(sft, "loss_of", spoiled)
    with pytest.raises(ConfigError, match=r"no number at step 3: its rows are in .*nan-batch.npz, and the last checkpoint is kept"):
        sft.train(sft.parse(arguments(data, "out", "--save-every", "1", "--log-every", "4")))
    assert np.array_equal(load([data / "out" / "nan-batch.npz"]).token_ids, seen[2])
    assert torch.load(data / "out" / "checkpoint.pt", weights_only=True)["progress"]["step"] == 2
    assert not (data / "out" / "config.json").exists()


def test_out_of_memory_names_what_to_change(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(*arguments: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(sft, "loss_of", too_large)
    with pytest.raises(ConfigError, match=r"Tried to allocate 2 GiB.*--accumulate.*--batch-tokens.*--hidden and --layers"):
        sft.train(sft.parse(arguments(data, "out")))


def test_a_checkpoint_of_other_arguments_or_a_cut_one_is_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def power_cut(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sft, "_stop_at_nan", lambda norms, rows, step, out, processes: step == 4 and power_cut())
        with pytest.raises(KeyboardInterrupt):
            sft.train(sft.parse(arguments(data, "out", "--save-every", "2")))
    with pytest.raises(ConfigError, match=r"is of a run with --lr 0.0015, not 0.1: give the same arguments"):
        sft.train(sft.parse(arguments(data, "out", "--lr", "0.1")))
    sft.train(sft.parse(arguments(data, "out", "--log-every", "4", "--accumulate", "2")))
    assert [entry["step"] for entry in json.loads((data / "out" / "training.json").read_text())["curve"]] == [2, 4]
    (data / "cut").mkdir()
    (data / "cut" / "checkpoint.pt").write_bytes(b"cut")
    with pytest.raises(ConfigError, match="is damaged: remove it to begin again"):
        sft.train(sft.parse(arguments(data, "cut")))


def test_a_trained_model_is_neither_trained_again_nor_overwritten(data: Path) -> None:
    first = sft.train(sft.parse(arguments(data, "out")))
    before = (data / "out" / "model.safetensors").read_bytes()
    assert sft.train(sft.parse(arguments(data, "out"))) == first
    with pytest.raises(ConfigError, match=r"is of a run with --seed 0, not 1: give the same arguments, or another --out"):
        sft.train(sft.parse(arguments(data, "out", "--seed", "1")))
    for name in ("training.json", "metrics.jsonl"):
        (data / "out" / name).unlink()
    with pytest.raises(ConfigError, match=r"holds a model of something else, which would be overwritten: give another --out"):
        sft.train(sft.parse(arguments(data, "out")))
    assert (data / "out" / "model.safetensors").read_bytes() == before


def test_a_run_that_is_killed_goes_on_from_its_checkpoint(data: Path) -> None:
    often = ("--steps", "6", "--log-every", "1", "--save-every", "1")
    sft.train(sft.parse(arguments(data, "unbroken", *often)))
    command = [sys.executable, "-m", "orchestra.training.sft", *arguments(data, "killed", *often)]
    with subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        next(line for line in run.stderr if line.startswith('{"step": 3'))
        run.kill()
    assert not (data / "killed" / "training.json").exists()
    resumed = sft.train(sft.parse(arguments(data, "killed", *often)))
    assert [entry["step"] for entry in resumed.curve] == [1, 2, 3, 4, 5, 6]
    assert losses(data / "killed") == pytest.approx(losses(data / "unbroken"), abs=1e-3)
    lines = (data / "killed" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5, 6]


def test_held_out_rows_are_all_measured_however_a_batch_is_split(data: Path) -> None:
    (data / "held").mkdir()
    demos = [Demonstration((1, 3, 10 + i), tuple(range(20 + i, 60 + i))) for i in range(7)]
    pack(demos, width=64).save(data / "held" / "rows-0000.npz")
    assert len(load([data / "held" / "rows-0000.npz"])) == 7
    more = ("--validation", str(data / "held"), "--batch-tokens", "256")
    found = [
        sft.train(sft.parse(arguments(data, f"out-{parts}", *more, "--accumulate", parts))).curve[-1]["validation_loss"]
        for parts in ("1", "2", "4")
    ]
    assert found == pytest.approx([found[0]] * 3, abs=2e-4)


def test_ctrl_c_saves_a_checkpoint_to_go_on_from(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, original = count(1), sft.loss_of

    def pressed(*batch: Any) -> Any:
        if next(seen) == 3:
            signal.raise_signal(signal.SIGINT)
        return original(*batch)

    sft.train(sft.parse(arguments(data, "whole", "--log-every", "1")))
    with monkeypatch.context() as patch:
        patch.setattr(sft, "loss_of", pressed)
        with pytest.raises(Interrupted, match="stopped after 3 of 4 steps: the same command goes on from here"):
            sft.train(sft.parse(arguments(data, "out", "--log-every", "1")))
    sft.train(sft.parse(arguments(data, "out", "--log-every", "1")))
    assert losses(data / "out") == pytest.approx(losses(data / "whole"), abs=1e-5)


def test_a_folder_of_a_run_that_has_not_ended_is_not_another_ones(data: Path) -> None:
    (data / "out").mkdir()
    (data / "out" / "metrics.jsonl").write_text('{"step": 7}\n')
    with pytest.raises(ConfigError, match=r"metrics\.jsonl is of a run that nothing else is known of"):
        sft.train(sft.parse(arguments(data, "out")))
    assert (data / "out" / "metrics.jsonl").read_text() == '{"step": 7}\n'


def test_held_out_rows_that_are_fewer_than_a_batch_are_measured(data: Path) -> None:
    (data / "few").mkdir()
    pack([Demonstration((1, 3, 10), tuple(range(20, 40)))], width=64).save(data / "few" / "rows-0000.npz")
    done = sft.train(sft.parse(arguments(data, "out", "--validation", str(data / "few"))))
    assert done.curve[-1]["validation_loss"] > 0
