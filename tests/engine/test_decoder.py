"""Whatever joins, leaves, grows or is filled up around a row: it samples what it would sample alone."""

from __future__ import annotations

import asyncio
import copy
import logging
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.engine import Completion, Request, Sampling
from orchestra.engine.transformers import TransformersEngine

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from orchestra.engine import attention, decoder
from orchestra.engine.cuda_graphs import CudaGraphs
from orchestra.engine.decoder import Decoder
from orchestra.engine.drawing import How, LogitsError
from orchestra.engine.key_values import KeyValues

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


@settings(max_examples=25, deadline=None)
@given(some_rows, st.booleans())
def test_a_row_samples_the_same_whoever_joins_and_leaves_beside_it(rows: list[Sequenced], static: bool) -> None:
    run(rows, Decoder(model(), static=static))
    assert_as_alone(rows)


@pytest.mark.parametrize("static", [False, True])
def test_long_prompts_of_different_lengths_go_through_in_chunks(monkeypatch: pytest.MonkeyPatch, static: bool) -> None:
    monkeypatch.setattr(decoder, "PREFILL_CHUNK", 16)
    rows = [row(length, 4, seed=length) for length in (1, 2, 16, 17, 18, 33, 40, 49, 63)]
    run(rows, Decoder(model(), static=static))
    monkeypatch.undo()
    assert_as_alone(rows)


@pytest.mark.parametrize("static", [False, True])
def test_buffers_that_grow_in_mid_text_keep_the_rows_in_them(static: bool) -> None:
    rows = [row(120, 150, seed=1, temperature=1.0), *(row(3, 4, joins, seed=joins) for joins in range(0, 100, 9))]
    rows += [row(2, 3, joins=20, seed=number) for number in range(20)]
    run(rows, Decoder(model(), static=static))
    assert_as_alone(rows)


def test_rows_come_back_in_the_order_they_were_asked_for() -> None:
    rows = [row(length, 6, seed=length) for length in (3, 5, 7, 9)]
    decoding = Decoder(model())
    for asked in (rows, rows[::-1], [rows[2], rows[0]], [rows[0], rows[2]]):
        for one, token in zip(asked, decoding.step(asked).tokens, strict=True):
            one.token_ids.append(token)
    for one in rows:
        alone = one.again()
        run([alone], Decoder(model()))
        assert one.token_ids == alone.token_ids[: len(one.token_ids)]


@pytest.mark.parametrize("static", [False, True])
def test_eager_attention_samples_what_sdpa_does(static: bool) -> None:
    rows = [row(length, 5, seed=length, temperature=1.0) for length in (1, 7, 30)]
    run(rows, Decoder(model("eager"), static=static))
    assert_as_alone(rows)


@pytest.mark.parametrize("static", [False, True])
def test_a_model_in_16_bits_gives_its_tokens_their_logprobs(static: bool) -> None:
    rounded = copy.deepcopy(model()).to(torch.bfloat16)
    rows = [row(length, 8, seed=length, temperature=1.0) for length in (1, 7, 130)]
    run(rows, Decoder(rounded, static=static))
    for one in rows:
        ids = torch.tensor([[*one.request.prompt, *one.token_ids]])
        with torch.inference_mode():
            expected = rounded(ids).logits[0, len(one.request.prompt) - 1 : -1].float().log_softmax(-1)
        of_sampled = expected.gather(-1, torch.tensor(one.token_ids)[:, None])[:, 0].tolist()
        assert one.logprobs == pytest.approx(of_sampled, abs=0.15)


def test_after_memory_has_run_out_new_rows_start_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    decoding = Decoder(model())
    failing, later = [row(5, 9, seed=1), row(9, 9, seed=2)], [row(4, 9, seed=3), row(200, 9, seed=4)]
    decoding.step(failing)

    def out_of_memory(*_: Any) -> None:
        raise torch.OutOfMemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(KeyValues, "_empty", out_of_memory)
        with pytest.raises(torch.OutOfMemoryError):
            decoding.step([*failing, *(one.again() for one in later)])
    run(later, decoding)
    assert_as_alone(later)


@pytest.mark.parametrize("static", [False, True])
def test_what_damaged_weights_left_behind_does_not_reach_later_rows(static: bool) -> None:
    healing = copy.deepcopy(model())
    weight = healing.model.layers[0].self_attn.v_proj.weight.data
    whole = weight.clone()
    decoding = Decoder(healing, static=static)
    weight.fill_(math.nan)
    with pytest.raises(LogitsError, match="no numbers in 2 of 2 rows"):
        decoding.step([row(90, 9), row(3, 9)])
    weight.copy_(whole)
    rows = [row(4, 9, seed=3), row(8, 9, seed=4)]
    run(rows, decoding)
    assert_as_alone(rows)


class Recorded(CudaGraphs):
    """Graphs that are no graphs: replaying one runs its work, once it has been made sure that no memory moved under it."""

    def __init__(self, decoding: Decoder) -> None:
        super().__init__(torch.device("cpu"))
        self.decoding = decoding
        self.recorded: dict[Hashable, tuple[list[int], Callable[[], Any]]] = {}
        self.num_replayed = 0

    def memory(self) -> list[int]:
        cache = self.decoding._cache._layers.values()
        return [
            self.decoding._inputs.data_ptr(),
            self.decoding._prompts.data_ptr(),
            *(buffer.data_ptr() for pair in cache for buffer in pair),
        ]

    def run(self, key: Hashable, work: Callable[[], Any]) -> Any:
        if key not in self.recorded:
            work()
            self.recorded[key] = self.memory(), work
        memory, recorded = self.recorded[key]
        assert memory == self.memory()
        self.num_replayed += 1
        return recorded()

    def forget(self) -> None:
        self.recorded.clear()


