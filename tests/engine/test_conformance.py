"""What every engine promises, checked on all of them: on the same tiny model, or on a script."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from tiny_model import CONTEXT, END, VOCABULARY, TinyModel

from orchestra.engine.base import Completion, Constraint, Engine, Request, Sampling
from orchestra.engine.scores import Scores
from orchestra.errors import ConfigError, EngineError

pytestmark = pytest.mark.anyio

LEAVE_S = 1.0
"""Within this time after a cancellation the engine holds the request no more."""
NEAR = 1e-3
"""Log-probabilities that are nearer to each other than this are equal: rounding decides between them."""


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> Random:
    """Different prompts in each test, so that no test finds another's prefix in the cache."""
    return Random(request.node.name)


def prompt(rng: Random, num_tokens: int = 20) -> list[int]:
    return [rng.randrange(2, VOCABULARY) for _ in range(num_tokens)]


def greedy(prompt: Sequence[int], max_tokens: int, *stop: int, **callbacks: Any) -> Request:
    return Request(prompt=prompt, sampling=Sampling(max_tokens=max_tokens, stop_token_ids=stop), **callbacks)


async def cancelled(task: asyncio.Task[Completion]) -> bool:
    task.cancel()
    await asyncio.wait([task])
    return task.cancelled()


async def has_left(engine: Engine) -> bool:
    # A server's count is only to be had by asking again.
    async with asyncio.timeout(LEAVE_S):
        while await engine.running():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return True


def scored(engine: Engine, top: int = 5, **more: Any) -> Sampling:
    """With scores where the engine has them."""
    return Sampling(**{"max_tokens": 400, **more}, top_logprobs=min(top, engine.capabilities.top_logprobs))


def assert_same(scores: Scores | None, others: Scores | None) -> None:
    assert scores is not None and others is not None
    assert (scores.top, len(scores)) == (others.top, len(others))
    for name in ("confidence", "entropy", "mass"):
        assert list(getattr(scores, name)) == pytest.approx(list(getattr(others, name)), abs=10 * NEAR)


def assert_near(logprobs: list[float] | None, others: list[float] | None) -> None:
    assert (logprobs is None) == (others is None)
    assert logprobs is None or logprobs == pytest.approx(others, abs=NEAR)


def assert_greedy(tiny: TinyModel, request: Request, completion: Completion) -> None:
    logprobs = tiny.logits(request.prompt, completion.token_ids).log_softmax(-1)
    chosen = logprobs[range(len(completion.token_ids)), completion.token_ids]
    assert (chosen >= logprobs.max(-1).values - NEAR).all()
    if completion.logprobs is not None:
        assert completion.logprobs == pytest.approx(chosen.tolist(), abs=NEAR)


async def test_greedy_tokens_are_the_models_most_likely_ones(model_engine: Engine, tiny: TinyModel, rng: Random) -> None:
    request = greedy(prompt(rng), 100)
    completion = await model_engine.generate(request)
    assert (completion.logprobs is not None) == model_engine.capabilities.logprobs
    assert_greedy(tiny, request, completion)


async def test_logprobs_are_those_of_the_distribution_drawn_from(exact_engine: Engine, tiny: TinyModel, rng: Random) -> None:
    sampling = Sampling(max_tokens=60, temperature=1.7, top_p=0.9, seed=1)
    request = Request(prompt=prompt(rng), sampling=sampling)
    completion = await exact_engine.generate(request)
    probabilities = (tiny.logits(request.prompt, completion.token_ids) / sampling.temperature).softmax(-1)
    likeliest, order = probabilities.sort(descending=True)
    in_top_p = likeliest.cumsum(-1) - likeliest < sampling.top_p
    kept = probabilities.new_zeros(probabilities.shape).scatter(-1, order, likeliest * in_top_p)
    drawn = (kept / kept.sum(-1, keepdim=True))[range(len(completion.token_ids)), completion.token_ids]
    assert completion.logprobs == pytest.approx(drawn.log().tolist(), abs=2 * NEAR)


