"""The clipped loss on packed rows is that of each unit alone, and whatever must not be learned is not."""

from __future__ import annotations

import copy
import math
import random
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
transformers = pytest.importorskip("transformers", reason="training needs transformers")

from orchestra.training.attention import batch_of
from orchestra.training.grpo.lesson import Minibatch, make_lesson
from orchestra.training.grpo.loss import Objective, policy_loss
from orchestra.training.grpo.update import BadBatch, Learner, Packing, summary
from orchestra.training.rewards import read_reward
from orchestra.training.rollout import Facts, Rollout, Unit
from orchestra.training.trie import pack

from orchestra.errors import ConfigError

FACTS = Facts(correct=True, answer="1+1", ended="finished", work=10, span=10)
OBJECTIVE = Objective(clip_low=0.2, clip_high=0.28, kl=0.1)


def tiny(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    sizes = {"vocab_size": 23, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**sizes, max_position_embeddings=64, initializer_range=0.4)
    ).eval()


def logprobs(model: Any, unit: Unit) -> Any:
    ids = torch.tensor([[*unit.prompt, *unit.sampled]])
    rows = model(ids).logits[0, len(unit.prompt) - 1 : -1].log_softmax(-1)
    return rows[range(len(unit.sampled)), list(unit.sampled)]


def sampled(model: Any, *, off: float = 0.0) -> list[Unit]:
    """Units that share prefixes; their recorded log-probabilities are the model's, up to `off` away."""
    rng = random.Random(1)
    units = []
    for number in range(9):
        prompt = (1, 2, 3, *((4, 5) if number % 3 else (6,)))
        unit = Unit(prompt, tuple(rng.randrange(23) for _ in range(rng.randint(1, 6))), (), str(number))
        with torch.no_grad():
            recorded = tuple(float(value) + rng.uniform(-off, off) for value in logprobs(model, unit))
        units.append(replace(unit, logprobs=recorded))
    return units


def rollout(units: list[Unit], group: str = "g", *, error: str | None = None, **facts: Any) -> Rollout:
    return Rollout("p", group, tuple(units), replace(FACTS, **facts), error)


def by_hand(model: Any, reference: Any, units: list[Unit], weights: list[float], objective: Objective) -> Any:
    """The formula, one unit and one token at a time."""
    total = torch.zeros(())
    for unit, advantage in zip(units, weights, strict=True):
        with torch.no_grad():
            there = logprobs(reference, unit)
        for now, then, away in zip(logprobs(model, unit), unit.logprobs, there, strict=True):
            ratio = torch.exp(now - then)
            value = ratio.item()
            bounded = min(max(value, 1 - objective.clip_low), 1 + objective.clip_high)
            surrogate = ratio * advantage if value * advantage <= bounded * advantage else torch.tensor(bounded * advantage)
            total = total - surrogate + objective.kl * (torch.exp(away - now) - (away - now) - 1)
    return total / sum(len(unit.sampled) for unit in units)


def test_loss_and_gradient_of_packed_rows_are_those_of_each_unit_alone() -> None:
    model, reference = tiny(), tiny(1)
    units = sampled(model, off=0.6)
    weights = [1.5, -0.5, -1.0, 0.0, 2.0, -2.0, 0.7, 0.1, -0.3]
    expected = by_hand(model, reference, units, weights, OBJECTIVE)
    torch.autograd.backward(expected)
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    rollouts = [rollout([unit]) for unit in units]

    steps = torch.optim.SGD(model.parameters(), lr=0.0)
    learner = Learner(model, steps, OBJECTIVE, Packing(row_tokens=24, slots=48), reference=reference, max_grad_norm=math.inf)
    update = learner.learn(Minibatch(tuple(rollouts), tuple((weight,) for weight in weights)))
    assert update.loss == pytest.approx(expected.item(), abs=1e-5)
    assert update.packed < sum(map(len, units))
    assert 0 < update.clip_share < 1 and update.reference_kl > 0
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert torch.allclose(parameter.grad, gradient, atol=1e-5)


