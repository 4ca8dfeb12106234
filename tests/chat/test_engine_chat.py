"""`EngineChat` on a scripted engine whose tokens are those of a byte-level tokenizer. On a real vLLM it is in test_constrained.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from orchestra.chat.base import ChatRequest, Message, Reply
from orchestra.chat.engine_chat import EngineChat
from orchestra.chat.template import ChatTemplate
from orchestra.chat.tokenizer import ChatTokenizer
from orchestra.engine import Constraint
from orchestra.engine.http import HttpEngine
from orchestra.engine.scripted import Script, ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError, EngineError
from tests.engine.fake_server import FakeServer, completion
from tests.engine.fake_server import Reply as Sent

from .byte_model import CHATML, END, byte_tokenizer

BYTES = byte_tokenizer()
TALK = (Message("user", "Hi"),)


def ids(text: str) -> list[int]:
    return BYTES.encode(text).ids


def says(answer: Sequence[int] | Script, **more: Any) -> tuple[EngineChat, ScriptedEngine]:
    engine = ScriptedEngine(lambda _: answer, **more)
    return EngineChat(engine, ChatTokenizer(byte_tokenizer(), ChatTemplate(CHATML), end_ids=[END])), engine


def ask(**more: Any) -> ChatRequest:
    return ChatRequest(messages=TALK, **more)


def reply(answer: Sequence[int] | Script, **more: Any) -> Reply:
    return run_virtual(says(answer)[0].reply(ask(**more)))


def test_the_reply_is_the_text_before_the_end_token_with_its_counts() -> None:
    chat, engine = says([*ids("naïve 😀"), END, *ids("more")], seconds_per_token=1.0)
    answered = run_virtual(chat.reply(ask()))
    num_tokens = len(ids("naïve 😀")) + 1
    assert (answered.text, answered.finish) == ("naïve 😀", "stop")
    assert (answered.sampled_tokens, answered.seconds) == (num_tokens, num_tokens)
    assert engine.log[0][0].prompt == BYTES.encode("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n").ids
    assert answered.prompt_tokens == len(engine.log[0][0].prompt)
    assert answered.cached_tokens == 0


def test_nothing_is_streamed_that_nobody_looks_at() -> None:
    chat, engine = says(ids("a"))
    run_virtual(chat.reply(ask()))
    (request, _) = engine.log[0]
    assert (request.on_tokens, request.on_abort, request.sampling.logprobs) == (None, None, False)


def test_a_request_is_passed_on() -> None:
    chat, engine = says(ids("abc"))
    run_virtual(chat.reply(ask(max_tokens=2, temperature=0.5, seed=3, session="s", priority=4)))
    (request, _) = engine.log[0]
    sampling = request.sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.seed, sampling.stop_token_ids) == (2, 0.5, 3, (END,))
    assert (request.session, request.priority) == ("s", 4)


def test_max_tokens_ends_it_with_whatever_is_there() -> None:
    smile = ids("😀")
    assert len(smile) > 1
    cut = reply([*ids("a"), *smile], max_tokens=2)
    assert (cut.text, cut.finish) == ("a\N{REPLACEMENT CHARACTER}", "length")


@given(text=st.text(max_size=30), stop=st.lists(st.text(min_size=1, max_size=3), max_size=2))
def test_pieces_make_the_text_and_stops_are_cut_exactly(text: str, stop: list[str]) -> None:
    seen = list[str]()
    streamed = reply([*ids(text), END], on_text=seen.append, stop=tuple(stop))
    assert "".join(seen) == streamed.text
    assert streamed.text == reply([*ids(text), END], stop=tuple(stop)).text
    assert text.startswith(streamed.text)
    assert not any(one in streamed.text for one in stop)
    assert streamed.text == text or any(text.startswith(one, len(streamed.text)) for one in stop)


def test_text_comes_while_it_is_decoded() -> None:
    chat, _ = says([*ids("ab 😀"), END], seconds_per_token=1.0)
    seen = list[tuple[float, str]]()

    async def main() -> None:
        await chat.reply(ask(on_text=lambda text: seen.append((asyncio.get_running_loop().time(), text))))

    run_virtual(main())
    assert [text for _, text in seen] == ["a", "b", " ", "😀"]
    assert [at for at, _ in seen] == [1, 2, 3, len(ids("ab 😀"))]


def test_a_stop_text_that_spans_tokens_ends_decoding_there() -> None:
    text, stop = "1. a()\n2. join()", "<END_OF_PLAN>"
    chat, engine = says(ids(f"{text}{stop} and much more, for ever"), seconds_per_token=1.0)
    stopped = run_virtual(chat.reply(ask(stop=(stop,))))
    (_, completion) = engine.log[0]
    assert (stopped.text, stopped.finish) == (text, "stop")
    assert stopped.sampled_tokens == len(completion.token_ids) == stopped.seconds
    assert BYTES.decode(completion.token_ids) == text + stop
    assert run_virtual(engine.running()) == 0


def test_cancelling_the_reply_cancels_the_request() -> None:
    chat, engine = says(ids("for ever" * 100), seconds_per_token=1.0)

    async def main() -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20):
                await chat.reply(ask(stop=("never",)))
        return await engine.running()

    assert run_virtual(main()) == 0
    assert engine.log[0][1].finish == "abort"


def test_an_error_of_who_looks_is_theirs() -> None:
    def broken(_: str) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        reply(ids("abc"), on_text=broken)


def test_an_engine_that_fails_fails_the_reply() -> None:
    with pytest.raises(EngineError, match="broke"):
        reply(Script(token_ids=ids("ab"), error=EngineError("broke")), on_text=lambda _: None)


def test_native_tools_are_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be offered tools natively: describe them"):
        reply(ids("a"), tools=[{"type": "function"}])


def test_an_engine_without_constraints_refuses_them() -> None:
    with pytest.raises(ConfigError, match=r"scripted cannot hold tokens to .*constraints=True"):
        reply(ids("a"), constraint=Constraint(regex="a"))


def test_control_tokens_are_shown_where_they_are_the_models_language(tokenizer: Tokenizer) -> None:
    engine = ScriptedEngine(lambda _: [*ids("a"), 1, *ids("b"), END])
    chat = EngineChat(engine, ChatTokenizer(tokenizer, ChatTemplate(CHATML), end_ids=[END], control_tokens=True))
    assert run_virtual(chat.reply(ask())).text == "a<|im_start|>b"


class TestDroppedConnection:
    """Over HTTP a stream can break off, and the engine then asks again."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    async def chat(self, fake: FakeServer) -> AsyncIterator[EngineChat]:
        fake.pages["/v1/models"] = {"data": [{"id": "bytes"}]}
        fake.reply(completion(5))
        tokenizer = ChatTokenizer(byte_tokenizer(), ChatTemplate(CHATML), end_ids=[END])
        with stamina.set_testing(True, attempts=3):
            async with EngineChat(HttpEngine(fake.url), tokenizer) as chat:
                yield chat

    async def test_what_was_not_handed_out_is_read_anew(self, fake: FakeServer, chat: EngineChat) -> None:
        fake.replies += [
            Sent(events=[completion(*ids("first "), finish=None)], drops=True),
            Sent(events=[completion(*ids("second"), END), "[DONE]"]),
        ]
        assert (await chat.reply(ask(stop=("never",)))).text == "second"

    async def test_after_a_piece_was_handed_out_it_fails(self, fake: FakeServer, chat: EngineChat) -> None:
        seen = list[str]()
        fake.replies += [
            Sent(events=[completion(*ids("first "), finish=None)], drops=True),
            Sent(events=[completion(*ids("second"), END), "[DONE]"]),
        ]
        with pytest.raises(EngineError, match="dropped after a part of the reply had been handed out"):
            await chat.reply(ask(on_text=seen.append))
        assert "".join(seen) == "first "
