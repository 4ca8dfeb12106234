"""Training runs of a tiny policy on the CPU: what it sampled is what it learns from, and a broken run ends where a whole one does."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
transformers = pytest.importorskip("transformers", reason="training needs transformers")

from orchestra.training.grpo import policy as grpo_policy
from orchestra.training.grpo import run as grpo
from orchestra.training.grpo.countdown import sample_groups
from orchestra.training.grpo.lesson import Minibatch, make_lesson
from orchestra.training.grpo.loss import Objective
from orchestra.training.grpo.update import BadBatch, Learner, Packing
from orchestra.training.rewards import read_reward
from orchestra.training.rollout import Facts, Rollout, Unit
from tiny_policy import WINDOW, arguments, lines, untrained, write_countdown

from orchestra.countdown import Problem, Setup, notation
from orchestra.engine import Engine, Request, Sampling
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.transformers import TransformersEngine
from orchestra.engine.weights import update_weights
from orchestra.errors import ConfigError, EngineError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy")
    write_countdown(path)
    return path


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
    minibatch = Minibatch(tuple(sampled), tuple((1.0,) * len(one.units) for one in sampled))
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


def test_a_run_reports_what_it_did_and_saves_a_model_that_loads(folder: Path, tmp_path: Path) -> None:
    more = ("--method", "fork", "--kl", "0.01", "--eval-every", "1", "--eval-problems", "2", "--minibatches", "2")
    grpo.train(arguments(folder, tmp_path, "--steps", "1", *more))
    before, step, after = lines(tmp_path)
    assert before["step"] == 0 and after["step"] == 1
    assert {"accuracy", "work", "span", "parallelism", "children", "format_errors", "failed"} <= set(before["evaluation"])
    histogram = before["evaluation"]["by_children"]
    assert sum(tries for _, tries in histogram.values()) == before["evaluation"]["problems"] == 2
    assert step["rollouts"] == 6 and step["updates"] == 2 and step["staleness"] == 0
    assert step["reward"] == step["reward/work(price=0.001, when=always)"] == pytest.approx(-0.001 * step["work"])
    assert step["sampler_kl"] < 1e-6 < step["policy_kl"]
    assert {"parallelism", "format_errors", "refused", "explored", "clip_share", "grad_norm", "reference_kl"} <= set(step)
    assert {"silent_share", "dropped"} <= set(step)
    assert step["packed_tokens_per_second"] > step["trained_tokens_per_second"] > 0 < step["sampled_tokens_per_second"]
    assert json.loads((tmp_path / grpo.FACTS).read_text())["steps"] == 1
    grpo_policy.load_policy(tmp_path, attention="sdpa", device=torch.device("cpu"))


def test_a_policy_may_choose_its_own_width(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grpo.train(arguments(folder, tmp_path, "--steps", "1", "--method", "fork", "--beam", "0", "--child-beam", "0"))
    (step,) = lines(tmp_path)
    assert step["rollouts"] == 6 and step["children"] > 0 and step["sampler_kl"] < 1e-6
    assert "no step changed" not in capsys.readouterr().err


def test_steps_without_a_signal_change_nothing_and_are_reported(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grpo.train(arguments(folder, tmp_path, "--steps", "2", "--reward", "correct"))
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("no step changed the weights: all groups were silent (silent_share 1.0); raise --temperature")
    assert [(line["updates"], line["silent_share"]) for line in lines(tmp_path)] == [(0, 1.0)] * 2
    saved = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).state_dict()
    start = transformers.AutoModelForCausalLM.from_pretrained(folder).bfloat16().state_dict()
    assert all(torch.equal(saved[name], tensor) for name, tensor in start.items())


def test_a_batch_that_must_not_be_learned_is_saved_and_stops_the_run(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadBatch, match=r"step 1: .*stopped\.jsonl"):
        grpo.train(arguments(folder, tmp_path, "--steps", "1", "--max-sampler-kl", "-1"))
    rows = [json.loads(line) for line in (tmp_path / grpo.STOPPED).read_text().splitlines()]
    assert rows and all(row["units"] and len(row["weights"]) == len(row["units"]) for row in rows)


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
