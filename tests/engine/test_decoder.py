"""Whatever joins, leaves, grows or is filled up around a row: it samples what it would sample alone."""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.engine import Completion, Request, Sampling
from orchestra.engine.transformers import TransformersEngine

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from decoded_rows import Sequenced, assert_as_alone, model, row, run, some_rows

from orchestra.engine import decoder
from orchestra.engine.decoder import Decoder
from orchestra.engine.drawing import LogitsError
from orchestra.engine.key_values import KeyValues

pytestmark = pytest.mark.usefixtures("one_thread")


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