@pytest.mark.parametrize(("temperature", "top_p"), [(0.0, 1.0), (1.0, 1.0), (1.7, 0.9), (0.5, 0.3)])
async def test_scores_are_those_of_the_likeliest_tokens_of_the_distribution_drawn_from(
    exact_engine: Engine, tiny: TinyModel, rng: Random, temperature: float, top_p: float
) -> None:
    sampling = scored(exact_engine, top=5, max_tokens=60, temperature=temperature, top_p=top_p, seed=1)
    request = Request(prompt=prompt(rng), sampling=sampling)
    completion = await exact_engine.generate(request)
    probabilities = (tiny.logits(request.prompt, completion.token_ids) / (temperature or 1.0)).softmax(-1)
    likeliest = probabilities.sort(descending=True).values
    kept = likeliest * (likeliest.cumsum(-1) - likeliest < top_p)
    expected = Scores(sampling.top_logprobs)
    for row in (kept / kept.sum(-1, keepdim=True))[:, :5].log().tolist():
        expected.add(row)
    assert_same(completion.scores, expected)
    assert completion.logprobs is not None


async def test_neighbours_that_ask_for_other_scores_or_none_each_get_what_they_asked_for(exact_engine: Engine, rng: Random) -> None:
    start = prompt(rng)
    asked = [(0, True), (1, True), (20, True), (0, False), (7, False)]
    requests = [
        Request(prompt=start, sampling=Sampling(max_tokens=30, top_logprobs=top, logprobs=logprobs)) for top, logprobs in asked
    ]
    completions = await asyncio.gather(*map(exact_engine.generate, requests))
    assert [completion.scores and completion.scores.top for completion in completions] == [None, 1, 20, None, 7]
    for completion, (_, logprobs) in zip(completions, asked, strict=True):
        if logprobs:
            assert_near(completion.logprobs, completions[0].logprobs)
    _, one, twenty, _, _ = (completion.scores for completion in completions)
    assert one and twenty
    assert all(few < many for few, many in zip(one.mass, twenty.mass, strict=True))


async def test_scores_come_one_a_token_or_are_refused(engine: Engine, rng: Random) -> None:
    request = Request(prompt=prompt(rng), sampling=Sampling(max_tokens=9, top_logprobs=3))
    if engine.capabilities.top_logprobs:
        completion = await engine.generate(request)
        assert completion.scores and len(completion.scores) == 9
        assert (await engine.generate(greedy(prompt(rng), 9))).scores is None
    else:
        with pytest.raises(ConfigError, match="`top_logprobs` is 3: use `HttpEngine`"):
            await engine.generate(request)
    assert await has_left(engine)


async def test_a_seed_makes_sampling_reproducible(model_engine: Engine, rng: Random) -> None:
    start = prompt(rng)

    async def sample(seed: int) -> list[int]:
        sampling = Sampling(max_tokens=30, temperature=1.0, top_p=0.95, seed=seed)
        return (await model_engine.generate(Request(prompt=start, sampling=sampling))).token_ids

    first = await sample(1)
    assert await sample(1) == first
    assert await sample(2) != first


async def test_a_stop_token_ends_the_completion_and_stays_its_last(engine: Engine, rng: Random) -> None:
    start = prompt(rng)
    free = await engine.generate(greedy(start, 30))
    # As text, "t5" would also stop at "t57".
    written = [f"t{token}" for token in free.token_ids]
    stop = next(token for i, token in enumerate(free.token_ids) if i >= 2 and written[i] not in "".join(written[:i]))
    other = next(token for token in range(10, VOCABULARY) if token not in free.token_ids)
    stopped = await engine.generate(greedy(start, 30, stop, other))
    assert stopped.token_ids == free.token_ids[: free.token_ids.index(stop) + 1]
    assert (stopped.finish, stopped.stop_token) == ("stop", stop)


async def test_a_stop_token_that_comes_first_is_the_whole_completion(engine: Engine, rng: Random) -> None:
    start = prompt(rng)
    (first,) = (await engine.generate(greedy(start, 1))).token_ids
    stopped = await engine.generate(greedy(start, 30, first))
    assert (stopped.token_ids, stopped.finish, stopped.stop_token) == ([first], "stop", first)


async def test_the_models_end_token_ends_the_completion(exact_engine: Engine, rng: Random) -> None:
    # At this temperature about one token in a hundred is it.
    sampling = Sampling(max_tokens=400, temperature=2.0)
    completions = await asyncio.gather(*(exact_engine.generate(Request(prompt=prompt(rng), sampling=sampling)) for _ in range(8)))
    ended = [completion for completion in completions if completion.finish == "stop"]
    assert ended
    assert all(completion.stop_token == END == completion.token_ids[-1] for completion in ended)
    assert all(END not in completion.token_ids[:-1] for completion in completions)


