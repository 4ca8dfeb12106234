"""Packed rows train what one row a unit trains: the same tokens, the same log-probabilities, the same gradients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
transformers = pytest.importorskip("transformers", reason="training needs transformers")

from hypothesis import given
from hypothesis import strategies as st
from orchestra.training.attention import Attention, additive_mask, batch_of, block_mask, dense_mask, label_logprobs
from orchestra.training.rollout import Unit, rollout_of_attempt
from orchestra.training.trie import Row, batches, pack
from wild_countdown import SEEDS, SETUPS, run

from orchestra.countdown import notation
from orchestra.countdown.attempt import Setup
from orchestra.errors import ConfigError

TOKENS = st.lists(st.integers(0, 2), min_size=1, max_size=6).map(tuple)
UNITS = st.lists(
    st.tuples(TOKENS, TOKENS).map(lambda both: Unit(both[0], both[1], tuple(-0.1 * i for i in range(len(both[1]))), "0")),
    min_size=1,
    max_size=12,
)
"""Over three tokens, so that nearly everything is shared somewhere."""


def context(row: Row, index: int) -> tuple[int, ...]:
    """What a packed token sees, itself included, in the order of its positions."""
    seen = [k for k in range(len(row)) if k <= index <= row.last[k]]
    assert [int(row.position[k]) for k in seen] == list(range(len(seen)))
    return tuple(int(row.token_ids[k]) for k in seen)


def contexts(units: list[Unit]) -> Counter[tuple[int, tuple[int, ...], int, float]]:
    """(unit, context, token, log-probability) of every sampled token."""
    return Counter(
        (index, (*unit.prompt, *unit.sampled[:place]), token, float(np.float32(logprob)))
        for index, unit in enumerate(units)
        for place, (token, logprob) in enumerate(zip(unit.sampled, unit.logprobs, strict=True))
    )


def packed_contexts(rows: list[Row]) -> Counter[tuple[int, tuple[int, ...], int, float]]:
    return Counter(
        (int(unit), context(row, int(source)), int(target), float(logprob))
        for row in rows
        for unit, source, target, logprob in zip(row.unit, row.source, row.target, row.logprob, strict=True)
    )


def num_prefixes(units: list[Unit]) -> int:
    """Tokens that a trie needs: the different prefixes of all inputs."""
    inputs = [(*unit.prompt, *unit.sampled[:-1]) for unit in units]
    return len({ids[:end] for ids in inputs for end in range(1, len(ids) + 1)})


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tensors this small are slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def model(attention: Attention = "sdpa") -> torch.nn.Module:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(notation.VOCABULARY),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.3,  # far from uniform, so that a wrong context shows
        attn_implementation=attention,
    )
    return transformers.LlamaForCausalLM(config)


def alone(model: torch.nn.Module, units: list[Unit]) -> list[torch.Tensor]:
    """Log-probabilities of each unit's sampled tokens, one ordinary causal row a unit."""
    found = []
    for unit in units:
        ids = torch.tensor([[*unit.prompt, *unit.sampled]])
        logprobs = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
        found.append(logprobs.gather(1, ids[0, 1:, None])[len(unit.prompt) - 1 :, 0])
    return found


def packed(
    model: torch.nn.Module, units: list[Unit], *, budget: int, attention: Attention = "sdpa", temperature: float = 1.0
) -> list[torch.Tensor]:
    """The same from packed rows, in the order of the units."""
    batch = batch_of(pack(units, budget=budget))
    logprobs = label_logprobs(model, batch, attention=attention, temperature=temperature)
    return [logprobs[batch.unit == index] for index in range(len(units))]


@cache
def countdown_units() -> tuple[Unit, ...]:
    """Of four wild rollouts of one problem: cut, cancelled, refused and equal threads among them."""
    made = [rollout_of_attempt(run(seed, Setup(beam=6, join=join, logprobs=True))[1], group="g") for seed, join in ROLLOUTS]
    return tuple(unit for rollout in made for unit in rollout.units)


ROLLOUTS = ((1, "all"), (2, "first"), (3, "all"), (4, "first"))


@given(UNITS, st.integers(11, 60), st.booleans())
def test_every_sampled_token_is_a_label_once_under_its_own_context(units: list[Unit], budget: int, share: bool) -> None:
    rows = pack(units, budget=budget, share=share)
    assert packed_contexts(rows) == contexts(units)
    assert all(len(row) <= budget for row in rows)


@given(SEEDS, SETUPS)
def test_the_labels_of_a_run_tree_are_its_sampled_tokens_under_the_contexts_of_its_requests(seed: int, setup: Setup) -> None:
    _, done = run(seed, setup)
    units = list(rollout_of_attempt(done, group="g").units)
    rows = pack(units, budget=512)
    assert packed_contexts(rows) == contexts(units)
    assert sum(len(row.target) for row in rows) == done.ledger.work


@given(UNITS)
def test_no_prefix_is_forwarded_twice_in_one_row(units: list[Unit]) -> None:
    (row,) = pack(units, budget=1_000)
    assert len(row) == num_prefixes(units)


@given(UNITS, st.integers(11, 60))
def test_a_row_ends_between_two_units_and_only_when_it_is_full(units: list[Unit], budget: int) -> None:
    rows = pack(units, budget=budget)
    homes = [set(row.unit.tolist()) for row in rows]
    assert sum(map(len, homes)) == len(units)
    for home, after in zip(homes, rows[1:], strict=False):
        assert num_prefixes([units[i] for i in (*sorted(home), int(after.unit[0]))]) > budget