@settings(max_examples=20, deadline=None)
@given(some_rows)
def test_graphs_are_those_of_the_buffers_there_are(rows: list[Sequenced]) -> None:
    decoding = Decoder(model(), static=True)
    decoding._graphs = graphs = Recorded(decoding)
    run(rows, decoding)
    assert graphs.num_replayed
    assert_as_alone(rows)


def test_work_that_cannot_be_recorded_is_done_each_time_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(torch.cuda, "device", lambda _: torch.inference_mode())
    monkeypatch.setattr(CudaGraphs, "_on_the_side", lambda _, work: work())
    monkeypatch.setattr(CudaGraphs, "_recorded", refuse)
    rows = [row(length, 5, seed=length) for length in (1, 7, 130)]
    decoding = Decoder(model(), static=True)
    decoding._graphs = CudaGraphs(torch.device("cpu"))
    with caplog.at_level(logging.WARNING):
        run(rows, decoding)
    assert_as_alone(rows)
    assert [record.message for record in caplog.records] == [
        "decoding goes on without CUDA graphs, several times slower for a small model: operation not permitted when stream is capturing"
    ]


def test_one_query_a_row_takes_products_of_matrices_and_gives_what_sdpa_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []

    def counted(*args: Any, **kwargs: Any) -> Any:
        called.append(args)
        return original(*args, **kwargs)

    original = attention.one_query
    monkeypatch.setattr(attention, "one_query", counted)
    rows = [row(length, 5, seed=length, temperature=1.0) for length in (1, 7, 130)]
    with attention._OneQuery():
        run(rows, Decoder(model(), static=True))
    assert len(called) == 2 * 5  # in both layers of five steps, and not when prompts are read
    assert_as_alone(rows)


class OnTheDevice(TorchDispatchMode):
    """Refuses operations on anything but tensors of the device, and their values."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, result)):
            assert not isinstance(leaf, torch.Tensor) or leaf.device.type == "meta", func
        return result


@pytest.mark.parametrize("how", [How(), How(nucleus=True, top=5)])
def test_what_is_recorded_reads_no_value_and_nothing_that_lies_elsewhere(how: How) -> None:
    decoding = Decoder(copy.deepcopy(model()).to("meta"), static=True)  # tensors without values: whatever asks for one fails
    decoding._inputs = torch.zeros(8, 6, dtype=torch.float64, device="meta")
    decoding._how = how
    decoding._cache.reserve(8, 128)
    with torch.inference_mode(), OnTheDevice(), attention._OneQuery():
        assert decoding._read(4, 32).shape == (4, VOCABULARY)
        assert decoding._pass(8, 128).shape == (8, 3 + how.top)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(1, 4))
def test_cancelled_in_any_step_a_request_hands_over_what_it_sampled_and_its_neighbours_go_on(
    cancelled_after: list[int], max_batch: int
) -> None:
    async def main() -> tuple[list[Completion], list[Completion]]:
        aborted: list[Completion] = []
        async with TransformersEngine.of(model(), max_batch=max_batch) as engine:

            def cancelled(index: int, after: int) -> asyncio.Task[Completion]:
                seen: list[int] = []

                def see(token_ids: Sequence[int]) -> None:
                    seen.extend(token_ids)
                    if len(seen) >= after:
                        task.cancel()

                sampling = Sampling(max_tokens=20, temperature=1.0, seed=index)
                request = Request(prompt=[1 + index], sampling=sampling, on_tokens=see, on_abort=aborted.append)
                task = asyncio.create_task(engine.generate(request))
                return task

            tasks = [cancelled(index, after) for index, after in enumerate(cancelled_after)]
            whole = [Request(prompt=[20, seed], sampling=Sampling(max_tokens=15, temperature=1.0, seed=seed)) for seed in range(3)]
            completions = await asyncio.gather(*map(engine.generate, whole))
            await asyncio.wait(tasks)
            assert await engine.running() == 0
            return completions, aborted

    completions, aborted = asyncio.run(main())
    assert sorted(len(completion.token_ids) for completion in aborted) == sorted(cancelled_after)
    for seed, completion in enumerate(completions):
        alone = Sequenced(Request(prompt=[20, seed], sampling=Sampling(max_tokens=15, temperature=1.0, seed=seed)), 15)
        run([alone], Decoder(model()))
        assert completion.token_ids == alone.token_ids


def test_as_many_rows_as_half_of_the_free_memory_holds() -> None:
    cache = KeyValues()
    cache.reserve(1, 1)
    cache.aim(slice(0, 1), torch.zeros(1, 1, dtype=torch.long), 1)
    for layer in range(2):
        cache.update(torch.zeros(1, 4, 1, 16), torch.zeros(1, 4, 1, 16), layer)
    assert cache.bytes_a_token == 2 * 2 * 4 * 16 * 4
    assert cache.rows_within(2 * 100 * 1536 * cache.bytes_a_token, 1024) == 100
    assert cache.rows_within(0, 1024) == 1
