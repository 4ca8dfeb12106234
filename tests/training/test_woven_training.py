"""A real model, small and trained in a second, weaves: what it sampled is what packed rows train, and it can be trained on by GRPO."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
transformers = pytest.importorskip("transformers", reason="training needs transformers")

from orchestra.training.attention import batch_of, label_logprobs
from orchestra.training.formats import fates, searched, to_weaver
from orchestra.training.formats.make import make
from orchestra.training.grpo import run as grpo
from orchestra.training.rollout import Rollout, Unit, rollout_of_attempt
from orchestra.training.sft import run as sft
from orchestra.training.trie import pack
from tiny_policy import lines

from orchestra.countdown import Setup, attempt, generate, notation
from orchestra.countdown.model import ModelCard, read_card
from orchestra.countdown.tokenizer import write_tokenizer
from orchestra.engine import Completion, Request
from orchestra.engine.transformers import TransformersEngine
from orchestra.errors import ConfigError
from orchestra.thread import Join

PROBLEMS = list(islice(generate("train", seed=1, size=3), 2))
WEAVE = Setup(method="weave", beam=3, child_beam=2, window=160, temperature=1.0, logprobs=True)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tensors this small are slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def logprobs_of(model: Any, units: list[Unit], *, budget: int, weights: list[float]) -> tuple[list[Any], Any]:
    """Of each unit's sampled tokens, from packed rows; and their sum, weighted."""
    batch = batch_of(pack(units, budget=budget, weights=weights))
    found = label_logprobs(model, batch, attention="sdpa", temperature=1.0)
    return [found[batch.unit == index] for index in range(len(units))], (batch.weight * found).sum()


def alone(model: Any, units: list[Unit], weights: list[float]) -> tuple[list[Any], Any]:
    """The same from one ordinary causal row a unit."""
    found = []
    for unit in units:
        ids = torch.tensor([[*unit.prompt, *unit.sampled]])
        scored = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
        found.append(scored.gather(1, ids[0, 1:, None])[len(unit.prompt) - 1 :, 0])
    return found, sum(weight * one.sum() for weight, one in zip(weights, found, strict=True))


