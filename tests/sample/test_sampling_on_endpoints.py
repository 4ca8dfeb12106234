"""`sample` on an OpenAI-compatible endpoint: what is sent, what is refused and when."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from orchestra.chat import ChatModel, open_chat
from orchestra.errors import ConfigError
from orchestra.sample import sample
from tests.engine.fake_server import FakeServer, Reply, fake_server

pytestmark = pytest.mark.anyio


@pytest.fixture
async def fake() -> AsyncIterator[FakeServer]:
    async with fake_server() as server:
        yield server


@pytest.fixture
async def chat(fake: FakeServer) -> AsyncIterator[ChatModel]:
    async with open_chat(fake.url) as chat:
        yield chat


def says(text: str, *, tokens: int = 9) -> Reply:
    def event(**delta: Any) -> dict[str, Any]:
        return {"choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}]}

    usage = {"choices": [], "usage": {"prompt_tokens": 30, "completion_tokens": tokens}}
    return Reply(events=[event(content=text), event(), usage, "[DONE]"])


async def test_an_endpoint_answers_with_its_own_counts(fake: FakeServer, chat: ChatModel) -> None:
    fake.replies += [says("So \\boxed{7}.")] * 3
    sampled = await sample("What is 3 + 4?", chat, policy="self_consistency:n=3")
    assert (sampled.answer, sampled.text, sampled.outcome.account.work) == ("7", "So \\boxed{7}.", 27)


@pytest.mark.parametrize("problem", ["Was ist α²?\nUnd β?", "x" * 20_000, "\r\nHost: elsewhere", "\x00"])
async def test_any_problem_can_be_asked_and_its_traces_share_a_short_session(
    fake: FakeServer, chat: ChatModel, problem: str
) -> None:
    fake.replies += [says("\\boxed{7}")] * 2
    assert (await sample(problem, chat, policy="self_consistency:n=2")).answer == "7"
    (session,) = {asked.headers["x-session-id"] for asked in fake.asked}
    assert re.fullmatch("[0-9a-f]{16}", session)
    assert all(problem.strip() in asked.body["messages"][0]["content"] for asked in fake.asked)


@pytest.mark.parametrize(
    "policy", ["self_consistency:n=2,weight=entropy", "parallel_probe:n=2", "deep_conf:n=2,first=1", "parallel_muse:budget=2"]
)
async def test_a_policy_that_needs_tokens_is_refused_before_anything_is_asked(
    fake: FakeServer, chat: ChatModel, policy: str
) -> None:
    with pytest.raises(
        ConfigError, match=r"is a text endpoint and .*: sample on an engine .* or choose a policy that does without"
    ):
        await sample("What is 3 + 4?", chat, policy=policy)
    assert fake.asked == []


async def test_an_endpoint_that_refuses_is_an_error_and_no_answer(fake: FakeServer, chat: ChatModel) -> None:
    fake.replies += [Reply(status=400, body={"error": {"message": "max_tokens is too large"}})] * 2
    sampled = await sample("What is 3 + 4?", chat, policy="self_consistency:n=2")
    assert sampled.answer is None
    assert sampled.outcome.error is not None and "answered 400: max_tokens is too large" in sampled.outcome.error
