"""From a name to a chat model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestra.chat.base import ChatRequest, Message
from orchestra.chat.engine_chat import EngineChat
from orchestra.chat.http_chat import HttpChat
from orchestra.chat.open import open_chat
from orchestra.chat.recorded import RecordedChat
from orchestra.chat.recording import Recording
from orchestra.errors import ConfigError
from tests.engine.fake_server import FakeServer, Reply


def test_an_address_is_an_endpoint_and_a_folder_an_engine(model: Path) -> None:
    assert isinstance(open_chat("http://localhost:8000/v1"), HttpChat)
    assert isinstance(open_chat("transformers", model=model), EngineChat)


def test_a_recording_is_replayed(tmp_path: Path) -> None:
    with Recording(tmp_path / "run.jsonl").take({"kind": "tool"}) as take:
        take.result = {}
    assert isinstance(open_chat(f"recorded:{tmp_path / 'run.jsonl'}"), RecordedChat)


@pytest.mark.parametrize(
    ("spec", "more", "said"),
    [
        ("gpt", {}, r"unknown chat model 'gpt': use one of auto, vllm, transformers.*http://HOST:PORT/v1.*recorded:FILE"),
        ("scripted", {}, r"unknown chat model 'scripted'.*`ScriptedChat\(answer\)`"),
        ("transformers", {}, "transformers needs a model"),
        ("transformers", {}, "give its folder as `model` .--model-name DIR, or --model DIR of `orchestra eval`"),
        ("transformers", {"model": "no/such"}, "no model folder 'no/such'.*hf download"),
        ("http://", {}, "'http://' is not the address of a server"),
        ("recorded:no/such.jsonl", {}, "no recording in 'no/such.jsonl'"),
    ],
)
def test_what_cannot_be_opened_is_told_what_can(spec: str, more: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        open_chat(spec, **more)


@pytest.mark.anyio
async def test_an_endpoint_is_recorded_with_the_key_of_the_environment(
    fake: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRA_API_KEY", "secret")
    path = tmp_path / "run.jsonl"
    fake.replies += [Reply(events=[{"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]}, "[DONE]"])]
    request = ChatRequest(messages=[Message("user", "Hi")])
    async with open_chat(fake.url, record=path) as chat:
        await chat.reply(request)
    async with open_chat(f"recorded:{path}") as chat:
        assert (await chat.reply(request)).text == "Hello"
    assert fake.asked[0].headers["authorization"] == "Bearer secret"
    assert "secret" not in path.read_text()
