import asyncio
import math
import os
import re
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestra.engine import Completion, Request, Sampling
from orchestra.engine.transformers import TransformersEngine
from orchestra.errors import ConfigError, EngineError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SIZES = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 640,
    "initializer_range": 0.3,  # wide enough that the likeliest token is not a matter of rounding
    **dict.fromkeys(["eos_token_id", "bos_token_id", "pad_token_id"]),
}


def save_model(folder: Path, kind: str = "Llama", **changes: Any) -> Path:
    torch.manual_seed(1)
    config = getattr(transformers, f"{kind}Config")(**(SIZES | changes))
    getattr(transformers, f"{kind}ForCausalLM")(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["Llama", "Qwen3"])
def any_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("llama"))


def prompt(num_tokens: int, salt: int = 0) -> list[int]:
    return [(7 * i * i + 3 * i + salt) % 97 for i in range(num_tokens)]


def greedy(num_prompt: int, max_tokens: int, **fields: Any) -> Request:
    return Request(prompt=prompt(num_prompt), sampling=Sampling(max_tokens=max_tokens), **fields)


def within(folder: Path, body: Callable[[TransformersEngine], Awaitable[Any]], **options: Any) -> Any:
    async def main() -> Any:
        async with TransformersEngine(folder, **options) as engine:
            result = await body(engine)
            assert await engine.running() == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    result = asyncio.run(main())
    assert not [thread for thread in threading.enumerate() if "TransformersEngine" in thread.name]
    return result


def complete(folder: Path, *requests: Request, **options: Any) -> list[Completion]:
    """All at the same time."""
    return within(folder, lambda engine: asyncio.gather(*map(engine.generate, requests)), **options)  # type: ignore[no-any-return]


def plain_logprobs(folder: Path, request: Request, token_ids: Sequence[int]) -> Any:
    """What transformers itself says, in one forward pass over prompt and completion."""
    ids = torch.tensor([[*request.prompt, *token_ids]])
    with torch.inference_mode():
        logits = transformers.AutoModelForCausalLM.from_pretrained(folder)(ids).logits[0, len(request.prompt) - 1 : -1]
    sampling = request.sampling
    if sampling.temperature > 0:
        logits = transformers.TemperatureLogitsWarper(sampling.temperature)(None, logits)
        logits = transformers.TopPLogitsWarper(sampling.top_p)(None, logits)
    return logits.log_softmax(-1)


def assert_equal(left: Completion, right: Completion) -> None:
    assert left.token_ids == right.token_ids
    assert left.logprobs == pytest.approx(right.logprobs, abs=1e-4)


def test_greedy_completions_equal_a_plain_forward_while_neighbours_join_and_leave(any_folder: Path) -> None:
    async def body(engine: TransformersEngine) -> list[tuple[Request, Completion]]:
        num_seen = 0
        third_token = asyncio.Event()

        def see(token_ids: Sequence[int]) -> None:
            nonlocal num_seen
            num_seen += len(token_ids)
            if num_seen >= 3:
                third_token.set()

        early = [greedy(40, 30, on_tokens=see), greedy(1, 5), greedy(9, 12)]
        late = [greedy(600, 20), greedy(17, 1), greedy(25, 40)]  # 600: more than one chunk of prefill
        running = [asyncio.create_task(engine.generate(request)) for request in early]
        await third_token.wait()
        completions = await asyncio.gather(*running, *map(engine.generate, late))
        return list(zip(early + late, completions, strict=True))

    for request, completion in within(any_folder, body):
        expected = plain_logprobs(any_folder, request, completion.token_ids)
        assert completion.token_ids == expected.argmax(-1).tolist()
        assert completion.logprobs == pytest.approx(expected.max(-1).values.tolist(), abs=1e-4)
        assert (completion.finish, completion.stop_token) == ("length", None)


@pytest.mark.parametrize("top_p", [1.0, 0.7])
def test_logprobs_are_those_of_the_distribution_after_temperature_and_top_p(folder: Path, top_p: float) -> None:
    request = Request(prompt=prompt(10), sampling=Sampling(max_tokens=50, temperature=3.0, top_p=top_p, seed=5))
    [completion] = complete(folder, request)
    expected = plain_logprobs(folder, request, completion.token_ids)
    assert completion.token_ids != expected.argmax(-1).tolist()
    of_sampled = expected.gather(-1, torch.tensor(completion.token_ids)[:, None])[:, 0].tolist()
    assert completion.logprobs == pytest.approx(of_sampled, abs=1e-4)


