"""What `HttpEngine` sends, and what it learns from a server. How it meets failures is in test_connection.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from fake_server import FakeServer, Reply, completion, fake_server

from orchestra.engine.base import Completion, Constraint, Request, Sampling
from orchestra.engine.connection import CROWD
from orchestra.engine.http import HttpEngine
from orchestra.engine.scores import Scores
from orchestra.errors import ConfigError, EngineError

pytestmark = pytest.mark.anyio


@pytest.fixture
async def fake() -> AsyncIterator[FakeServer]:
    async with fake_server() as server:
        yield server


@pytest.fixture
async def engine(fake: FakeServer) -> AsyncIterator[HttpEngine]:
    fake.reply(completion(5))
    async with HttpEngine(fake.url) as engine:
        fake.asked.clear()
        yield engine


def ask(max_tokens: int = 10, **more: Any) -> Request:
    return Request(prompt=[7, 8, 9], sampling=Sampling(max_tokens=max_tokens), **more)


async def test_any_session_can_be_a_header(fake: FakeServer, engine: HttpEngine) -> None:
    fake.reply(completion(3, 4))
    await engine.generate(ask(session="½ of 100%\r\nX-Admin: 1"))
    (asked,) = fake.asked
    assert asked.headers["x-session-id"] == "%C2%BD of 100%25%0D%0AX-Admin: 1"


async def test_a_request_is_sent_token_for_token_with_every_parameter_spelled_out(fake: FakeServer, engine: HttpEngine) -> None:
    fake.reply(completion(3, 4))
    sampling = Sampling(max_tokens=10, temperature=0.5, top_p=0.9, seed=1, stop_token_ids=(4, 6))
    done = await engine.generate(Request(prompt=(7, 8, 9), sampling=sampling, session="problem 1", priority=5))
    (asked,) = fake.asked
    assert asked.path == "/v1/completions"
    assert asked.headers["x-session-id"] == "problem 1"
    assert asked.body == {
        "model": "tiny",
        "prompt": [7, 8, 9],
        "max_tokens": 10,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "seed": 1,
        "stop_token_ids": [4, 6],
        "logprobs": 0,
        "return_token_ids": True,
    }
    assert (done.token_ids, done.logprobs, done.finish, done.stop_token) == ([3, 4], [0.0, 0.0], "stop", 4)


async def test_only_a_request_that_is_looked_at_or_may_be_cancelled_is_streamed(fake: FakeServer, engine: HttpEngine) -> None:
    stream = Reply(events=[completion(3, finish=None), completion(4), {"choices": [], "usage": {}}, "[DONE]"])
    fake.reply(completion(3, 4))
    fake.replies += [stream, stream]
    requests = [ask(), ask(on_tokens=lambda _: None), ask(on_abort=lambda _: None)]
    assert [(await engine.generate(request)).token_ids for request in requests] == [[3, 4]] * 3
    assert [asked.body.get("stream", False) for asked in fake.asked] == [False, True, True]


async def test_events_of_several_tokens_are_put_together_and_end_at_the_stop_token(fake: FakeServer, engine: HttpEngine) -> None:
    events = [completion(3, finish=None), completion(4, 5, 6, logprob=-2.0, finish=None), completion(7, 8, logprob=-1.0)]
    usage = {"choices": [], "usage": {"prompt_tokens_details": {"cached_tokens": 2}}}
    fake.replies += [Reply(events=[*events, usage, "[DONE]"])]
    seen = list[Sequence[int]]()
    done = await engine.generate(ask(on_tokens=seen.append))
    assert seen == [[3], [4, 5, 6], [7, 8]]
    assert (done.token_ids, done.logprobs) == ([3, 4, 5, 6, 7, 8], [0.0, -2.0, -2.0, -2.0, -1.0, -1.0])
    assert (done.finish, done.stop_token, done.cached_tokens) == ("stop", 8, 2)


@pytest.mark.vllm
async def test_a_real_server_may_send_several_tokens_at_a_time(http_engine: HttpEngine, chunks_engine: HttpEngine) -> None:
    seen = list[Sequence[int]]()
    plain = await http_engine.generate(ask(30))
    streamed = await chunks_engine.generate(ask(30, on_tokens=seen.append))
    assert len(seen[0]) == 1
    assert all(len(token_ids) >= 7 for token_ids in seen[1:-1])
    assert [token for token_ids in seen for token in token_ids] == streamed.token_ids == plain.token_ids
    assert streamed.logprobs == pytest.approx(plain.logprobs, abs=1e-3)


async def test_no_request_waits_for_others_to_end(fake: FakeServer, engine: HttpEngine) -> None:
    started = [asyncio.Event() for _ in range(3 * CROWD + 1)]
    fake.replies += [Reply(events=[completion(3, finish=None)], hangs=True)] * len(started)
    tasks = [asyncio.create_task(engine.generate(ask(on_tokens=lambda _, event=event: event.set()))) for event in started]
    await asyncio.gather(*(event.wait() for event in started))
    assert await engine.running() == len(started)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert await engine.running() == 0


async def test_priority_is_sent_to_servers_that_have_it(fake: FakeServer) -> None:
    fake.reply(completion(5), completion(3))
    async with HttpEngine(fake.url, priority=True) as engine:
        await engine.generate(ask(priority=5))
    assert fake.asked[-1].body["priority"] == 5


async def test_the_key_is_sent(fake: FakeServer) -> None:
    fake.reply(completion(5))
    async with HttpEngine(fake.url, api_key="secret"):
        assert fake.asked[-1].headers["authorization"] == "Bearer secret"


async def test_raw_logprobs_are_kept_only_where_they_are_those_drawn_from(fake: FakeServer) -> None:
    fake.reply(completion(5, logprob=-1.0), completion(3, logprob=-2.0), completion(3) | {"choices": [without_logprobs(3)]})
    async with HttpEngine(fake.url) as engine:
        assert (await engine.generate(ask())).logprobs == [-2.0]
        warm = Request(prompt=[7], sampling=Sampling(max_tokens=1, temperature=0.7))
        assert (await engine.generate(warm)).logprobs is None
    assert fake.asked[-1].body["logprobs"] is None


def scored(*positions: dict[str, float], finish: str | None = "stop") -> dict[str, Any]:
    """As vLLM answers with candidates: the sampled token is the first of them, also where it is not among the most probable."""
    tokens = [int(next(iter(position)).removeprefix("token_id:")) for position in positions]
    logprobs = {"token_logprobs": [next(iter(position.values())) for position in positions], "top_logprobs": list(positions)}
    return {"choices": [{"token_ids": tokens, "logprobs": logprobs, "finish_reason": finish}], "usage": {}}


LIKELY = {"token_id:3": -0.5, "token_id:4": -1.0}
UNLIKELY = {"token_id:5": -7.0, "token_id:3": -0.1, "token_id:4": -9999.0}


def expected(*rows: list[float]) -> Scores:
    scores = Scores(2)
    for row in rows:
        scores.add(row)
    return scores


async def test_scores_are_asked_for_by_token_id_and_leave_out_an_unlikely_sampled_token(
    fake: FakeServer, engine: HttpEngine
) -> None:
    fake.reply(scored(LIKELY, UNLIKELY))
    done = await engine.generate(Request(prompt=[7], sampling=Sampling(max_tokens=9, temperature=0.7, top_logprobs=2)))
    assert (fake.asked[0].body["logprobs"], fake.asked[0].body["return_tokens_as_token_ids"]) == (2, True)
    assert done.scores == expected([-0.5, -1.0], [-0.1])
    assert done.logprobs == [-0.5, -7.0]


async def test_scores_without_logprobs(fake: FakeServer, engine: HttpEngine) -> None:
    fake.reply(scored(LIKELY))
    done = await engine.generate(Request(prompt=[7], sampling=Sampling(max_tokens=9, logprobs=False, top_logprobs=2)))
    assert (done.scores, done.logprobs) == (expected([-0.5, -1.0]), None)


async def test_a_broken_stream_hands_over_its_scores_and_they_begin_again(fake: FakeServer, engine: HttpEngine) -> None:
    seen, wasted = list[Scores](), list[Completion]()
    events = [scored(LIKELY, finish=None), scored(UNLIKELY), "[DONE]"]
    fake.replies += [Reply(events=events[:1], drops=True), Reply(events=events)]
    sampling = Sampling(max_tokens=9, top_logprobs=2)
    done = await engine.generate(Request(prompt=[7], sampling=sampling, on_scores=seen.append, on_abort=wasted.append))
    first, second = expected([-0.5, -1.0]), expected([-0.1])
    assert seen == [first, first, second]
    assert [completion.scores for completion in wasted] == [first]
    assert done.scores == expected([-0.5, -1.0], [-0.1])


@pytest.mark.parametrize("candidates", [[{}], [None], [{"token_id:3": "high"}], None], ids=str)
async def test_candidates_that_are_none_are_an_error_of_the_server(fake: FakeServer, engine: HttpEngine, candidates: Any) -> None:
    reply = scored(LIKELY)
    reply["choices"][0]["logprobs"]["top_logprobs"] = candidates
    fake.reply(reply)
    with pytest.raises(EngineError, match=f"{fake.url}/v1 gave"):
        await engine.generate(Request(prompt=[7], sampling=Sampling(max_tokens=9, top_logprobs=2)))


async def test_scores_of_raw_logprobs_are_kept_only_where_they_are_those_drawn_from(fake: FakeServer) -> None:
    fake.reply(completion(5, logprob=-1.0), scored(LIKELY), completion(3) | {"choices": [without_logprobs(3)]})
    async with HttpEngine(fake.url) as engine:
        greedy = Request(prompt=[7], sampling=Sampling(max_tokens=1, top_logprobs=2))
        assert (await engine.generate(greedy)).scores == expected([-0.5, -1.0])
        warm = Request(prompt=[7], sampling=Sampling(max_tokens=1, temperature=0.7, top_logprobs=2))
        assert (await engine.generate(warm)).scores is None
    assert fake.asked[-1].body["logprobs"] is None


def without_logprobs(*token_ids: int) -> dict[str, Any]:
    return {"token_ids": list(token_ids), "logprobs": None, "finish_reason": "stop"}


async def test_capabilities_are_what_the_server_shows(fake: FakeServer) -> None:
    fake.pages["/metrics"] = 'vllm:cache_config_info{a="b",block_size="16"} 1.0\nvllm:num_requests_running{engine="0"} 2.0\n'
    fake.reply(completion(5, prompt_tokens_details={"cached_tokens": 0}))
    async with HttpEngine(fake.url) as engine:
        capabilities = engine.capabilities
        assert (capabilities.cached_tokens, capabilities.cache_block, capabilities.context) == (True, 16, 100)
        assert await engine.running() == 2


async def test_an_answer_is_no_longer_than_the_context_leaves_room_for(fake: FakeServer, engine: HttpEngine) -> None:
    fake.reply(completion(3, finish="length"))
    await engine.generate(ask(max_tokens=1000))
    assert fake.asked[-1].body["max_tokens"] == 97


async def test_an_unknown_model_is_met_with_the_list_of_those_served(fake: FakeServer) -> None:
    with pytest.raises(ConfigError, match=r"has no model 'huge': pass one of \['tiny'\]"):
        async with HttpEngine(fake.url, "huge"):
            pass


async def test_a_server_without_token_ids_is_referred_to_the_chat_engine(fake: FakeServer) -> None:
    fake.reply({"choices": [{"text": "hello", "finish_reason": "stop"}], "usage": {}})
    with pytest.raises(ConfigError, match="returns no token ids.*`ChatEngine`"):
        async with HttpEngine(fake.url):
            pass


async def test_a_server_that_refuses_token_ids_is_referred_to_the_chat_engine(fake: FakeServer) -> None:
    fake.replies += [Reply(status=404, body="This is a chat model")]
    with pytest.raises(EngineError, match="answered 404: This is a chat model.*`ChatEngine`"):
        async with HttpEngine(fake.url):
            pass


@pytest.mark.parametrize("page", ["<html>hello</html>", {"oops": 1}, {"data": [{}]}, []], ids=str)
async def test_a_page_that_lists_no_models_is_an_error_with_the_address(fake: FakeServer, page: Any) -> None:
    fake.pages["/v1/models"] = page
    with pytest.raises(EngineError, match=f"{fake.url}/v1 gave .*Check that the address"):
        async with HttpEngine(fake.url):
            pass


async def test_a_key_that_is_refused_for_completions_is_a_matter_of_configuration(fake: FakeServer) -> None:
    fake.replies += [Reply(status=401, body={"error": {"message": "who are you?"}})]
    with pytest.raises(ConfigError, match="who are you.*`api_key`"):
        async with HttpEngine(fake.url):
            pass


@pytest.mark.parametrize(
    ("constraint", "sent"),
    [
        (Constraint(json_schema={"type": "object"}), {"json": '{"type": "object"}'}),
        (Constraint(grammar='root ::= "a"'), {"grammar": 'root ::= "a"'}),
        (Constraint(regex="a"), {"regex": "a"}),
    ],
)
async def test_a_constraint_is_sent_in_the_field_that_vllm_reads(
    fake: FakeServer, engine: HttpEngine, constraint: Constraint, sent: dict[str, str]
) -> None:
    assert engine.capabilities.constraints
    fake.reply(completion(3))
    await engine.generate(Request(prompt=[7], sampling=Sampling(max_tokens=5, constraint=constraint)))
    assert fake.asked[-1].body["structured_outputs"] == sent
