"""A random model on a real vLLM writes what it is held to, in process and over both interfaces of a server, and survives bad constraints."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from orchestra.chat.base import ChatModel, ChatRequest, Message
from orchestra.chat.engine_chat import EngineChat
from orchestra.chat.http_chat import HttpChat
from orchestra.engine import Constraint, Engine, Request, Sampling
from orchestra.engine.http import HttpEngine
from orchestra.errors import EngineError

from .byte_model import byte_tokenizer

jsonschema = pytest.importorskip("jsonschema", reason="vLLM brings it")
pytestmark = [pytest.mark.anyio, pytest.mark.vllm]


@pytest.fixture(scope="session")
async def in_process(vllm_engine: Engine, model: Path) -> ChatModel:
    return EngineChat(vllm_engine, model)


@pytest.fixture(scope="session")
async def http_engine(server: str, model: Path) -> AsyncIterator[ChatModel]:
    async with EngineChat(HttpEngine(server), model) as chat:
        yield chat


@pytest.fixture(scope="session")
async def http_chat(server: str) -> AsyncIterator[ChatModel]:
    async with HttpChat(server) as chat:
        yield chat


@pytest.fixture(params=["in_process", "http_engine", "http_chat"], scope="module")
def chat(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


TEXT = {"type": "string", "pattern": '^[^"\\\\\\x00-\\x1f]{0,8}$'}
PLAN_SCHEMA = {
    "type": "object",
    "properties": {
        "nodes": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "integer", "minimum": 1, "maximum": 99},
                    "tool": {"enum": ["search", "calculate"]},
                    "arguments": {
                        "type": "object",
                        "properties": {"query": TEXT},
                        "required": ["query"],
                        "additionalProperties": False,
                    },
                },
                "required": ["id", "tool", "arguments"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["nodes"],
    "additionalProperties": False,
}
PLAN_GRAMMAR = r"""
root ::= line{1,4} "join()"
line ::= [1-9] ". " ("search" | "calculate") "(" argument (", " argument)? ")\n"
argument ::= "\"" [^"\\\n\x00-\x1f]{0,8} "\"" | "$" [1-9]
"""
PLAN_REGEX = r"([a-c]{3}-\d{1,5}(é|日本|😀){2} )+x{3,5}"


def is_plan(text: str) -> bool:
    """Reads it by hand, for what the grammar says."""
    *lines, last = text.split("\n")
    for line in lines:
        number, _, call = line.partition(". ")
        tool, _, arguments = call.removesuffix(")").partition("(")
        fits = number in "123456789" and call.endswith(")") and tool in ("search", "calculate")
        if not (fits and re.fullmatch(r'("[^"]{0,8}"|\$[1-9])(, ("[^"]{0,8}"|\$[1-9]))?', arguments)):
            return False
    return last == "join()" and 1 <= len(lines) <= 4


def keeps_to_schema(text: str) -> bool:
    jsonschema.validate(json.loads(text), PLAN_SCHEMA)
    return True


CONSTRAINTS: dict[str, tuple[Constraint, Callable[[str], object]]] = {
    "schema": (Constraint(json_schema=PLAN_SCHEMA), keeps_to_schema),
    "grammar": (Constraint(grammar=PLAN_GRAMMAR), is_plan),
    "regex": (Constraint(regex=PLAN_REGEX), re.compile(PLAN_REGEX).fullmatch),
}


def ask(constraint: Constraint | None = None, **more: Any) -> ChatRequest:
    more = {"max_tokens": 600, "temperature": 1.0, **more}
    return ChatRequest(messages=[Message("user", "Plan!")], constraint=constraint, **more)


@pytest.mark.parametrize("kind", CONSTRAINTS)
async def test_what_the_model_writes_always_matches_and_comes_in_pieces(chat: ChatModel, kind: str) -> None:
    constraint, matches = CONSTRAINTS[kind]
    seen = [list[str]() for _ in range(16)]
    replies = await asyncio.gather(
        *(chat.reply(ask(constraint, seed=seed, on_text=pieces.append)) for seed, pieces in enumerate(seen))
    )
    finished = [reply for reply in replies if reply.finish == "stop"]
    assert len(finished) >= 12  # others may repeat a part for ever
    assert all(matches(reply.text) for reply in finished)
    assert len({reply.text for reply in finished}) > 8
    for reply, pieces in zip(replies, seen, strict=True):
        assert "".join(pieces) == reply.text
        assert len(pieces) > 1


async def test_greedy_replies_match_too(chat: ChatModel) -> None:
    reply = await chat.reply(ask(Constraint(grammar=PLAN_GRAMMAR), temperature=0.0))
    assert reply.finish == "stop"
    assert is_plan(reply.text)


async def test_a_model_that_runs_out_of_tokens_has_written_a_beginning(chat: ChatModel) -> None:
    reply = await chat.reply(ask(Constraint(regex="(abc){50}"), max_tokens=9))
    assert (reply.finish, reply.sampled_tokens) == ("length", 9)
    assert ("abc" * 50).startswith(reply.text)


async def test_a_free_request_beside_constrained_ones_writes_what_it_writes_alone(chat: ChatModel) -> None:
    free = ask(max_tokens=40, temperature=0.0)
    alone = (await chat.reply(free)).text
    together = await asyncio.gather(chat.reply(free), *(chat.reply(ask(Constraint(regex="(a|b){60}"))) for _ in range(8)))
    assert together[0].text == alone
    assert all(re.fullmatch("(a|b){60}", reply.text) for reply in together[1:])


BAD = {
    "a grammar that is none": (Constraint(grammar="root ::= ("), "grammar"),
    "a grammar without a root": (Constraint(grammar='start ::= "a"'), "grammar"),
    "an unknown rule": (Constraint(grammar="root ::= other"), "grammar"),
    "an empty grammar": (Constraint(grammar=""), "grammar cannot be an empty string"),
    "a regex that is none": (Constraint(regex="(a"), "parenthesis is not closed"),
    "a regex with lookahead": (Constraint(regex="(?=a)a"), "Lookahead is not supported"),
    "an unknown type": (Constraint(json_schema={"type": "nonsense"}), "nonsense"),
    "a schema without solution": (
        Constraint(json_schema={"type": "integer", "minimum": 5, "maximum": 2}),
        "minimum greater than maximum",
    ),
    "a schema that xgrammar cannot hold": (
        Constraint(json_schema={"type": "array", "items": {"type": "integer"}, "uniqueItems": True}),
        "not supported by xgrammar",
    ),
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_constraint_is_refused_with_the_reason_and_does_no_harm(chat: ChatModel, kind: str) -> None:
    constraint, reason = BAD[kind]
    with pytest.raises(EngineError, match=f"(?s)(refused|answered 400).*{reason}"):
        await chat.reply(ask(constraint))
    assert (await chat.reply(ask(Constraint(regex="ab")))).text == "ab"


async def test_where_a_grammar_fails_is_said_in_process(vllm_engine: Engine) -> None:
    request = Request(prompt=[5], sampling=Sampling(max_tokens=5, constraint=Constraint(grammar="root ::= other")))
    with pytest.raises(EngineError, match='line 1.*"other" is not defined'):
        await vllm_engine.generate(request)


async def test_a_constraint_that_leaves_no_token_ends_its_request_only(vllm_engine: Engine) -> None:
    """Here the constraint needs a token that is also a stop token."""
    (stop,) = byte_tokenizer().encode("a").ids
    sampling = Sampling(max_tokens=9, stop_token_ids=(stop,), constraint=Constraint(grammar='root ::= "ba"'))
    with pytest.raises(EngineError, match="the constraint allowed none that this model can write.*no stop token is part of it"):
        await vllm_engine.generate(Request(prompt=[5], sampling=sampling))
    free = await vllm_engine.generate(Request(prompt=[5], sampling=Sampling(max_tokens=9)))
    assert len(free.token_ids) == 9


async def test_a_stop_text_ends_a_constrained_reply(chat: ChatModel) -> None:
    reply = await chat.reply(ask(Constraint(regex="(a|b){3}END(a|b){50}"), stop=("END",)))
    assert re.fullmatch("(a|b){3}", reply.text)
    assert reply.finish == "stop"


async def test_usage_is_counted(chat: ChatModel) -> None:
    reply = await chat.reply(ask(Constraint(regex="[a-z]{20}")))
    assert reply.prompt_tokens
    assert reply.sampled_tokens
    assert 1 < reply.sampled_tokens <= 21
    again = await chat.reply(ask(Constraint(regex="[a-z]{20}")))
    assert again.cached_tokens is not None
