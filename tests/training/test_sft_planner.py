"""The planner's recipe in small: tasks, training, a folder that loads, a run of the command line, and self-training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("transformers", reason="training needs transformers")

from orchestra.training.planner import data
from orchestra.training.sft import run as sft

from orchestra.cli import main

LARGEST_LOSS = 6.0
"""Nats; a guess among 700 tokens has 6.6."""


def test_the_planners_recipe_ends_in_a_model_that_runs(tmp_path: Path) -> None:
    out = tmp_path / "planner"
    small = ["--samples", "300", "--shard-size", "300", "--workers", "1", "--tokenizer-samples", "200", "--vocabulary", "700"]
    data.main(["--out", str(tmp_path / "data"), *small])
    schedule = ["--batch-tokens", "2048", "--steps", "12", "--warmup", "2", "--log-every", "4", "--lr", "3e-3"]
    done = sft.train(sft.parse(["--data", str(tmp_path / "data"), "--out", str(out), "--hidden", "64", "--layers", "1", *schedule]))
    curve = [entry["loss"] for entry in done.curve]
    assert curve == sorted(curve, reverse=True) and curve[-1] < LARGEST_LOSS

    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(out), AutoTokenizer.from_pretrained(out)
    assert (model.config.vocab_size, model.config.max_position_embeddings) == (len(tokenizer), data.WIDTH)
    assert tokenizer.eos_token_id == model.config.eos_token_id
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": "Task: Who?"}], tokenize=False)
    assert prompt == "<bos>Task: Who?<plan>"
    assert json.loads((out / "planner.json").read_text())["tools"] == "orchestra.tools.facts"
    assert not (out / "countdown.json").exists()

    asked = ["run", "How much higher is K2 than Mont Blanc?", "--model", "transformers", "--model-name", str(out)]
    assert main([*asked, "--tools", "orchestra.tools.facts", "--no-joiner"]) in (0, 1)