def test_tokens_are_drawn_as_often_as_their_probability_says(folder: Path) -> None:
    samplings = [Sampling(max_tokens=1, temperature=4.0, top_p=0.9, seed=seed) for seed in range(400)]
    draws = [Request(prompt=prompt(3), sampling=sampling) for sampling in samplings]
    tokens = [completion.token_ids[0] for completion in complete(folder, *draws)]
    [probabilities] = plain_logprobs(folder, draws[0], [0]).exp().tolist()
    for token, probability in enumerate(probabilities):
        four_sigma = 4 * math.sqrt(probability * (1 - probability) / len(draws))
        assert tokens.count(token) / len(draws) == pytest.approx(probability, abs=four_sigma)


def test_seeded_request_samples_the_same_alone_and_among_others(folder: Path) -> None:
    seeded = [Request(prompt=prompt(n), sampling=Sampling(max_tokens=2 * n, temperature=2.0, seed=n)) for n in (3, 8, 20)]
    for request, among_others in zip(seeded, complete(folder, *seeded, greedy(30, 15)), strict=False):
        [alone] = complete(folder, request)
        assert_equal(among_others, alone)


def test_end_token_of_the_model_stops_a_request_that_did_not_name_it(folder: Path, tmp_path: Path) -> None:
    [free] = complete(folder, greedy(12, 20))
    end = free.token_ids[6]
    [stopped] = complete(save_model(tmp_path, eos_token_id=[end, 96]), greedy(12, 20))
    assert stopped.token_ids == free.token_ids[: free.token_ids.index(end) + 1]
    assert (stopped.finish, stopped.stop_token) == ("stop", end)


def test_request_cancelled_by_its_neighbour_hands_over_its_tokens_and_leaves_the_neighbour_alone(folder: Path) -> None:
    async def body(engine: TransformersEngine) -> Completion:
        seen: list[int] = []
        aborted: list[Completion] = []

        def prune(_: Sequence[int]) -> None:
            if len(seen) >= 5:
                pruned.cancel()  # in the very moment in which it has a token of its own to look at

        neighbour = asyncio.create_task(engine.generate(greedy(6, 60, on_tokens=prune)))
        pruned = asyncio.create_task(engine.generate(greedy(12, 500, on_tokens=seen.extend, on_abort=aborted.append)))
        await asyncio.wait([pruned])
        assert pruned.cancelled()
        assert await engine.running() == 1
        [completion] = aborted
        assert (completion.finish, completion.token_ids) == ("abort", seen)
        assert_equal(completion, await engine.generate(greedy(12, len(seen))))
        return await neighbour

    [alone] = complete(folder, greedy(6, 60))
    assert_equal(within(folder, body), alone)


def test_requests_beyond_the_batch_wait_their_turn(folder: Path) -> None:
    order: list[int] = []

    async def body(engine: TransformersEngine) -> None:
        async def one(max_tokens: int) -> None:
            await engine.generate(greedy(4, max_tokens))
            order.append(max_tokens)

        async with asyncio.TaskGroup() as group:
            for max_tokens in (30, 20, 1):
                group.create_task(one(max_tokens))
            await asyncio.sleep(0)
            assert await engine.running() == 3

    within(folder, body, max_batch=1)
    assert order == [30, 20, 1]


def test_request_cancelled_while_it_waits_has_sampled_nothing(folder: Path) -> None:
    async def body(engine: TransformersEngine) -> None:
        aborted: list[Completion] = []
        first = asyncio.create_task(engine.generate(greedy(4, 30)))
        second = asyncio.create_task(engine.generate(greedy(4, 30, on_abort=aborted.append)))
        await asyncio.sleep(0)
        second.cancel()
        await first
        assert [completion.token_ids for completion in aborted] == [[]]

    within(folder, body, max_batch=1)


def test_leaving_the_engine_ends_its_requests_with_an_error_and_their_tokens(folder: Path) -> None:
    aborted: list[Completion] = []

    async def main() -> BaseException | None:
        started = asyncio.Event()
        async with TransformersEngine(folder) as engine:
            request = greedy(4, 600, on_tokens=lambda _: started.set(), on_abort=aborted.append)
            running = asyncio.create_task(engine.generate(request))
            await started.wait()
        await asyncio.wait([running])
        return running.exception()

    error = asyncio.run(main())
    assert isinstance(error, EngineError)
    assert aborted[0].token_ids
    assert not [thread for thread in threading.enumerate() if "TransformersEngine" in thread.name]


