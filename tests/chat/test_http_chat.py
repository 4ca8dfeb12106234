"""`HttpChat`: what it sends, how it reads streams, and what it makes of an endpoint that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import stamina

from orchestra.chat.base import ChatRequest, Message, ToolUse
from orchestra.chat.http_chat import HttpChat
from orchestra.engine import Constraint
from orchestra.errors import ConfigError, EngineError
from tests.engine.fake_server import FakeServer, Reply, fake_server

pytestmark = pytest.mark.anyio

TALK = (Message("system", "Be brief."), Message("user", "Hi"))
SEARCH = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}


@pytest.fixture(autouse=True)
def three_attempts_without_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


@pytest.fixture
async def chat(fake: FakeServer) -> AsyncIterator[HttpChat]:
    async with HttpChat(fake.url) as chat:
        yield chat


def ask(**more: Any) -> ChatRequest:
    return ChatRequest(messages=TALK, **more)


def said(text: str | None = None, *, finish: str | None = None, tools: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text, "tool_calls": tools}, "finish_reason": finish}], **more}


def stream(*events: Any, **more: Any) -> Reply:
    return Reply(events=[*events, "[DONE]"], **more)


HELLO = stream(said("Hel"), said("lo"), said(finish="stop"))


async def test_a_request_is_sent_with_what_it_asks_for_and_nothing_else(fake: FakeServer, chat: HttpChat) -> None:
    fake.replies += [HELLO]
    await chat.reply(ask(max_tokens=9, temperature=0.5, seed=3, stop=("\n",), tools=[SEARCH], session="s", priority=4))
    (asked,) = fake.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["x-session-id"] == "s"
    assert asked.body == {
        "model": "tiny",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "max_tokens": 9,
        "temperature": 0.5,
        "seed": 3,
        "stop": ["\n"],
        "tools": [SEARCH],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_fields_are_added_and_removed_and_priority_goes_where_it_is_known(fake: FakeServer) -> None:
    fake.replies += [HELLO]
    fields = {"max_tokens": None, "max_completion_tokens": 9}
    async with HttpChat(fake.url, fields=fields, priority=True) as chat:
        await chat.reply(ask(priority=4))
    assert "max_tokens" not in fake.asked[0].body
    assert (fake.asked[0].body["max_completion_tokens"], fake.asked[0].body["priority"]) == (9, 4)


async def test_the_reply_is_streamed_with_its_counts(fake: FakeServer, chat: HttpChat) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
    fake.replies += [stream(said(""), said("Hel"), said("lo"), said(finish="stop"), {"choices": [], "usage": usage})]
    seen = list[str]()
    reply = await chat.reply(ask(on_text=seen.append))
    assert (reply.text, reply.finish, seen) == ("Hello", "stop", ["Hel", "lo"])
    assert (reply.prompt_tokens, reply.sampled_tokens, reply.cached_tokens) == (7, 3, 4)
    assert reply.seconds > 0


async def test_an_endpoint_that_counts_nothing_is_believed(fake: FakeServer, chat: HttpChat) -> None:
    fake.replies += [stream(said("Hello", finish="length", usage=None))]
    reply = await chat.reply(ask())
    assert (reply.finish, reply.prompt_tokens, reply.sampled_tokens, reply.cached_tokens) == ("length", None, None, None)


def call(index: int | None, id: str | None, name: str | None, arguments: str) -> dict[str, Any]:
    return {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    "deltas",
    [
        [[call(0, "a", "f", "")], [call(0, None, None, '{"x"')], [call(0, None, None, ":1}")], [call(1, "b", "g", "{}")]],
        [[call(0, "a", "f", '{"x":1}'), call(1, "b", "g", "{}")]],
        [[call(0, "a", "f", '{"x"')], [call(1, "b", "g", "{")], [call(0, None, None, ":1}")], [call(1, None, None, "}")]],
        [[call(0, "a", "f", '{"x":1}')], [call(0, "b", "g", "{}")]],
        [[call(None, "a", "f", '{"x"')], [call(None, "", None, ":1}")], [call(None, "b", "g", "{}")]],
    ],
    ids=["in pieces", "whole", "interleaved", "one index for all", "no index"],
)
@pytest.mark.parametrize("finish", ["tool_calls", "stop"])
async def test_tool_calls_are_put_together(fake: FakeServer, chat: HttpChat, deltas: list[Any], finish: str) -> None:
    fake.replies += [stream(said("I look it up."), *(said(tools=tools) for tools in deltas), said(finish=finish))]
    reply = await chat.reply(ask(tools=[SEARCH]))
    assert (reply.text, reply.finish) == ("I look it up.", "tools")
    assert reply.tool_uses == (ToolUse(id="a", name="f", arguments='{"x":1}'), ToolUse(id="b", name="g", arguments="{}"))


class TestConstraints:
    async def test_a_schema_goes_to_any_endpoint(self, fake: FakeServer, chat: HttpChat) -> None:
        fake.replies += [stream(said('{"a": 1}', finish="stop"))]
        await chat.reply(ask(constraint=Constraint(json_schema={"type": "object"})))
        assert fake.asked[0].body["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "reply", "schema": {"type": "object"}, "strict": True},
        }

    async def test_an_endpoint_that_ignores_the_schema_is_found_out(self, fake: FakeServer, chat: HttpChat) -> None:
        fake.replies += [stream(said("Sure! Here", finish="stop")), stream(said('{"a": ', finish="length"))]
        request = ask(constraint=Constraint(json_schema={"type": "object"}))
        with pytest.raises(ConfigError, match="did not keep to the JSON schema.*'Sure! Here'.*such as vLLM"):
            await chat.reply(request)
        assert (await chat.reply(request)).finish == "length"  # nothing can be said of a part

    @pytest.mark.parametrize("constraint", [Constraint(grammar='root ::= "a"'), Constraint(regex="a")])
    async def test_grammars_and_regexes_go_to_vllm_only(self, fake: FakeServer, chat: HttpChat, constraint: Constraint) -> None:
        with pytest.raises(ConfigError, match="is not served by vLLM.*grammar or regex: use a JSON schema"):
            await chat.reply(ask(constraint=constraint))
        fake.pages["/v1/models"] = {"data": [{"id": "tiny", "owned_by": "vllm"}]}
        fake.replies += [stream(said("a", finish="stop"))]
        async with HttpChat(fake.url) as on_vllm:
            await on_vllm.reply(ask(constraint=constraint))
        kind, value = ("grammar", constraint.grammar) if constraint.grammar else ("regex", constraint.regex)
        assert fake.asked[0].body["structured_outputs"] == {kind: value}


class TestFailures:
    async def test_a_full_endpoint_is_asked_again(self, fake: FakeServer, chat: HttpChat) -> None:
        fake.replies += [Reply(status=429, body={"error": {"message": "slow down"}}), Reply(drops=True), HELLO]
        assert (await chat.reply(ask())).text == "Hello"

    async def test_patience_ends_with_what_the_endpoint_said(self, fake: FakeServer, chat: HttpChat) -> None:
        fake.replies += [Reply(status=503, body={"error": {"message": "slow down"}})] * 3
        with pytest.raises(EngineError, match="answered 503: slow down") as caught:
            await chat.reply(ask())
        assert caught.value.status == 503

    @pytest.mark.parametrize("status", [400, 401, 404, 500])
    async def test_what_another_try_cannot_help_is_tried_once(self, fake: FakeServer, chat: HttpChat, status: int) -> None:
        fake.replies += [Reply(status=status, body={"error": {"message": "no"}})]
        with pytest.raises(EngineError, match=f"answered {status}: no"):
            await chat.reply(ask())
        assert len(fake.asked) == 1

    @pytest.mark.parametrize("ending", [{"drops": True}, {}], ids=["broken off", "closed"])
    async def test_a_broken_stream_is_asked_for_again_while_nothing_was_handed_out(
        self, fake: FakeServer, chat: HttpChat, ending: dict[str, Any]
    ) -> None:
        fake.replies += [Reply(events=[said("He")], **ending), HELLO]
        assert (await chat.reply(ask())).text == "Hello"
        seen = list[str]()
        fake.replies += [Reply(events=[said("")], **ending), Reply(events=[said("He")], **ending)]
        with pytest.raises(EngineError, match=f"{fake.url}/v1 .*a part of the reply had been handed out"):
            await chat.reply(ask(on_text=seen.append))
        assert seen == ["He"]
        assert len(fake.asked) == 4

    @pytest.mark.parametrize(
        "event",
        [
            *([], {}, "<html>gateway</html>", {"choices": None}, {"choices": [{}]}, {"choices": [{"delta": {"content": 5}}]}),
            *(said(tools=[5]), said(tools=[call(0, "a", "f", {"x": 1})]), said("a", usage={"prompt_tokens": "many"})),  # type: ignore[arg-type]
        ],
        ids=str,
    )
    async def test_what_is_no_stream_of_a_chat_is_named(self, fake: FakeServer, chat: HttpChat, event: Any) -> None:
        fake.replies += [stream(event)]
        with pytest.raises(EngineError, match=f"{fake.url}/v1 gave an answer that is not one .*Check that the address"):
            await chat.reply(ask())

    async def test_an_error_in_the_stream_is_raised(self, fake: FakeServer, chat: HttpChat) -> None:
        fake.replies += [stream(said("He"), {"error": {"message": "engine died", "code": 500}})]
        with pytest.raises(EngineError, match="failed in the middle of an answer: engine died"):
            await chat.reply(ask())

    async def test_a_reply_that_was_withheld_is_no_reply(self, fake: FakeServer, chat: HttpChat) -> None:
        fake.replies += [stream(said("He"), said(finish="content_filter"))]
        with pytest.raises(EngineError, match="ended the reply with 'content_filter'"):
            await chat.reply(ask())

    async def test_silence_is_ended_and_asked_again_while_nothing_was_handed_out(self, fake: FakeServer) -> None:
        silent = Reply(events=[said("He")], hangs=True)
        async with HttpChat(fake.url, silence_s=0.05) as chat:
            fake.replies += [silent, HELLO]
            assert (await chat.reply(ask())).text == "Hello"
            fake.replies += [silent]
            with pytest.raises(EngineError, match=r"sent nothing for 0.05 s.*`silence_s`.*a part of the reply"):
                await chat.reply(ask(on_text=lambda _: None))
            await fake.left.wait()

    async def test_cancelling_closes_the_connection(self, fake: FakeServer, chat: HttpChat) -> None:
        started = asyncio.Event()
        fake.replies += [Reply(events=[said("He")], hangs=True)]
        task = asyncio.create_task(chat.reply(ask(on_text=lambda _: started.set())))
        await started.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await fake.left.wait()

    async def test_an_error_of_who_looks_is_theirs_even_a_timeout(self, fake: FakeServer, chat: HttpChat) -> None:
        def broken(_: str) -> None:
            raise TimeoutError("mine")

        fake.replies += [HELLO]
        with pytest.raises(TimeoutError, match="mine"):
            await chat.reply(ask(on_text=broken))


class TestEntering:
    async def enter(self, url: str, *args: Any, **more: Any) -> str:
        async with HttpChat(url, *args, **more) as chat:
            return chat.name

    async def test_the_only_model_is_taken(self, fake: FakeServer) -> None:
        assert await self.enter(fake.url) == f"tiny at {fake.url}/v1"

    async def test_of_several_models_one_must_be_named(self, fake: FakeServer) -> None:
        fake.pages["/v1/models"] = {"data": [{"id": "a"}, {"id": "b"}]}
        with pytest.raises(ConfigError, match=r"serves 2 models: pass one of \['a', 'b'\] as `model`"):
            await self.enter(fake.url)
        assert await self.enter(fake.url, "b")

    @pytest.mark.parametrize("page", [Reply(status=404, body={}), Reply(status=403, body={}), {"object": "list"}])
    async def test_a_named_model_needs_no_list(self, fake: FakeServer, page: Any) -> None:
        fake.pages["/v1/models"] = page
        assert await self.enter(fake.url, "talker")
        with pytest.raises((ConfigError, EngineError), match=fake.url):
            await self.enter(fake.url)

    async def test_a_refused_key_is_a_matter_of_configuration(self, fake: FakeServer) -> None:
        fake.pages["/v1/models"] = Reply(status=401, body={"error": {"message": "who are you?"}})
        with pytest.raises(ConfigError, match="who are you.*`api_key`"):
            await self.enter(fake.url, "talker")

    async def test_an_endpoint_that_is_not_there_is_named(self) -> None:
        async with fake_server() as gone:
            pass
        with pytest.raises(EngineError, match=f"{gone.url}/v1 does not answer"):
            await self.enter(gone.url, "talker")