async def test_a_constraint_is_kept_to_or_refused_with_the_name_of_an_engine_that_could(engine: Engine, rng: Random) -> None:
    request = Request(prompt=prompt(rng), sampling=Sampling(max_tokens=5, constraint=Constraint(regex="t(21|22)")))
    if engine.capabilities.constraints:
        completion = await engine.generate(request)
        assert completion.token_ids in ([21, END], [22, END])
        assert completion.finish == "stop"
    else:
        with pytest.raises(ConfigError, match=r"`VllmEngine\(…, constraints=True\)`.*`HttpEngine`"):
            await engine.generate(request)
    assert await has_left(engine)


async def test_max_tokens_ends_the_completion(engine: Engine, rng: Random) -> None:
    completion = await engine.generate(greedy(prompt(rng), 7))
    assert (len(completion.token_ids), completion.finish, completion.stop_token) == (7, "length", None)


async def test_a_prompt_that_fills_the_context_is_refused(exact_engine: Engine, rng: Random) -> None:
    assert exact_engine.capabilities.context == CONTEXT
    with pytest.raises(EngineError, match=f"{CONTEXT} tokens.* context of {CONTEXT}"):
        await exact_engine.generate(greedy(prompt(rng, CONTEXT), 1))


async def test_a_completion_ends_where_the_context_does(exact_engine: Engine, rng: Random) -> None:
    completion = await exact_engine.generate(greedy(prompt(rng, CONTEXT - 10), 100))
    assert (len(completion.token_ids), completion.finish) == (10, "length")


@pytest.mark.parametrize("past", [-1, 0, 1, 10])
async def test_a_child_finds_its_parents_full_blocks_in_the_cache(caching_engine: Engine, rng: Random, past: int) -> None:
    block = caching_engine.capabilities.cache_block
    assert block
    assert caching_engine.capabilities.cached_tokens
    num_tokens = 2 * block + past
    start = prompt(rng, num_tokens - 5)
    parent = await caching_engine.generate(greedy(start, 5))
    child = await caching_engine.generate(greedy([*start, *parent.token_ids, 7, 8, 9], 1))
    assert parent.cached_tokens == 0
    assert child.cached_tokens == (num_tokens - 1) // block * block


async def test_many_requests_at_once_each_get_their_own_answer(model_engine: Engine, tiny: TinyModel, rng: Random) -> None:
    requests = [greedy(prompt(rng, rng.randrange(1, 40)), rng.randrange(1, 30)) for _ in range(100)]
    completions = await asyncio.gather(*map(model_engine.generate, requests))
    for request, completion in zip(requests, completions, strict=True):
        assert len(completion.token_ids) == request.sampling.max_tokens
        assert_greedy(tiny, request, completion)


async def test_deltas_add_up_to_the_completion(engine: Engine, rng: Random) -> None:
    start, deltas = prompt(rng), list[Sequence[int]]()
    plain = await engine.generate(greedy(start, 30))
    streamed = await engine.generate(greedy(start, 30, on_tokens=deltas.append))
    assert len(deltas) > 1
    assert [token for delta in deltas for token in delta] == streamed.token_ids == plain.token_ids
    assert_near(streamed.logprobs, plain.logprobs)


@pytest.mark.parametrize("with_tokens", [True, False])
async def test_streamed_scores_come_just_before_their_tokens_and_add_up(
    scoring_engine: Engine, rng: Random, with_tokens: bool
) -> None:
    sampling = scored(scoring_engine, max_tokens=30)
    start, tokens, deltas = prompt(rng), list[int](), Scores(sampling.top_logprobs)
    plain = await scoring_engine.generate(Request(prompt=start, sampling=sampling))
    calls = 0

    def score(new: Scores) -> None:
        nonlocal calls
        calls += 1
        if with_tokens:
            assert len(deltas) == len(tokens), "the tokens of earlier scores have come"
        deltas.extend(new)

    def look(token_ids: Sequence[int]) -> None:
        tokens.extend(token_ids)
        assert len(deltas) == len(tokens)

    request = Request(prompt=start, sampling=sampling, on_scores=score, on_tokens=look if with_tokens else None)
    streamed = await scoring_engine.generate(request)
    assert calls > 1
    assert deltas == streamed.scores
    assert_same(streamed.scores, plain.scores)


