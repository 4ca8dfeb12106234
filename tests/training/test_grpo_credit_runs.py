"""Runs with thread-level credit on the CPU: what is refused, what is reported, how folders go on, and what such credit is good for."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
transformers = pytest.importorskip("transformers", reason="training needs transformers")

from orchestra.training.children import Outcome
from orchestra.training.grpo import run as grpo
from orchestra.training.grpo.credit import Credit
from orchestra.training.grpo.lesson import make_lesson
from orchestra.training.grpo.loss import Objective
from orchestra.training.grpo.update import Learner, Packing
from orchestra.training.rewards import read_reward
from orchestra.training.rollout import Facts, Rollout, Unit
from orchestra.training.run_folder import ARGUMENTS
from tiny_policy import arguments, lines, write_countdown, write_planner

from orchestra.engine import Request, Sampling
from orchestra.engine.transformers import TransformersEngine
from orchestra.errors import ConfigError

THREADS = ("--method", "fork", "--credit", "thread", "--thread-price", "0.01")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy")
    write_countdown(path)
    return path


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--credit", "thread"), "--method serial has none: give --method fork"),
        (("--credit", "thread", "--method", "weave"), "--method weave has none"),
        (("--thread-price", "0.1"), "give --credit thread"),
    ],
)
def test_credit_that_the_method_cannot_give_is_refused(folder: Path, tmp_path: Path, more: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        grpo.train(arguments(folder, tmp_path / "out", "--steps", "1", *more))


def test_plans_have_no_threads_to_credit(tmp_path: Path) -> None:
    write_planner(tmp_path / "planner")
    with pytest.raises(ConfigError, match="--credit thread means nothing to the planner"):
        grpo.train(arguments(tmp_path / "planner", tmp_path / "out", "--steps", "1", "--credit", "thread"))


def test_a_run_reports_how_its_children_did_and_trains_fewer_tokens_than_it_sampled(folder: Path, tmp_path: Path) -> None:
    grpo.train(arguments(folder, tmp_path, "--steps", "1", "--group", "24", "--problems-per-step", "1", *THREADS))
    (step,) = lines(tmp_path)
    assert step["child_success"] == 0 <= step["child_cut"] <= 1 and 0 <= step["silent_threads"] < 1
    assert 0 < step["trained_tokens"] < step["sampled_tokens"] and step["sampler_kl"] < 1e-6


def test_a_folder_is_of_one_way_of_credit(folder: Path, tmp_path: Path) -> None:
    by_rollout, by_thread = tmp_path / "rollout", tmp_path / "thread"
    grpo.train(arguments(folder, by_rollout, "--steps", "1", "--method", "fork"))
    # As in a folder of a run that had no choice, which therefore goes on.
    assert "credit" not in json.loads((by_rollout / ARGUMENTS).read_text())
    grpo.train(arguments(folder, by_rollout, "--steps", "2", "--method", "fork", "--credit", "rollout"))
    with pytest.raises(ConfigError, match="--credit None, not 'thread'"):
        grpo.train(arguments(folder, by_rollout, "--steps", "3", *THREADS[:4]))
    grpo.train(arguments(folder, by_thread, "--steps", "1", *THREADS))
    with pytest.raises(ConfigError, match="--credit 'thread', not None"):
        grpo.train(arguments(folder, by_thread, "--steps", "2", "--method", "fork"))
    with pytest.raises(ConfigError, match=r"--thread-price 0\.01, not 0\.0"):
        grpo.train(arguments(folder, by_thread, "--steps", "2", *THREADS[:4]))
    grpo.train(arguments(folder, by_thread, "--steps", "2", *THREADS))
    assert lines(by_thread)[-1]["step"] == 2


def learned(credit: Credit, *, steps: int, calls: int = 6, group: int = 8) -> list[float]:
    """Share of children that succeeded, step by step. Each of the calls has one right answer of six, and the root has nothing to decide; a
    rollout is right when half of its children are."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 7, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, max_position_embeddings=8)).eval()
    learner = Learner(model, torch.optim.AdamW(model.parameters(), lr=0.02), Objective(), Packing())

    async def play(step: int) -> list[Rollout]:
        jobs = [(member, call) for member in range(group) for call in range(calls)]
        async with TransformersEngine.of(model) as engine:
            found = await asyncio.gather(
                *(
                    engine.generate(
                        Request(
                            prompt=[call],
                            sampling=Sampling(max_tokens=1, temperature=1.0, seed=1_000 * step + place, logprobs=True),
                        )
                    )
                    for place, (_, call) in enumerate(jobs)
                )
            )
        made = []
        for member in range(group):
            own = [(call, one) for (which, call), one in zip(jobs, found, strict=True) if which == member]
            right = [one.token_ids == [(call + 1) % calls] for call, one in own]
            units = [Unit((call,), tuple(one.token_ids), tuple(one.logprobs or ()), f"0.{call}") for call, one in own]
            outcomes = [Outcome(f"0.{call}", "finished", success) for (call, _), success in zip(own, right, strict=True)]
            facts = Facts(correct=sum(right) * 2 >= calls, answer=None, ended="finished", work=calls, span=1)
            made.append(Rollout("p", "g", tuple(units), facts, None, tuple(outcomes)))
        return made

    shares = []
    for step in range(1, steps + 1):
        lesson = make_lesson(asyncio.run(play(step)), read_reward("correct"), step=step, baseline="centred", credit=credit)
        succeeded, whole = lesson.shares["child_success"]
        shares.append(succeeded / whole)
        for minibatch in lesson.minibatches:
            learner.learn(minibatch)
    return shares


def test_children_learn_from_their_own_success_what_their_rollout_s_does_not_tell_them() -> None:
    own, shared = (learned(credit, steps=30)[-5:] for credit in ("thread", "rollout"))
    assert sum(own) / 5 > 0.8 and sum(shared) / 5 < 0.6
