"""Text sources on scripted engines in virtual time, with the tokens of a byte-level tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestra.answers import Equivalence
from orchestra.chat.template import ChatTemplate
from orchestra.chat.tokenizer import ChatTokenizer
from orchestra.engine import Engine
from orchestra.engine.scripted import Script, ScriptedEngine
from orchestra.sample.source import LiveTrace
from orchestra.sample.text_source import TextSource
from orchestra.sample.text_state import TextState
from tests.chat.byte_model import CHATML, END, byte_tokenizer

BYTES = byte_tokenizer()
ANSWERS = Equivalence()


def ids(text: str) -> list[int]:
    return list(BYTES.encode(text).ids)


def chat_tokenizer(template: str = CHATML, stop: tuple[str, ...] = ()) -> ChatTokenizer:
    return ChatTokenizer(byte_tokenizer(), ChatTemplate(template, stop=stop), end_ids=[END])


def engine_that_says(*texts: str | Sequence[int] | Script, **more: Any) -> ScriptedEngine:
    """One text a request, in their order, each with its end token."""
    left = iter([[*ids(text), END] if isinstance(text, str) else text for text in texts])
    return ScriptedEngine(lambda _: next(left), **more)


def source_on(engine: Engine, problem: str = "What is 3 + 4?", **more: Any) -> TextSource:
    options: dict[str, Any] = {"answers": ANSWERS, "problem_id": "p", "max_tokens": 500, "seed": 1, **more}
    return TextSource(engine, options.pop("tokenizer", None) or chat_tokenizer(), problem, **options)


def trace_of(number: int = 0, **more: Any) -> LiveTrace:
    return LiveTrace(id=number, session="s", **more)


def chat_prompt(source: TextSource) -> list[int]:
    """What a fresh trace begins with."""
    trace = trace_of()
    source._state(trace)
    assert isinstance(trace.state, TextState)
    return list(trace.state.prompt)