def test_how_units_are_packed_changes_nothing() -> None:
    units = sampled(tiny(), off=0.3)
    found = []
    for packing in (Packing(row_tokens=12, slots=12), Packing(row_tokens=500, slots=500)):
        model = tiny()
        learner = Learner(model, torch.optim.SGD(model.parameters(), lr=0.1), Objective(), packing)
        found.append(
            (learner.learn(Minibatch((rollout(units[:4]), rollout(units[4:])), ((1.0,) * 4, (-1.0,) * len(units[4:])))), model)
        )
    (short, one), (long, other) = found
    assert short.loss == pytest.approx(long.loss, abs=1e-5) and short.packed > long.packed
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(("advantage", "log_ratio", "flows"), [(1, 0.3, False), (1, 0.2, True), (-1, -0.3, False), (-1, 0.3, True)])
def test_the_clip_stops_only_what_has_gone_far_enough_in_its_direction(advantage: float, log_ratio: float, flows: bool) -> None:
    (row,) = pack([Unit((1,), (2,), (-1.0,), "0")], budget=8, weights=[advantage])
    now = torch.tensor([-1.0 + log_ratio], requires_grad=True)
    loss, sums = policy_loss(now, batch_of([row]), Objective())
    torch.autograd.backward(loss)
    assert (now.grad is not None and bool(now.grad != 0)) is flows
    assert bool(sums.clipped) is not flows


def test_demonstrations_are_refused() -> None:
    (row,) = pack([Unit((1,), (2,), (), "0")], budget=8)
    with pytest.raises(ConfigError, match="sft"):
        policy_loss(torch.zeros(1), batch_of([row]), Objective())


@pytest.mark.parametrize("bounds", [{"clip_low": 0.0}, {"clip_low": 1.0}, {"clip_high": 0.0}, {"kl": -1.0}])
def test_an_objective_that_cannot_teach_is_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Objective(**bounds)


@pytest.mark.parametrize("reason", ["not a number", "other weights"])
def test_a_bad_minibatch_leaves_the_weights_untouched(reason: str) -> None:
    model = tiny()
    units = sampled(model, off=0.0 if reason == "not a number" else 1.0)
    minibatch = Minibatch((rollout(units),), ((1.0,) * len(units),))
    if reason == "not a number":
        with torch.no_grad():
            model.lm_head.weight[3] = math.nan
    before = copy.deepcopy(model.state_dict())
    learner = Learner(model, torch.optim.AdamW(model.parameters(), lr=0.1), Objective(), Packing())
    with pytest.raises(BadBatch, match="nan" if reason == "not a number" else "nats a token apart"):
        learner.learn(minibatch, max_sampler_kl=0.01)
    assert all(torch.equal(before[name], tensor) or reason == "not a number" for name, tensor in model.state_dict().items())
    assert not learner.optimizer.state


def test_groups_without_a_signal_and_errors_are_left_out_and_counted() -> None:
    units = sampled(tiny())
    rollouts = [
        rollout(units[:2], "equal"),
        rollout(units[2:4], "equal"),
        rollout(units[4:5], "mixed"),
        rollout(units[5:6], "mixed", correct=False),
        rollout(units[6:7], "mixed", correct=False, error="the engine died"),
        rollout(units[7:8], "alone"),
    ]
    lesson = make_lesson(rollouts, read_reward("correct"), step=1, baseline="centred", minibatches=3)
    assert lesson.scored.dropped == 1
    assert (lesson.advantages.groups, lesson.advantages.equal, lesson.advantages.alone) == (3, 1, 1)
    (minibatch,) = lesson.minibatches
    assert minibatch.units == units[4:6] and minibatch.weights == [0.5, -0.5]


def test_no_signal_at_all_means_no_minibatch() -> None:
    units = sampled(tiny())
    lesson = make_lesson([rollout(units), rollout(units)], read_reward("correct"), step=1, baseline="centred", minibatches=2)
    assert lesson.minibatches == () and summary([]) == {}


def test_minibatches_hold_each_group_whole_and_every_group_once() -> None:
    units = sampled(tiny())
    rollouts = [rollout(units[:1], str(group), correct=right) for group in range(5) for right in (True, False)]
    lesson = make_lesson(rollouts, read_reward("correct"), step=3, baseline="centred", minibatches=2, seed=7)
    held = [{one.group for one in minibatch.rollouts} for minibatch in lesson.minibatches]
    assert len(held) == 2 and held[0] | held[1] == set("01234") and not held[0] & held[1]
    assert sum(len(minibatch.rollouts) for minibatch in lesson.minibatches) == 10


def test_normalised_by_rollout_a_long_one_weighs_no_more_than_a_short_one() -> None:
    units = sampled(tiny())
    rollouts = [rollout(units[:6], correct=True), rollout(units[6:7], correct=False)]
    lesson = make_lesson(rollouts, read_reward("correct"), step=1, baseline="centred", normalise="rollout")
    (minibatch,) = lesson.minibatches
    long, short = (values[0] * one.num_sampled for one, values in zip(minibatch.rollouts, minibatch.values, strict=True))
    assert len(set(minibatch.values[0])) == 1 and long == pytest.approx(-short)
