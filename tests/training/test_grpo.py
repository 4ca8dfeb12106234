"""Training runs of a tiny policy on the CPU: what it sampled is what it learns from, and a broken run ends where a whole one does."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
transformers = pytest.importorskip("transformers", reason="training needs transformers")

from orchestra.training import grpo, grpo_policy
from orchestra.training.grpo_lesson import Minibatch, make_lesson
from orchestra.training.grpo_loss import Objective
from orchestra.training.grpo_rollouts import sample_groups
from orchestra.training.grpo_update import BadBatch, Learner, Packing
from orchestra.training.judge_checkpoint import CHECKPOINT, METRICS
from orchestra.training.rewards import read_reward
from orchestra.training.rollout import Facts, Rollout, Unit

from orchestra.countdown import Problem, Setup, notation
from orchestra.countdown.model import ModelCard
from orchestra.countdown.tokenizer import write_tokenizer
from orchestra.engine import Engine, Request, Sampling
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.transformers import TransformersEngine
from orchestra.engine.weights import update_weights
from orchestra.errors import ConfigError, EngineError

WINDOW = 48


def untrained() -> Any:
    """It knows a few markers and numbers, and writes them at random: calls, waits, ends."""
    torch.manual_seed(3)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    special = {"bos_token_id": notation.BOS, "eos_token_id": notation.END, "pad_token_id": notation.PAD}
    config = transformers.LlamaConfig(vocab_size=len(notation.VOCABULARY), max_position_embeddings=WINDOW, **sizes, **special)
    model = transformers.LlamaForCausalLM(config).eval()
    with torch.no_grad():
        model.model.embed_tokens.weight[:, 0] = 1.0
        model.lm_head.weight[:, 0] = -2.0
        for token in (notation.CALL, notation.WAIT, notation.NONE, notation.END, notation.ID["+"], *notation.numbers((3, 5, 7))):
            model.lm_head.weight[token, 0] = 2.0
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy")
    untrained().save_pretrained(path)
    write_tokenizer(path)
    ModelCard().write(path)
    return path


def arguments(model: Path, out: Path, *more: str) -> Any:
    sizes = ("--group", "3", "--problems-per-step", "2", "--size", "3", "--window", str(WINDOW), "--eval-every", "0")
    fixed = (
        "--engine",
        "transformers",
        "--method",
        "serial",
        "--lr",
        "1e-3",
        "--warmup",
        "1",
        "--reward=-work(price=0.001, max=none, when=always)",
    )
    return grpo.parse(["--model", str(model), "--out", str(out), *sizes, *fixed, *more])


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / METRICS).read_text().splitlines()]


@pytest.mark.parametrize("temperature", [1.0, 1.7])
def test_what_the_engine_recorded_is_what_the_trainer_computes_for_forked_rollouts(temperature: float) -> None:
    model = untrained()
    setup = Setup(window=WINDOW, temperature=temperature, logprobs=True)

    async def rollouts() -> list[Rollout]:
        async with TransformersEngine.of(model) as engine:
            return await sample_groups(engine, [Problem((3, 5, 7), 15)] * 2, setup, group=4, step=1, seed=5)

    sampled = asyncio.run(rollouts())
    assert any(one.facts.forks for one in sampled) and len({one.group for one in sampled}) == 2
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    learner = Learner(model, optimizer, Objective(), Packing(temperature=temperature))
    minibatch = Minibatch(tuple(sampled), (1.0,) * len(sampled))
    first, second = learner.learn(minibatch), learner.learn(minibatch)
    assert abs(first.ratio_max - 1) < 1e-4 and abs(first.ratio_min - 1) < 1e-4 and first.clip_share == 0
    assert second.sampler_kl > first.sampler_kl and second.ratio_max > 1.001


def test_the_reward_of_a_bandit_rises() -> None:
    """Of four answers one is right; at first all are alike."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 6, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, max_position_embeddings=8)).eval()
    learner = Learner(model, torch.optim.AdamW(model.parameters(), lr=0.02), Objective(), Packing())

    async def play(step: int) -> list[Rollout]:
        async with TransformersEngine.of(model) as engine:
            requests = [
                Request(prompt=[0], sampling=Sampling(max_tokens=1, temperature=1.0, seed=64 * step + i)) for i in range(32)
            ]
            found = await asyncio.gather(*map(engine.generate, requests))
        return [
            Rollout(
                problem="bandit",
                group="bandit",
                units=(Unit((0,), tuple(one.token_ids), tuple(one.logprobs or ()), "0"),),
                facts=Facts(correct=one.token_ids == [4], answer=None, ended="finished", work=1, span=1),
            )
            for one in found
        ]

    right = []
    for step in range(1, 16):
        lesson = make_lesson(asyncio.run(play(step)), read_reward("correct"), step=step, baseline="centred_std", minibatches=1)
        right.append(sum(lesson.scored.rewards) / 32)
        for minibatch in lesson.minibatches:
            learner.learn(minibatch)
    assert right[0] < 0.5 and right[-1] > 0.9


