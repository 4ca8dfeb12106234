"""Rows that a decoder samples on a tiny random model, together and alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

import pytest
import torch
import transformers
from hypothesis import strategies as st

from orchestra.engine import Request, Sampling
from orchestra.engine.decoder import Decoder

VOCABULARY = 29


@cache
def model(attention: str = "sdpa") -> Any:
    torch.manual_seed(3)
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=2048,
        initializer_range=0.5,  # wide enough that the likeliest token is not a matter of rounding
        attn_implementation=attention,
        **dict.fromkeys(["eos_token_id", "bos_token_id", "pad_token_id"]),
    )
    return transformers.LlamaForCausalLM(config).eval()


@dataclass(eq=False)
class Sequenced:
    """A row, and what it sampled."""

    request: Request
    num_tokens: int
    joins: int = 0
    """The step in which it joins."""
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    top_logprobs: list[list[float] | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.request.sampling.seed)

    def again(self) -> Sequenced:
        return Sequenced(self.request, self.num_tokens)


def row(num_prompt: int, num_tokens: int, joins: int = 0, **sampling: Any) -> Sequenced:
    prompt = [(5 * i * i + num_prompt + i) % VOCABULARY for i in range(num_prompt)]
    return Sequenced(Request(prompt=prompt, sampling=Sampling(max_tokens=num_tokens, **sampling)), num_tokens, joins)


def run(rows: Sequence[Sequenced], decoding: Decoder) -> None:
    step = 0
    while waiting := [row for row in rows if len(row.token_ids) < row.num_tokens]:
        if now := [row for row in waiting if row.joins <= step]:
            drawn = decoding.step(now)
            for index, one in enumerate(now):
                one.token_ids.append(drawn.tokens[index])
                one.logprobs.append(drawn.logprobs[index])
                one.top_logprobs.append(drawn.top_logprobs[index] if drawn.top_logprobs else None)
        step += 1


def assert_as_alone(rows: Sequence[Sequenced]) -> None:
    for together in rows:
        alone = together.again()
        run([alone], Decoder(model()))
        assert together.token_ids == alone.token_ids
        assert together.logprobs == pytest.approx(alone.logprobs, abs=1e-4)
        many = together.request.sampling.top_logprobs
        for found, expected in zip(together.top_logprobs, alone.top_logprobs, strict=True):
            assert (found is None) == (expected is None) == (many == 0)
            assert found is None or expected is None or found == pytest.approx(expected, abs=1e-4)
            assert found is None or len(found) == min(many, VOCABULARY)


some_rows = st.lists(
    st.builds(
        row,
        st.integers(1, 12) | st.sampled_from([126, 127, 128, 129, 200]),
        st.integers(1, 9),
        st.integers(0, 9),
        seed=st.integers(0, 99),
        temperature=st.sampled_from([0.0, 1.0, 2.0]),
        top_p=st.sampled_from([1.0, 1.0, 0.7]),
        top_logprobs=st.sampled_from([0, 0, 0, 3, 20]),
    ),
    min_size=1,
    max_size=12,
)