def test_the_token_before_a_fork_predicts_each_branch_and_the_last_token_of_a_branch_none() -> None:
    units = [
        Unit((1, 2), (3, 4), (-1.0, -2.0), "0"),
        Unit((1, 2), (5, 6), (-3.0, -4.0), "0.0"),
        Unit((1, 2), (5, 7), (-5.0, -6.0), "0.1"),
    ]
    (row,) = pack(units, budget=10)
    assert row.token_ids.tolist() == [1, 2, 3, 5]
    assert row.position.tolist() == [0, 1, 2, 2]
    assert row.last.tolist() == [3, 3, 2, 3]
    assert list(zip(row.source.tolist(), row.target.tolist(), strict=True)) == [(1, 3), (2, 4), (1, 5), (3, 6), (1, 5), (3, 7)]


def test_siblings_that_drew_alike_count_twice() -> None:
    unit = Unit((1, 2), (3, 4), (-1.0, -2.0), "0.0")
    (row,) = pack([unit, unit], budget=10, weights=[0.5, -2.0])
    assert len(row) == 3
    assert row.weight.tolist() == [0.5, 0.5, -2.0, -2.0]
    assert row.source.tolist() == [1, 2, 1, 2]


def test_weights_follow_their_units_through_the_sorting() -> None:
    units = [Unit((9,), (1,), (-1.0,), "0"), Unit((1,), (2, 3), (-1.0, -1.0), "0")]
    (row,) = pack(units, budget=10, weights=[7.0, 8.0])
    assert dict(zip(row.target.tolist(), row.weight.tolist(), strict=True)) == {1: 7.0, 2: 8.0, 3: 8.0}


def test_a_demonstration_has_no_log_probability_to_mistake_for_one() -> None:
    (row,) = pack([Unit((1,), (2, 3), (), "0")], budget=10)
    assert np.isnan(row.logprob).all()


def test_nothing_to_pack_is_no_row() -> None:
    assert pack([], budget=10) == []


def test_a_unit_that_does_not_fit_is_refused_and_not_cut() -> None:
    with pytest.raises(ConfigError, match="12 tokens does not fit in rows of 11"):
        pack([Unit((1,), tuple(range(12)), (), "0")], budget=11)


def test_weights_that_are_not_one_a_unit_are_refused() -> None:
    with pytest.raises(ConfigError, match="got 1 for 2"):
        pack([Unit((1,), (2,), (), "0")] * 2, budget=9, weights=[1.0])


@given(UNITS, st.integers(5, 60))
def test_batches_hold_every_row_once_and_no_more_than_their_slots_unless_one_row_does(units: list[Unit], slots: int) -> None:
    rows = pack(units, budget=11)
    made = list(batches(rows, slots=slots))
    assert sorted(id(row) for batch in made for row in batch) == sorted(map(id, rows))
    assert all(len(batch) * max(map(len, batch)) <= slots or len(batch) == 1 for batch in made)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("budget", [250, 5_000])
def test_log_probabilities_and_gradients_are_those_of_one_row_a_unit(attention: Attention, budget: int) -> None:
    units = list(countdown_units())
    weights = torch.linspace(-1, 1, len(units)).tolist()
    reference, trie = model(attention), model(attention)

    expected = alone(reference, units)
    sum(weight * logprobs.sum() for weight, logprobs in zip(weights, expected, strict=True)).backward()

    batch = batch_of(pack(units, budget=budget, weights=weights))
    logprobs = label_logprobs(trie, batch, attention=attention)
    (batch.weight * logprobs).sum().backward()

    for index, one in enumerate(expected):
        torch.testing.assert_close(logprobs[batch.unit == index], one, atol=1e-5, rtol=0)
    scale = max(float(parameter.grad.abs().max()) for parameter in reference.parameters())
    for (name, theirs), ours in zip(reference.named_parameters(), trie.parameters(), strict=True):
        assert float((theirs.grad - ours.grad).abs().max()) < 1e-5 * scale, name


def test_log_probabilities_are_those_of_the_tempered_distribution() -> None:
    units, llama = list(countdown_units()[:4]), model()
    with torch.no_grad():
        for unit, logprobs in zip(units, packed(llama, units, budget=512, temperature=0.7), strict=True):
            ids = torch.tensor([[*unit.prompt, *unit.sampled]])
            tempered = (llama(input_ids=ids).logits[0, :-1] / 0.7).log_softmax(-1)
            expected = tempered.gather(1, ids[0, 1:, None])[len(unit.prompt) - 1 :, 0]
            torch.testing.assert_close(logprobs, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("share", [True, False])
def test_the_masks_of_all_attentions_say_the_same(share: bool) -> None:
    rows = pack(list(countdown_units()), budget=300, share=share)
    last = batch_of(rows).last
    dense = dense_mask(last)
    assert torch.equal(additive_mask(last, torch.float32) == 0, dense)
    assert dense.diagonal(dim1=-2, dim2=-1).all(), "a query that sees nothing has no softmax"
    blocks = block_mask(last)
    b, q, k = torch.meshgrid(*(torch.arange(size) for size in dense[:, 0].shape), indexing="ij")
    assert torch.equal(blocks.mask_mod(b, torch.zeros_like(b), q, k), dense[:, 0])


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning")
def test_flex_attention_with_the_block_mask_is_attention_with_the_dense_one() -> None:
    from torch.nn.attention.flex_attention import flex_attention

    last = batch_of(pack(list(countdown_units()), budget=300)).last
    torch.manual_seed(0)
    query, key, value = torch.randn(3, last.shape[0], 2, last.shape[1], 16)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=dense_mask(last))
    torch.testing.assert_close(flex_attention(query, key, value, block_mask=block_mask(last)), expected, atol=1e-5, rtol=0)
