"""The server streams its script token by token, in this process and in one of its own."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from orchestra.evals.benchmarks.agents import asked, script
from orchestra.evals.benchmarks.agents.process import serving
from orchestra.evals.benchmarks.agents.question import Question, outputs_of
from orchestra.evals.benchmarks.agents.server import Settings, deltas

from orchestra.chat.base import ChatRequest, Message
from orchestra.chat.http_chat import HttpChat
from orchestra.errors import EngineError

from .scripted_server import RATES, on_server


def test_there_is_one_delta_for_each_token_and_native_calls_come_whole() -> None:
    text = "Thought: K2.\nAction: Finish[K2]"
    assert [delta and delta["content"] for delta in deltas(text)] == script.tokens(text)
    calls = [("search", '{"entity": "K2"}'), ("math", '{"expression": "1 + {}"}')]
    events = list(deltas(asked.Calls(calls)))
    assert len(events) == sum(len(piece) for call in calls for piece in script.call_tokens(*call))
    told = [event["tool_calls"][0] for event in events if event is not None]
    for index, (name, arguments) in enumerate(calls):
        mine = [call["function"] for call in told if call["index"] == index]
        assert mine[0]["name"] == name
        assert "".join(piece["arguments"] for piece in mine) == arguments


def test_the_server_streams_what_the_library_reads(questions: list[Question]) -> None:
    async def work(url: str) -> None:
        async with HttpChat(url, "native") as chat:
            pieces: list[str] = []
            first = await chat.reply(ChatRequest(messages=[Message("user", questions[3].text)]))
            results = [Message("user", asked.RESULTS + json.dumps(outputs_of(questions[3])))]
            last = await chat.reply(ChatRequest(messages=[Message("user", questions[3].text), *results], on_text=pieces.append))
        assert [(use.name, json.loads(use.arguments)) for use in first.tool_uses] == [
            ("search", {"entity": "K2"}),
            ("search", {"entity": "Aconcagua"}),
        ]
        assert first.finish == "tools" and last.finish == "stop"
        assert pieces == script.tokens(last.text) and last.sampled_tokens == len(pieces)
        assert last.text.endswith("Answer: Aconcagua")

    on_server(questions, work)


def test_the_server_refuses_what_is_not_in_its_script(questions: list[Question]) -> None:
    async def work(url: str) -> None:
        async with HttpChat(url, "react") as chat:
            with pytest.raises(EngineError, match="not in the script: KeyError: 'Why\\?'"):
                await chat.reply(ChatRequest(messages=[Message("user", "Why?")]))
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{url}/nothing")).status_code == 404
            assert (await client.post(f"{url}/chat/completions", content=b"{")).status_code == 400

    on_server(questions, work)


def test_a_server_process_says_where_it_is_and_ends_with_its_block(data: Path, questions: list[Question]) -> None:
    async def main() -> None:
        async with serving(Settings(data=str(data), rates=RATES)) as server, HttpChat(server.url, "react") as chat:
            reply = await chat.reply(ChatRequest(messages=[Message("user", questions[0].text)]))
            assert reply.text.endswith("Action: search[Alien]")
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(f"{server.url}/models")

    asyncio.run(main())


def test_a_server_process_that_cannot_start_is_reported(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(Settings(data=str(tmp_path), rates=RATES)):
            pass

    with pytest.raises(EngineError, match="the scripted server did not start: it ended with 1"):
        asyncio.run(main())