def test_failing_model_fails_its_batch_and_the_engine_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestra.engine.decoder import Decoder

    def out_of_memory(decoder: Decoder, rows: object) -> None:
        raise torch.OutOfMemoryError("out of memory")

    async def body(engine: TransformersEngine) -> Completion:
        with monkeypatch.context() as patch:
            patch.setattr(Decoder, "step", out_of_memory)
            with pytest.raises(EngineError, match="the model failed with 1 requests in the batch: out of memory"):
                await engine.generate(greedy(4, 10))
        return await engine.generate(greedy(4, 10))

    assert len(within(folder, body).token_ids) == 10


@pytest.mark.parametrize("sampling", [Sampling(max_tokens=9), Sampling(max_tokens=9, temperature=1.0, top_p=0.9)])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_logits_that_are_no_numbers_are_an_error_and_never_a_token(
    folder: Path, monkeypatch: pytest.MonkeyPatch, sampling: Sampling, value: float
) -> None:
    from orchestra.engine.decoder import Decoder
    from orchestra.engine.drawing import LogitsError

    async def body(engine: TransformersEngine) -> Completion:
        with monkeypatch.context() as patch:
            patch.setattr(Decoder, "_forward", lambda *_: torch.full((1, 97), value))
            with pytest.raises(
                EngineError, match="the model failed with 1 requests in the batch: its logits are no numbers"
            ) as caught:
                await engine.generate(Request(prompt=prompt(4), sampling=sampling))
            assert isinstance(caught.value.__cause__, LogitsError)
        return await engine.generate(greedy(4, 10))

    assert len(within(folder, body).token_ids) == 10


def test_weights_that_are_no_numbers_do_not_start_and_name_the_model(tmp_path: Path) -> None:
    model = transformers.LlamaForCausalLM.from_pretrained(save_model(tmp_path))
    model.model.norm.weight.data.fill_(math.nan)
    model.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=rf"the model of {re.escape(str(tmp_path))} does not decode: its logits are no numbers"):
        complete(tmp_path, greedy(4, 10))


def test_callback_that_raises_ends_only_its_own_request(folder: Path) -> None:
    def broken(_: Sequence[int]) -> None:
        raise LookupError("in the callback")

    async def body(engine: TransformersEngine) -> Any:
        requests = greedy(4, 10, on_tokens=broken), greedy(4, 10)
        return await asyncio.gather(*map(engine.generate, requests), return_exceptions=True)

    error, completion = within(folder, body)
    assert isinstance(error, LookupError)
    assert len(completion.token_ids) == 10


def test_prompt_of_another_vocabulary_is_refused(folder: Path) -> None:
    with pytest.raises(EngineError, match="token ids from 1 to 97, but the model has 97"):
        complete(folder, Request(prompt=[1, 97], sampling=Sampling(max_tokens=1)))


def test_engine_that_is_not_running_says_how_to_start_it(folder: Path) -> None:
    with pytest.raises(ConfigError, match="async with"):
        asyncio.run(TransformersEngine(folder).generate(greedy(1, 1)))


def ask_for_another_layer(folder: Path) -> None:
    config = transformers.AutoConfig.from_pretrained(folder)
    config.num_hidden_layers += 1
    config.save_pretrained(folder)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda folder: (folder / "config.json").unlink(), id="no config"),
        pytest.param(lambda folder: (folder / "model.safetensors").unlink(), id="no weights"),
        pytest.param(lambda folder: os.truncate(folder / "model.safetensors", 5000), id="truncated weights"),
        pytest.param(ask_for_another_layer, id="a layer without weights"),
    ],
)
def test_incomplete_model_folder_is_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    damage(save_model(tmp_path))
    with pytest.raises(ConfigError, match=str(tmp_path)):
        complete(tmp_path, greedy(1, 1))


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("Mistral", {"sliding_window": 16}, "not only full attention: run this model with vLLM"),
        ("OPT", {"ffn_dim": 48, "word_embed_proj_dim": 32}, "OPTForCausalLM does not decode in batches"),
    ],
)
def test_model_that_the_decoder_does_not_fit_is_refused(tmp_path: Path, kind: str, changes: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        complete(save_model(tmp_path, kind, **changes), greedy(1, 1))


def test_missing_package_names_the_command_that_installs_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"pip install 'orchestra\[transformers\]'"):
        complete(folder, greedy(1, 1))
