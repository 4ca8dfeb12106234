"""`ChatEngine`: ids to text and back."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from fake_server import Reply, fake_server, said
from tiny_model import Words

from orchestra.engine.base import Completion, Engine, Request, Sampling
from orchestra.engine.chat import ChatEngine
from orchestra.errors import ConfigError

pytestmark = pytest.mark.anyio


def ask(*prompt: int, stop: tuple[int, ...] = ()) -> Request:
    return Request(prompt=prompt, sampling=Sampling(max_tokens=20, stop_token_ids=stop))


async def test_the_prompt_is_one_user_message_and_the_answer_is_encoded() -> None:
    async with fake_server() as fake, ChatEngine(fake.url, "talker", Words()) as engine:
        fake.reply(said(3, 4))
        done = await engine.generate(ask(7, 8, stop=(5,)))
    assert fake.asked[0].path == "/v1/chat/completions"
    assert fake.asked[0].body == {
        "model": "talker",
        "messages": [{"role": "user", "content": "t7 t8"}],
        "max_tokens": 20,
        "temperature": 0.0,
        "top_p": 1.0,
        "stop": ["t5"],
    }
    assert (done.token_ids, done.logprobs, done.finish, done.stop_token) == ([3, 4], None, "stop", None)


async def test_a_stop_that_the_service_names_is_put_back() -> None:
    async with fake_server() as fake, ChatEngine(fake.url, "talker", Words()) as engine:
        fake.reply(said(3, 4, stop_reason="t5"))
        done = await engine.generate(ask(7, stop=(5,)))
    assert (done.token_ids, done.stop_token) == ([3, 4, 5], 5)


async def test_fields_are_added_and_removed() -> None:
    fields = {"max_tokens": None, "max_completion_tokens": 9}
    async with fake_server() as fake, ChatEngine(fake.url, "talker", Words(), fields=fields) as engine:
        fake.reply(said(3))
        await engine.generate(ask(7))
    assert "max_tokens" not in fake.asked[0].body
    assert fake.asked[0].body["max_completion_tokens"] == 9


async def test_a_stream_is_encoded_piece_by_piece() -> None:
    seen, wasted = list[Sequence[int]](), list[Completion]()
    pieces = [{"choices": [{"delta": {"content": text}, "finish_reason": end}]} for text, end in [("t3", None), (" t4", "stop")]]
    request = Request(prompt=[7], sampling=Sampling(max_tokens=9), on_tokens=seen.append, on_abort=wasted.append)
    async with fake_server() as fake, ChatEngine(fake.url, "talker", Words()) as engine:
        fake.replies += [Reply(events=pieces[:1], drops=True), Reply(events=[*pieces, "[DONE]"])]
        done = await engine.generate(request)
    assert done.token_ids == [3, 4]
    assert seen == [[3], [3], [4]]
    assert [completion.token_ids for completion in wasted] == [[3]]


async def test_scores_are_refused_before_anything_is_sent() -> None:
    request = Request(prompt=[7], sampling=Sampling(max_tokens=9, top_logprobs=4))
    async with fake_server() as fake, ChatEngine(fake.url, "talker", Words()) as engine:
        with pytest.raises(ConfigError, match="talker at .* gives no log-probabilities, and `top_logprobs` is 4: use `HttpEngine`"):
            await engine.generate(request)
    assert fake.asked == []


@pytest.mark.vllm
async def test_where_text_is_exact_so_are_the_tokens(server: str, http_engine: Engine) -> None:
    free = await http_engine.generate(ask(7, 8, 9))
    stop = free.token_ids[10]
    expected = free.token_ids[: free.token_ids.index(stop) + 1]
    async with ChatEngine(server, "tiny", Words()) as engine:
        assert (await engine.generate(ask(7, 8, 9))).token_ids == free.token_ids
        done = await engine.generate(ask(7, 8, 9, stop=(stop,)))
    assert (done.token_ids, done.stop_token) == (expected, stop)
