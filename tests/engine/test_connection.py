"""What `HttpEngine` and `ChatEngine` both make of a server that is full, broken, gone, or no such server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import stamina
from fake_server import FakeServer, Reply, completion, fake_server, said
from tiny_model import Words

from orchestra.engine.base import Completion, Engine, Request, Sampling
from orchestra.engine.chat import ChatEngine
from orchestra.engine.http import HttpEngine
from orchestra.engine.open import open_engine
from orchestra.errors import ConfigError, EngineError

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Client:
    """An engine that talks to a server, and how its server answers."""

    open: Callable[..., HttpEngine | ChatEngine]
    answer: Callable[..., dict[str, Any]]
    greeting: Sequence[Any]
    """What the server answers while the engine is entered."""


CLIENTS = {
    "http": Client(HttpEngine, completion, [completion(5)]),
    "chat": Client(lambda url, **more: ChatEngine(url, "tiny", Words(), **more), said, []),
}


@pytest.fixture(autouse=True)
def three_attempts_without_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


@pytest.fixture
async def fake() -> AsyncIterator[FakeServer]:
    async with fake_server() as server:
        yield server


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    return CLIENTS[request.param]


@pytest.fixture
async def engine(fake: FakeServer, client: Client) -> AsyncIterator[Engine]:
    fake.reply(*client.greeting)
    async with client.open(fake.url) as engine:
        fake.asked.clear()
        yield engine


def ask(max_tokens: int = 10, **more: Any) -> Request:
    return Request(prompt=[7, 8, 9], sampling=Sampling(max_tokens=max_tokens), **more)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_full_server_is_asked_again(fake: FakeServer, client: Client, engine: Engine, status: int) -> None:
    full = Reply(status=status, body={"error": {"message": "the queue is full"}})
    fake.replies += [full, full, Reply(body=client.answer(3))]
    assert (await engine.generate(ask())).token_ids == [3]
    fake.replies += [full, full, full]
    with pytest.raises(EngineError, match=f"{fake.url}/v1 answered {status}: the queue is full .*lower the concurrency") as caught:
        await engine.generate(ask())
    assert caught.value.status == status


async def test_a_server_says_how_long_to_wait(fake: FakeServer, client: Client, engine: Engine) -> None:
    fake.replies += [Reply(status=503, headers={"Retry-After": "1"}, body={}), Reply(body=client.answer(3))]
    waits = list[float]()
    stamina.instrumentation.set_on_retry_hooks([lambda details: waits.append(details.wait_for)])
    try:
        with stamina.set_testing(False):
            await engine.generate(ask())
    finally:
        stamina.instrumentation.set_on_retry_hooks(None)
    assert waits == [1.0]


async def test_a_connection_that_breaks_before_the_answer_is_tried_again(fake: FakeServer, client: Client, engine: Engine) -> None:
    fake.replies += [Reply(drops=True), Reply(body=client.answer(3))]
    assert (await engine.generate(ask())).token_ids == [3]


async def test_patience_begins_with_the_first_failure(fake: FakeServer, client: Client) -> None:
    fake.reply(*client.greeting)
    fake.replies += [Reply(drops=True, after_s=0.4), Reply(body=client.answer(3))]
    with stamina.set_testing(False):
        async with client.open(fake.url, patience_s=0.2) as engine:
            assert (await engine.generate(ask())).token_ids == [3]


async def test_patience_ends(fake: FakeServer, client: Client) -> None:
    fake.reply(*client.greeting)
    fake.replies += [Reply(drops=True)] * 100
    with stamina.set_testing(False):
        async with client.open(fake.url, patience_s=0.2) as engine:
            before = time.monotonic()
            with pytest.raises(EngineError, match="does not answer"):
                await engine.generate(ask())
    assert time.monotonic() - before < 5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
async def test_what_another_try_cannot_help_is_tried_once(fake: FakeServer, engine: Engine, status: int) -> None:
    fake.replies += [Reply(status=status, body={"error": {"message": "no"}})]
    with pytest.raises(EngineError, match=f"answered {status}: no") as caught:
        await engine.generate(ask())
    assert caught.value.status == status
    assert len(fake.asked) == 1


@pytest.mark.parametrize("ending", [{"drops": True}, {}], ids=["broken off", "closed"])
async def test_tokens_of_an_interrupted_stream_are_waste_and_the_request_starts_again(
    fake: FakeServer, client: Client, engine: Engine, ending: dict[str, Any]
) -> None:
    wasted, seen = list[Completion](), list[Sequence[int]]()
    fake.replies += [
        Reply(events=[client.answer(3, finish=None), client.answer(4, 5, finish=None)], **ending),
        Reply(events=[client.answer(6, finish=None), client.answer(7, finish="length"), "[DONE]"]),
    ]
    done = await engine.generate(ask(on_tokens=seen.append, on_abort=wasted.append))
    assert (done.token_ids, done.finish) == ([6, 7], "length")
    assert [(completion.token_ids, completion.finish) for completion in wasted] == [([3, 4, 5], "abort")]
    assert seen == [[3], [4, 5], [6], [7]]


@pytest.mark.parametrize(
    "error", [{"message": "engine died", "code": 500}, {"message": "engine died", "code": "dead"}, "engine died"]
)
async def test_an_error_in_a_stream_is_raised_and_its_tokens_are_waste(
    fake: FakeServer, client: Client, engine: Engine, error: Any
) -> None:
    wasted = list[Completion]()
    fake.replies += [Reply(events=[client.answer(3, finish=None), {"error": error}])]
    with pytest.raises(EngineError, match=f"{fake.url}/v1 failed .*: engine died .*log"):
        await engine.generate(ask(on_abort=wasted.append))
    assert [completion.token_ids for completion in wasted] == [[3]]
    assert len(fake.asked) == 1


async def test_a_refusal_in_a_stream_is_the_requests_fault(fake: FakeServer, engine: Engine) -> None:
    fake.replies += [Reply(events=[{"error": {"message": "bad grammar", "code": 400}}])]
    with pytest.raises(EngineError, match=f"{fake.url}/v1 refused the request: bad grammar") as caught:
        await engine.generate(ask(on_tokens=lambda _: None))
    assert caught.value.status == 400


NO_ANSWERS = [
    "<html>gateway</html>",
    [],
    {},
    {"choices": None},
    {"choices": [{}]},
    {"choices": [{"token_ids": ["?"], "message": {"content": 5}, "logprobs": None, "finish_reason": "stop"}]},
    {"choices": [{"token_ids": [], "message": None, "logprobs": None, "finish_reason": "stop"}]},
    {"error": "boom"},
]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("body", NO_ANSWERS, ids=str)
async def test_what_is_no_answer_is_an_error_with_the_address(fake: FakeServer, engine: Engine, body: Any, streamed: bool) -> None:
    fake.replies += [Reply(events=[body], body=body) if streamed else Reply(body=body)]
    with pytest.raises(EngineError, match=f"{fake.url}/v1 .*log"):
        await engine.generate(ask(on_abort=(lambda _: None) if streamed else None))
    assert len(fake.asked) == 1


async def test_a_page_in_place_of_a_stream_is_an_error_with_the_address(fake: FakeServer, engine: Engine) -> None:
    fake.replies += [Reply(body="<html>gateway</html>")]
    with pytest.raises(EngineError, match=f"{fake.url}/v1 gave .*<html>gateway.*Check that the address"):
        await engine.generate(ask(on_tokens=lambda _: None))
    assert len(fake.asked) == 1


async def test_tokens_are_reported_when_a_callback_raises(fake: FakeServer, client: Client, engine: Engine) -> None:
    def broken(_: Sequence[int]) -> None:
        raise LookupError("in the callback")

    wasted = list[Completion]()
    fake.replies += [Reply(events=[client.answer(3, 4, finish=None), client.answer(5), "[DONE]"])]
    with pytest.raises(LookupError):
        await engine.generate(ask(on_tokens=broken, on_abort=wasted.append))
    assert [completion.token_ids for completion in wasted] == [[3, 4]]


async def test_cancelling_closes_the_connection(fake: FakeServer, client: Client, engine: Engine) -> None:
    aborted, seen = list[Completion](), asyncio.Event()
    fake.replies += [Reply(events=[client.answer(3, finish=None)], hangs=True)]
    task = asyncio.create_task(engine.generate(ask(on_tokens=lambda _: seen.set(), on_abort=aborted.append)))
    await seen.wait()
    assert await engine.running() == 1  # this server has no metrics
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert [completion.token_ids for completion in aborted] == [[3]]
    assert await engine.running() == 0
    await fake.left.wait()


async def test_a_server_that_is_not_there_is_named(client: Client) -> None:
    async with fake_server() as gone:
        pass
    with pytest.raises(EngineError, match=f"{gone.url}/v1 does not answer .*check the address"):
        async with client.open(gone.url):
            pass


async def test_a_server_that_goes_away_is_named(fake: FakeServer, engine: Engine) -> None:
    fake.replies += [Reply(drops=True)] * 3
    with pytest.raises(EngineError, match=f"{fake.url}/v1 does not answer .*its log"):
        await engine.generate(ask())


@pytest.mark.parametrize("url", ["http://:::", "http://", "https://", "localhost:8000", "ftp://host", "http://host:99999"])
async def test_what_is_no_address_is_a_matter_of_configuration(client: Client, url: str) -> None:
    with pytest.raises(ConfigError, match=f"'{url}' is not the address of a server .*http://HOST:PORT"):
        client.open(url)


async def test_a_refused_key_is_a_matter_of_configuration(fake: FakeServer, client: Client) -> None:
    fake.pages["/v1/models"] = Reply(status=401, body={"error": {"message": "who are you?"}})
    with pytest.raises(ConfigError, match="who are you.*`api_key`.*ORCHESTRA_API_KEY"):
        async with client.open(fake.url):
            pass


async def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(client: Client) -> None:
    with pytest.raises(ConfigError, match="the API key holds") as caught:
        client.open("http://host", api_key="secret\n")
    assert "secret" not in str(caught.value)


async def test_the_key_is_taken_from_the_environment(fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRA_API_KEY", "secret")
    fake.reply(completion(5))
    async with open_engine(fake.url):
        assert fake.asked[-1].headers["authorization"] == "Bearer secret"
