"""`ScriptedChat` in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestra.chat.base import ChatRequest, Message, Reply, ToolUse
from orchestra.chat.scripted import ScriptedChat
from orchestra.engine.virtual import run_virtual
from orchestra.errors import EngineError


def ask(text: str = "Hi", **more: Any) -> ChatRequest:
    return ChatRequest(messages=[Message("user", text)], **more)


def test_text_comes_at_the_rate_of_its_tokens() -> None:
    chat = ScriptedChat(lambda request: request.messages[0].content, seconds_per_token=0.5)
    seen = list[tuple[float, str]]()

    async def main() -> Reply:
        return await chat.reply(ask("one two three", on_text=lambda text: seen.append((asyncio.get_running_loop().time(), text))))

    reply = run_virtual(main())
    assert seen == [(0.5, "one "), (1.0, "two "), (1.5, "thre"), (2.0, "e")]
    assert (reply.text, reply.finish, reply.seconds) == ("one two three", "stop", 2.0)
    assert (reply.prompt_tokens, reply.sampled_tokens) == (4, 4)


def test_requests_are_answered_side_by_side() -> None:
    chat = ScriptedChat(lambda request: request.messages[0].content, seconds_per_token=1.0)

    async def main() -> tuple[list[Reply], float]:
        replies = await asyncio.gather(*(chat.reply(ask("a" * 4 * n)) for n in (3, 1, 2)))
        return replies, asyncio.get_running_loop().time()

    replies, ended = run_virtual(main())
    assert ([reply.seconds for reply in replies], ended) == ([3, 1, 2], 3)
    assert [request.messages[0].content for request in chat.log] == ["a" * 12, "a" * 4, "a" * 8]


@pytest.mark.parametrize("streamed", [False, True])
def test_stops_and_max_tokens_cut_it(streamed: bool) -> None:
    chat = ScriptedChat(lambda _: "1. a()<END>2. b()", seconds_per_token=1.0)
    seen = list[str]()
    look: dict[str, Any] = {"on_text": seen.append} if streamed else {}
    stopped = run_virtual(chat.reply(ask(stop=("<END>",), **look)))
    assert (stopped.text, stopped.finish, stopped.seconds) == ("1. a()", "stop", 3.0)
    cut = run_virtual(chat.reply(ask(max_tokens=2, stop=("<END>",), **look)))
    assert (cut.text, cut.finish, cut.sampled_tokens) == ("1. a()<E", "length", 2)
    assert "".join(seen) == ("1. a()1. a()<E" if streamed else "")


def test_a_reply_brings_what_text_alone_does_not_say() -> None:
    use = ToolUse(id="1", name="search", arguments="{}")
    chat = ScriptedChat(lambda _: Reply(text="", finish="tools", tool_uses=(use,), prompt_tokens=100, sampled_tokens=9))
    reply = run_virtual(chat.reply(ask()))
    assert (reply.finish, reply.tool_uses, reply.prompt_tokens, reply.sampled_tokens) == ("tools", (use,), 100, 9)


def test_failures_come_from_the_answer_or_before_it() -> None:
    with pytest.raises(EngineError, match="out of order"):
        run_virtual(ScriptedChat(lambda _: EngineError("out of order")).reply(ask()))
    failing = ScriptedChat(lambda _: "fine", failures=lambda request: EngineError("full") if request.priority else None)
    assert run_virtual(failing.reply(ask())).text == "fine"
    with pytest.raises(EngineError, match="full"):
        run_virtual(failing.reply(ask(priority=1)))


def test_a_cancelled_reply_ends_at_once() -> None:
    chat = ScriptedChat(lambda _: "a" * 400, seconds_per_token=1.0)
    seen = list[str]()

    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10.5):
                await chat.reply(ask(on_text=seen.append))
        return asyncio.get_running_loop().time()

    assert (run_virtual(main()), len(seen)) == (10.5, 10)