async def test_times_are_in_order_on_the_engines_clock(engine: Engine, rng: Random) -> None:
    before = engine.now()
    timings = (await engine.generate(greedy(prompt(rng), 20, on_tokens=lambda _: None))).timings
    assert timings.first_token is not None
    assert before <= timings.submitted <= timings.first_token < timings.finished <= engine.now()


async def test_running_counts_the_requests_that_are_under_way(engine: Engine, rng: Random) -> None:
    started = [asyncio.Event() for _ in range(3)]
    tasks = [
        asyncio.create_task(engine.generate(greedy(prompt(rng), 400, on_tokens=lambda _, event=event: event.set())))
        for event in started
    ]
    await asyncio.gather(*(event.wait() for event in started))
    assert await engine.running() == 3
    assert all([await cancelled(task) for task in tasks])
    assert await has_left(engine)


async def test_what_a_cancelled_request_had_sampled_is_kept(engine: Engine, rng: Random) -> None:
    start, aborted = prompt(rng), list[Completion]()
    free = await engine.generate(Request(prompt=start, sampling=scored(engine, max_tokens=200)))
    victim = asyncio.create_task(engine.generate(Request(prompt=start, sampling=scored(engine), on_abort=aborted.append)))
    await engine.generate(greedy(prompt(rng), 50))  # meanwhile
    assert await cancelled(victim)
    (completion,) = aborted
    num_tokens = len(completion.token_ids)
    assert completion.finish == "abort"
    assert 20 < num_tokens < 200
    assert completion.token_ids == free.token_ids[:num_tokens]
    assert_near(completion.logprobs, free.logprobs and free.logprobs[:num_tokens])
    if free.scores is not None:
        assert_same(completion.scores, free.scores[:num_tokens])
    assert await has_left(engine)


async def test_a_cancelled_stream_keeps_the_tokens_that_were_seen(engine: Engine, rng: Random) -> None:
    aborted, seen, enough = list[Completion](), list[int](), asyncio.Event()

    def look(token_ids: Sequence[int]) -> None:
        seen.extend(token_ids)
        if len(seen) >= 20:
            enough.set()

    sampling = scored(engine)
    scores = Scores(sampling.top_logprobs)
    request = Request(
        prompt=prompt(rng),
        sampling=sampling,
        on_tokens=look,
        on_scores=scores.extend if sampling.top_logprobs else None,
        on_abort=aborted.append,
    )
    victim = asyncio.create_task(engine.generate(request))
    await enough.wait()
    assert await cancelled(victim)
    (completion,) = aborted
    assert completion.token_ids == seen
    assert completion.scores == (scores if sampling.top_logprobs else None)
    assert await has_left(engine)


async def test_a_request_cancelled_at_once_leaves_nothing_behind(engine: Engine, rng: Random) -> None:
    for turns in range(4):
        victim = asyncio.create_task(engine.generate(greedy(prompt(rng), 400)))
        for _ in range(turns):
            await asyncio.sleep(0)
        assert await cancelled(victim)
    assert await has_left(engine)


async def test_a_cancelled_request_does_not_disturb_its_neighbours(engine: Engine, rng: Random) -> None:
    starts = [prompt(rng) for _ in range(8)]
    alone = [(await engine.generate(greedy(start, 30))).token_ids for start in starts]
    together = [asyncio.create_task(engine.generate(greedy(start, 30))) for start in starts]
    victim = asyncio.create_task(engine.generate(greedy(prompt(rng), 400)))
    await asyncio.wait(together, return_when=asyncio.FIRST_COMPLETED)
    assert await cancelled(victim)
    assert [(await task).token_ids for task in together] == alone
    assert await has_left(engine)


@pytest.mark.parametrize("error", [LookupError("in the callback"), ValueError("in the callback")], ids=repr)
async def test_a_callback_that_raises_ends_its_request_and_its_tokens_are_kept(
    engine: Engine, rng: Random, error: Exception
) -> None:
    aborted, seen = list[Completion](), list[int]()

    def look(token_ids: Sequence[int]) -> None:
        seen.extend(token_ids)
        raise error

    with pytest.raises(type(error), match="in the callback"):
        await engine.generate(greedy(prompt(rng), 400, on_tokens=look, on_abort=aborted.append))
    assert seen
    assert [completion.token_ids for completion in aborted] == [seen]
    assert await has_left(engine)
