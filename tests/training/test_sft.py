"""Training rows and the loss: each demonstration is trained as if it were alone."""

from __future__ import annotations

import json
import random
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("transformers", reason="training needs transformers")

from orchestra.training import packing
from orchestra.training.countdown_demos import demonstrations
from orchestra.training.countdown_problems import problems_of
from orchestra.training.packing import Demonstration, pack
from orchestra.training.sft import run as sft
from orchestra.training.sft.language import of_countdown

from orchestra.countdown import notation


@pytest.fixture
def demos() -> list[Demonstration]:
    rng = random.Random(1)
    return [demo for problem in islice(problems_of("train", rng), 3) for demo in demonstrations(problem, rng)]


def tiny(tmp_path: Path, *extra: str) -> list[str]:
    return ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "model"), "--hidden", "64", "--layers", "2", *extra]


@pytest.fixture
def data(tmp_path: Path, demos: list[Demonstration]) -> Path:
    (tmp_path / "data").mkdir()
    pack(demos, width=256).save(tmp_path / "data" / "demos-0000.npz")
    return tmp_path


def test_loss_of_packed_rows_equals_the_sum_over_demonstrations_alone(demos: list[Demonstration], data: Path) -> None:
    model = sft.build_model(sft.parse(tiny(data)), of_countdown(), width=256)
    rows = pack(demos, width=256)
    assert len(rows) < len(demos)
    tensors = [torch.from_numpy(a.astype(np.int64)) for a in (rows.token_ids, rows.document)]
    packed, count = sft.loss_of(model, *tensors, torch.from_numpy(rows.trained))
    alone = 0.0
    for demo in demos:
        ids = torch.tensor([(demo.prompt + demo.target)[:256]])
        logprobs = model(input_ids=ids).logits.log_softmax(-1)
        alone -= sum(logprobs[0, i - 1, ids[0, i]].item() for i in range(len(demo.prompt), ids.shape[1]))
    assert int(count) == sum(min(len(d.prompt) + len(d.target), 256) - len(d.prompt) for d in demos)
    assert packed.item() == pytest.approx(alone, rel=1e-4)


def test_training_resumes_from_its_checkpoint_and_ends_where_an_unbroken_run_ends(data: Path) -> None:
    args = sft.parse(tiny(data, "--batch-tokens", "512", "--steps", "6", "--log-every", "2", "--warmup", "1", "--save-every", "2"))
    unbroken = sft.train(args)
    whole = (args.out / "model.safetensors").read_bytes()
    args.out = args.out.with_name("broken-off")
    args.out.mkdir()

    class PowerCut(Exception):
        pass

    saves = 0
    original = torch.save

    def save_then_fail(*arguments: object, **options: object) -> None:
        nonlocal saves
        original(*arguments, **options)
        saves += 1
        if saves == 2:
            raise PowerCut

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "save", save_then_fail)
        with pytest.raises(PowerCut):
            sft.train(args)
    resumed = sft.train(args)
    assert [entry["step"] for entry in resumed.curve] == [2, 4, 6]
    assert resumed.curve[-1]["loss"] == pytest.approx(unbroken.curve[-1]["loss"], abs=1e-4)
    assert (args.out / "model.safetensors").read_bytes() == whole
    assert json.loads((args.out / "training.json").read_text())["tokens"] == unbroken.tokens
    metrics = [json.loads(line) for line in (args.out / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in metrics] == [2, 4, 6]


def test_saved_model_and_tokenizer_load_with_stock_classes_and_markers_are_single_tokens(data: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    args = sft.parse(tiny(data, "--batch-tokens", "512", "--steps", "1"))
    sft.train(args)
    tokenizer = AutoTokenizer.from_pretrained(args.out)
    for index, token in enumerate(notation.VOCABULARY):
        assert tokenizer.encode(token, add_special_tokens=False) == [index]
    assert AutoModelForCausalLM.from_pretrained(args.out).config.vocab_size == len(notation.VOCABULARY)


def test_a_demonstration_longer_than_a_row_is_cut_and_none_is_split() -> None:
    rows = pack([Demonstration((1,), (2, 3)), Demonstration((4,), (5, 6, 7, 8, 9)), Demonstration((1,), (2,))], width=5)
    assert rows.token_ids.tolist() == [[1, 2, 3, 0, 0], [4, 5, 6, 7, 8], [1, 2, 0, 0, 0]]
    assert rows.document.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]
    assert rows.trained.sum() == 2 + 4 + 1 and rows.num_tokens == 10


def test_training_demonstrations_hold_only_problems_of_their_split(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        assert all(problem.split == split for problem in islice(problems_of(split, random.Random(3)), 200))


def test_shards_that_were_saved_are_loaded_unchanged(tmp_path: Path, demos: list[Demonstration]) -> None:
    rows = pack(demos, width=128)
    rows.save(tmp_path / "a.npz")
    rows.save(tmp_path / "b.npz")
    loaded = packing.load([tmp_path / "a.npz", tmp_path / "b.npz"])
    assert len(loaded) == 2 * len(rows)
    assert np.array_equal(loaded.token_ids[: len(rows)], rows.token_ids)