@pytest.fixture(scope="module")
def model() -> Any:
    """It has learned two demonstrations by heart, so that at temperature 1 it weaves, with slips."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    special = {"bos_token_id": notation.BOS, "eos_token_id": notation.END, "pad_token_id": notation.PAD}
    config = transformers.LlamaConfig(vocab_size=len(notation.VOCABULARY), max_position_embeddings=256, **sizes, **special)
    llama = transformers.LlamaForCausalLM(config)
    rng = random.Random(0)
    searches = [searched(problem, beam=3, child_beam=2) for problem in PROBLEMS]
    trees = [to_weaver(found, fates(found, join="all", rng=rng, spoil=0.0), "all") for found in searches]
    units = [unit for tree in trees for unit in tree.units]
    optimizer = torch.optim.AdamW(llama.parameters(), lr=5e-3)
    for _ in range(60):
        loss = -logprobs_of(llama, units, budget=1_000, weights=[1.0] * len(units))[1] / sum(len(unit.sampled) for unit in units)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return llama.eval()


class Logged(TransformersEngine):
    """Remembers what it was sent and what it sampled."""

    log: list[tuple[Request, Completion]]

    async def generate(self, request: Request, **more: Any) -> Completion:
        done = await super().generate(request, **more)
        self.log.append((request, done))
        return done


@pytest.fixture(scope="module", params=["all", "first"])
def sampled(request: pytest.FixtureRequest, model: Any) -> tuple[list[Rollout], list[tuple[Request, Completion]]]:
    """Rollouts of both problems, four of each, and what the engine was asked for them."""
    join: Join = request.param

    async def roll() -> tuple[list[Rollout], list[tuple[Request, Completion]]]:
        async with Logged.of(model) as engine:
            assert isinstance(engine, Logged)
            engine.log = []
            made = []
            for seed in range(4):
                setup = replace(WEAVE, join=join, seed=seed)
                found = await asyncio.gather(*(attempt(engine, problem, setup) for problem in PROBLEMS))
                made += [rollout_of_attempt(one, group=one.problem.key) for one in found]
            return made, engine.log

    return asyncio.run(roll())


def test_a_trained_weaver_forks_and_rewards_see_its_threads(sampled: tuple[list[Rollout], Any]) -> None:
    rollouts, _ = sampled
    assert all(rollout.error is None for rollout in rollouts)
    assert sum(rollout.facts.children >= 2 for rollout in rollouts) >= 4
    assert any(rollout.facts.acceleration > 0 for rollout in rollouts)


def test_every_token_that_a_model_sampled_is_in_exactly_one_unit(sampled: tuple[list[Rollout], Any]) -> None:
    rollouts, log = sampled
    asked = Counter((tuple(request.prompt), tuple(done.token_ids)) for request, done in log if done.token_ids)
    kept = Counter((unit.prompt, unit.sampled) for rollout in rollouts for unit in rollout.units)
    assert not asked - kept
    assert (kept - asked).total() <= sum(rollout.facts.cancelled for rollout in rollouts), (
        "cancelled requests end without an answer"
    )
    assert all(rollout.num_sampled == rollout.facts.work for rollout in rollouts)


def test_packed_rows_train_what_one_row_a_unit_trains(model: Any, sampled: tuple[list[Rollout], Any]) -> None:
    rollouts, _ = sampled
    units = [unit for rollout in rollouts for unit in rollout.units]
    weights = torch.linspace(-1, 1, len(units)).tolist()
    rows = pack(units, budget=400)
    assert sum(map(len, rows)) < sum(map(len, units)) / 2, "siblings and rollouts share long prefixes"

    expected, loss = alone(model, units, weights)
    theirs = torch.autograd.grad(loss, list(model.parameters()))
    found, loss = logprobs_of(model, units, budget=400, weights=weights)
    ours = torch.autograd.grad(loss, list(model.parameters()))

    for unit, one, other in zip(units, found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
        torch.testing.assert_close(one, torch.tensor(unit.logprobs), atol=1e-4, rtol=0)
    scale = max(float(gradient.abs().max()) for gradient in theirs)
    assert all(float((one - other).abs().max()) < 1e-5 * scale for one, other in zip(ours, theirs, strict=True))


def folder_of(model: Any, folder: Path, card: ModelCard) -> Path:
    model.save_pretrained(folder)
    write_tokenizer(folder)
    card.write(folder)
    return folder


def test_a_model_that_never_wove_is_extended_by_weaver_rows_and_its_card_says_so(tmp_path: Path) -> None:
    sizes = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1}
    old = transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=notation.WEAVE, max_position_embeddings=64, **sizes))
    folder = tmp_path / "old"
    old.save_pretrained(folder)
    ModelCard(methods=("fork",), sizes=(4,)).write(folder)
    write_tokenizer(folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"] = {token: id for token, id in tokenizer["model"]["vocab"].items() if id < notation.WEAVE}
    tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if token["id"] < notation.WEAVE]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (tmp_path / "rows").mkdir()
    make(tmp_path / "rows" / "weaver.npz", format="weaver", problems=3, seed=0, split="train", width=512)
    run = ("--batch-tokens", "512", "--steps", "1", "--warmup", "1", "--log-every", "1")
    sft.train(sft.parse(["--init", str(folder), "--data", str(tmp_path / "rows"), "--out", str(tmp_path / "new"), *run]))
    assert read_card(tmp_path / "new") == ModelCard(methods=("fork", "weave"), sizes=(4,))
    new = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "new")
    assert new.config.vocab_size == len(notation.VOCABULARY) and new.config.max_position_embeddings == 512


def grpo_arguments(model: Path, out: Path) -> Any:
    sizes = ("--group", "2", "--problems-per-step", "2", "--size", "3", "--beam", "3", "--child-beam", "2", "--window", "160")
    run = ("--engine", "transformers", "--eval-every", "0", "--steps", "1", "--minibatches", "1", "--row-tokens", "400")
    reward = "--reward=-work(price=0.001, max=none, when=always)"
    return grpo.parse(["--model", str(model), "--out", str(out), "--method", "weave", *sizes, *run, reward])


def test_grpo_trains_a_weaver(model: Any, tmp_path: Path) -> None:
    folder = folder_of(model, tmp_path / "model", ModelCard(methods=("weave",)))
    grpo.train(grpo_arguments(folder, tmp_path / "out"))
    (step,) = [line for line in lines(tmp_path / "out") if "rollouts" in line]
    assert step["children"] > 0 and step["sampler_kl"] < 1e-4


def test_grpo_refuses_a_policy_that_never_wove(model: Any, tmp_path: Path) -> None:
    folder = folder_of(model, tmp_path / "model", ModelCard())
    with pytest.raises(ConfigError, match="knows serial and fork, not weave"):
        grpo.train(grpo_arguments(folder, tmp_path / "out"))


def test_a_policy_that_never_wove_is_refused_for_that_and_not_for_a_window_that_nobody_gave(model: Any, tmp_path: Path) -> None:
    folder = folder_of(model, tmp_path / "model", ModelCard())
    assert model.config.max_position_embeddings < Setup(method="weave").effective_window
    with pytest.raises(ConfigError, match="knows serial and fork, not weave"):
        grpo.train(grpo.parse(["--model", str(folder), "--out", str(tmp_path / "out"), "--method", "weave", "--steps", "1"]))