def test_a_run_that_was_broken_off_ends_where_an_unbroken_one_ends(folder: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    grpo.train(arguments(folder, whole, "--steps", "4", "--save-every", "2"))

    class PowerCut(Exception):
        pass

    saves = iter([None, PowerCut()])
    original = torch.save

    def save_or_fail(*args: object, **options: object) -> None:
        if error := next(saves):
            raise error
        original(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "save", save_or_fail)
        with pytest.raises(PowerCut):
            grpo.train(arguments(folder, broken, "--steps", "4", "--save-every", "2"))
    grpo.train(arguments(folder, broken, "--steps", "4", "--save-every", "2"))
    one, other = (torch.load(out / CHECKPOINT, weights_only=True)["model"] for out in (whole, broken))
    start = untrained().state_dict()
    assert max(float((one[name] - tensor).abs().max()) for name, tensor in start.items()) > 1e-3
    for name, tensor in one.items():
        assert torch.allclose(tensor, other[name], atol=1e-5)
    assert [line["step"] for line in lines(broken)] == [1, 2, 3, 4]
    for a, b in zip(lines(whole), lines(broken), strict=True):
        assert a["reward"] == pytest.approx(b["reward"]) and a["sampled_tokens"] == b["sampled_tokens"]
        assert a["loss"] == pytest.approx(b["loss"], abs=1e-4)


def test_a_run_reports_what_it_did_and_saves_a_model_that_loads(folder: Path, tmp_path: Path) -> None:
    more = ("--method", "fork", "--kl", "0.01", "--eval-every", "1", "--eval-problems", "2", "--minibatches", "2")
    grpo.train(arguments(folder, tmp_path, "--steps", "1", *more))
    before, step, after = lines(tmp_path)
    assert before["step"] == 0 and after["step"] == 1
    assert {"accuracy", "work", "span", "children", "problems", "failed"} == set(before["evaluation"])
    assert step["rollouts"] == 6 and step["updates"] == 2 and step["staleness"] == 0
    assert step["reward"] == step["reward/work(price=0.001, when=always)"] == pytest.approx(-0.001 * step["work"])
    assert step["sampler_kl"] < 1e-6 < step["policy_kl"]
    assert {"parallelism", "format_errors", "clip_share", "grad_norm", "reference_kl", "silent_share", "dropped"} <= set(step)
    assert json.loads((tmp_path / grpo.FACTS).read_text())["steps"] == 1
    grpo_policy.load_policy(tmp_path, attention="sdpa", device=torch.device("cpu"))


def test_steps_without_a_signal_change_nothing_and_are_reported(folder: Path, tmp_path: Path) -> None:
    grpo.train(arguments(folder, tmp_path, "--steps", "2", "--reward", "correct"))
    assert [(line["updates"], line["silent_share"]) for line in lines(tmp_path)] == [(0, 1.0)] * 2
    saved = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).state_dict()
    start = transformers.AutoModelForCausalLM.from_pretrained(folder).bfloat16().state_dict()
    assert all(torch.equal(saved[name], tensor) for name, tensor in start.items())


def test_a_batch_that_must_not_be_learned_is_saved_and_stops_the_run(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadBatch, match=r"step 1: .*stopped\.jsonl"):
        grpo.train(arguments(folder, tmp_path, "--steps", "1", "--max-sampler-kl", "-1"))
    rows = [json.loads(line) for line in (tmp_path / grpo.STOPPED).read_text().splitlines()]
    assert rows and all(row["units"] and "advantage" in row for row in rows)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--reward", "corect"), "did you mean correct"),
        (("--group", "1"), "--group must be at least 2"),
        (("--temperature", "0"), "--temperature must be positive"),
        (("--attention", "flex_attention"), "--attention sdpa"),
        (("--window", "0"), "--window must be at least 1"),
        (("--window", "49"), "--window 49 is more than the 48"),
    ],
)
def test_arguments_that_cannot_work_are_refused_with_the_flag_to_change(
    folder: Path, tmp_path: Path, more: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        grpo.train(arguments(folder, tmp_path, "--steps", "1", *more))


def test_a_model_that_does_not_speak_countdown_is_refused(tmp_path: Path) -> None:
    untrained().save_pretrained(tmp_path / "other")
    with pytest.raises(ConfigError, match="no Countdown model"):
        grpo.train(arguments(tmp_path / "other", tmp_path / "out", "--steps", "1"))


def test_a_dead_engine_stops_the_run_instead_of_scoring_its_silence() -> None:
    def dead(prompt: Any) -> Any:
        raise EngineError("gone")

    async def rollouts() -> list[Rollout]:
        return await sample_groups(ScriptedEngine(dead), [Problem((3, 5, 7), 15)], Setup(logprobs=True), group=2, step=1, seed=0)

    with pytest.raises(EngineError, match="all 2 rollouts of step 1 failed, the first with: .*gone"):
        asyncio.run(rollouts())


def test_engines_whose_weights_cannot_change_say_what_can(folder: Path) -> None:
    engine: Engine = ScriptedEngine(lambda prompt: [notation.END])
    with pytest.raises(ConfigError, match="cannot be changed while it runs"):
        asyncio.run(update_weights(engine, folder))
