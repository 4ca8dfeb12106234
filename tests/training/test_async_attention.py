"""Tree attention for TRL's packed rows: each token sees its own context and nothing else."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
transformers = pytest.importorskip("transformers", reason="training needs transformers")

from orchestra.training.async_grpo.attention import tree_attention, tree_mask

from orchestra.errors import ConfigError

VOCABULARY = 40


@pytest.fixture(scope="module")
def packing() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are importing from 'trl.experimental'")
        warnings.filterwarnings("ignore", "TRL currently supports vLLM")
        return pytest.importorskip("trl.experimental.async_grpo.packing", reason="its rows are TRL's")


def test_a_mask_shows_each_segment_its_path_and_no_sibling() -> None:
    # A root of two tokens with two children of one and two tokens.
    path = torch.tensor([0, 1, 0, 1, 2, 0, 1, 3, 4])
    mask = tree_mask(path, torch.tensor([0, 2, 3, 5]), torch.tensor([0, 2, 5, 9]), tokens=5)
    assert mask.int().tolist() == [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 0, 1, 0], [1, 1, 0, 1, 1]]


def samples(seed: int) -> list[dict[str, Any]]:
    """Rollouts of two groups: parents, children that continue them, and rows that share nothing."""
    draw = np.random.default_rng(seed)

    def tokens(most: int) -> list[int]:
        return [int(token) for token in draw.integers(0, VOCABULARY, int(draw.integers(1, most)))]

    found = []
    for group in range(2):
        prompt = tokens(6)
        for _ in range(3):
            parent = tokens(9)
            units = [(prompt, parent), (prompt + parent, tokens(5)), (prompt + parent[:2], tokens(7)), (tokens(4), tokens(4))]
            found += [
                {
                    "input_ids": np.array(before + sampled),
                    "completion_mask": np.array([0] * len(before) + [1] * len(sampled)),
                    "old_log_probs": np.zeros(len(before) + len(sampled), dtype=np.float32),
                    "advantage": 1.0,
                    "group_id": group,
                }
                for before, sampled in units
            ]
    return found


def model(attention: str, heads: int) -> Any:
    torch.manual_seed(1)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY, num_key_value_heads=heads, attn_implementation=attention, tie_word_embeddings=False, **sizes
    )
    return transformers.LlamaForCausalLM(config).eval()


@pytest.mark.parametrize(("heads", "seed"), [(4, 0), (2, 1), (1, 2)])
def test_log_probabilities_and_gradients_of_a_packed_row_are_those_of_plain_sequences(packing: Any, heads: int, seed: int) -> None:
    transformers.AttentionInterface.register("tree_test", tree_attention)
    transformers.masking_utils.AttentionMaskInterface.register("tree_test", lambda **_: None)
    found, row = samples(seed), packing.TreeRow()
    for sample in found:
        row.add(sample)
    packed, weights = row.pack(), torch.linspace(-1, 1, sum(int(sample["completion_mask"].sum()) for sample in found))
    assert len(packed["input_ids"]) < sum(len(sample["input_ids"]) for sample in found)

    tree = model("tree_test", heads)
    names = ("tree_kv_index", "tree_cu_seqlens_q", "tree_cu_seqlens_k")
    longest = dict(zip(("tree_max_seqlen_q", "tree_max_seqlen_k"), packed["tree_max_seqlens"].tolist(), strict=True))
    logits = tree(
        input_ids=packed["input_ids"][None],
        position_ids=packed["position_ids"][None],
        **{name: packed[name] for name in names},
        **longest,
    ).logits[0]
    index = packed["token_index"]
    together = logits.log_softmax(-1)[index, packed["shift_labels"][index]]
    (together * weights).sum().backward()

    plain, alone = model("sdpa", heads), []
    for sample in found:
        ids = torch.tensor(sample["input_ids"])[None]
        logprobs = plain(input_ids=ids).logits[0].log_softmax(-1)
        alone += [logprobs[p - 1, ids[0, p]] for p in range(1, ids.shape[1]) if sample["completion_mask"][p]]
    (torch.stack(alone) * weights).sum().backward()

    assert (together - torch.stack(alone)).abs().max() < 1e-5
    for one, other in zip(tree.parameters(), plain.parameters(), strict=True):
        assert (one.grad - other.grad).abs().max() < 1e-5


def test_layers_that_do_not_see_everything_are_refused() -> None:
    vectors = torch.zeros(1, 1, 1, 4)
    tree = {
        "tree_kv_index": torch.tensor([0]),
        "tree_cu_seqlens_q": torch.tensor([0, 1]),
        "tree_cu_seqlens_k": torch.tensor([0, 1]),
    }
    with pytest.raises(ConfigError, match="sliding window"):
        tree_attention(
            torch.nn.Identity(), vectors, vectors, vectors, None, **tree, tree_max_seqlen_q=1, tree_max_seqlen_k=1, sliding_window=4
        )
