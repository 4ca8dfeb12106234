"""On a GPU: what is replayed is what would be computed, with the weights of the moment."""

from __future__ import annotations

import copy
import logging
from random import Random
from typing import Any

import pytest

from orchestra.engine import Request, Sampling

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="graphs are recorded on a GPU")]

from orchestra.engine.cuda_graphs import CudaGraphs
from orchestra.engine.decoder import Decoder

VOCABULARY = 61


class Sequenced:
    def __init__(self, number: int, **sampling: Any) -> None:
        prompt = [(7 * number + 3 * place) % VOCABULARY for place in range(1 + 11 * number % 150)]
        self.request = Request(prompt=prompt, sampling=Sampling(max_tokens=99, **sampling))
        self.random = Random(number)


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=128,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        **dict.fromkeys(["eos_token_id", "bos_token_id", "pad_token_id"]),
    )
    return transformers.LlamaForCausalLM(config).eval().to("cuda", getattr(torch, request.param))


def sampled(decoding: Decoder, rows: list[Sequenced], steps: int) -> list[tuple[list[int], list[float]]]:
    """Half of the rows join later, and every third leaves early."""
    found = []
    for step in range(steps):
        now = [row for index, row in enumerate(rows) if (index % 2 == 0 or step > 2) and (index % 3 or step < 5)]
        drawn = decoding.step(now)
        found.append((drawn.tokens, drawn.logprobs))
    return found


def rows(**sampling: Any) -> list[Sequenced]:
    return [Sequenced(number, **sampling) for number in range(40)]


@pytest.mark.parametrize(
    "sampling", [{"temperature": 0.0}, {"temperature": 1.0}, {"temperature": 1.0, "top_p": 0.9, "top_logprobs": 3}]
)
def test_graphs_sample_what_their_work_does(model: Any, sampling: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    plain = Decoder(model)
    plain._graphs = None
    decoding = Decoder(model)
    with caplog.at_level(logging.WARNING):
        replayed = [sampled(decoding, rows(**sampling), 30) for _ in range(2)]
    assert not caplog.records
    assert decoding._graphs is not None and decoding._graphs._graphs
    expected = sampled(plain, rows(**sampling), 30)
    for found in replayed:
        for (tokens, logprobs), (plain_tokens, plain_logprobs) in zip(found, expected, strict=True):
            assert tokens == plain_tokens
            assert logprobs == pytest.approx(plain_logprobs, abs=1e-3)


def test_one_row_alone_samples_what_it_does_on_the_processor(model: Any) -> None:
    if model.dtype != torch.float32:
        pytest.skip("16 bits round otherwise there")
    many = sampled(Decoder(model), rows(), 4)[0]
    alone = sampled(Decoder(copy.deepcopy(model).cpu()), rows(), 4)[0]
    assert many[0] == alone[0]
    assert many[1] == pytest.approx(alone[1], abs=1e-3)


def test_weights_that_change_in_place_are_those_that_are_replayed(model: Any) -> None:
    changing = copy.deepcopy(model)
    decoding = Decoder(changing)
    before = sampled(decoding, rows(), 4)
    with torch.no_grad():
        changing.lm_head.weight.mul_(-1)
    changed = sampled(decoding, rows(), 4)
    assert changed != before
    assert [tokens for tokens, _ in changed] == [tokens for tokens, _ in sampled(Decoder(changing), rows(), 4)]


def test_work_that_waits_for_the_gpu_cannot_be_recorded_and_is_done_each_time(caplog: pytest.LogCaptureFixture) -> None:
    graphs = CudaGraphs(torch.device("cuda", 0))
    number = torch.zeros((), device="cuda")

    def work() -> Any:
        return torch.full((2,), float(number) + 1, device="cuda")  # reads a value

    with caplog.at_level(logging.WARNING):
        assert [graphs.run("key", work).tolist() for _ in range(3)] == [[1.0, 1.0]] * 3
    assert len(caplog.records) == 1
