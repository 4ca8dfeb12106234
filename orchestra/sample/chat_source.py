"""Traces of a text problem on any chat model, such as an endpoint that takes messages and gives text.

Without token ids a trace can be launched, watched, aborted, shown to others and judged, but not continued from its middle, probed or scored.
Counts come from the endpoint once a reply has ended. Until then, and for ever when a trace is aborted, the pieces of its stream are counted,
each of which holds one token or more: `sampled` is then a lower bound, and `sampled + overshoot` an upper one.
"""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass, field
from typing import NoReturn

from ..answers import Equivalence, extract
from ..chat.base import ChatModel, ChatRequest, Message, Reply
from ..errors import ConfigError
from .decisions import Branch, Fresh, Revise
from .prompts import WITHOUT_ANSWER, attempts, render
from .source import Ending, LiveTrace, Usage

_MIDDLE = "cannot go on from the middle of a reply, which probes and branches do"


@dataclass(slots=True)
class _Heard:
    """`LiveTrace.state` of a `ChatSource`."""

    pieces: list[str] = field(default_factory=list)


class ChatSource:
    """Samples `problem`. Entering and leaving the model and `answers` is the caller's. Arguments are those of `TextSource`.

    Replies are always streamed, because a policy may abort any of them and what was sampled until then is only known from the stream. A
    connection that drops in mid-stream therefore loses its trace.
    """

    def __init__(
        self,
        model: ChatModel,
        problem: str,
        *,
        answers: Equivalence,
        problem_id: str,
        max_tokens: int,
        temperature: float = 1.0,
        seed: int | None = None,
        system: str | None = None,
        template: str = "problem",
    ) -> None:
        if max_tokens < 1:
            raise ConfigError(f"`max_tokens` must be at least 1, got {max_tokens}")
        if temperature < 0:
            raise ConfigError(f"`temperature` must not be negative, got {temperature}")
        self.model = model
        self._problem = problem
        self._answers = answers
        self._problem_id = problem_id
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._seed = seed
        self._system = system
        self._fresh = render(template, problem=problem)

    def now(self) -> float:
        """On the event loop's clock: a chat model has none."""
        return asyncio.get_running_loop().time()

    async def run(self, trace: LiveTrace) -> Ending:
        """Raises `EngineError` when the model fails, and, before anything is sampled, `ConfigError` for a trace that is to be scored, probed or
        branched."""
        if trace.top_logprobs:
            self._refuse("gives no log-probabilities to score tokens with")
        if trace.continued:
            self._refuse(_MIDDLE)
        heard = _Heard()
        trace.state = heard
        request = ChatRequest(
            messages=self._messages(trace),
            max_tokens=self._max_tokens,
            temperature=self._temperature,
            seed=None if self._seed is None else zlib.crc32(f"{self._seed}/{self._problem_id}/{trace.id}".encode()),
            session=trace.session,
            traceparent=trace.traceparent,
            on_text=lambda text: _hear(trace, heard, text),
        )
        reply: Reply | None = None
        try:
            reply = await self.model.reply(request)
        finally:
            trace.usage = _usage(reply, len(heard.pieces), self._max_tokens)
            trace.text = reply.text if reply is not None else "".join(heard.pieces)
        prepares = isinstance(trace.start, Revise) and trace.start.purpose in WITHOUT_ANSWER
        trace.answer_text = None if prepares else extract(reply.text)
        answer = await self._answers.key(self._problem_id, trace.answer_text)
        return Ending(answer=answer, cut=reply.finish == "length")

    async def probe(self, trace: LiveTrace) -> tuple[str | None, Usage]:
        """Always raises `ConfigError`."""
        self._refuse(_MIDDLE)

    def words(self, trace: LiveTrace, tokens: int | None) -> str:
        """`tokens` counts pieces of the stream."""
        if not isinstance(trace.state, _Heard):
            return trace.text
        return "".join(trace.state.pieces[:tokens])

    def _messages(self, trace: LiveTrace) -> list[Message]:
        match trace.start:
            case Fresh():
                text = self._fresh
            case Branch():
                self._refuse(_MIDDLE)
            case Revise(purpose=purpose):
                shown = attempts([(other.text, other.answer_text) for other in trace.shown])
                text = render(purpose, problem=self._problem, attempts=shown)
        system = [Message("system", self._system)] if self._system is not None else []
        return [*system, Message("user", text)]

    def _refuse(self, what: str) -> NoReturn:
        raise ConfigError(
            f"{self.model.name} is a text endpoint and {what}: sample on an engine that works on token ids (`open_chat` with a model folder, or"
            " the engine of a vLLM server together with its `tokenizer`), or choose a policy that does without, such as adaptive"
        )


def _hear(trace: LiveTrace, heard: _Heard, text: str) -> None:
    heard.pieces.append(text)
    if trace.on_tokens is not None and trace.watched:
        trace.on_tokens(1, None)


def _usage(reply: Reply | None, pieces: int, max_tokens: int) -> Usage:
    """From the reply; without one, or where it does not say, from the pieces."""
    if reply is None:
        pieces = min(pieces, max_tokens)
        return Usage(sampled=pieces, span=pieces, overshoot=max_tokens - pieces)
    sampled = pieces if reply.sampled_tokens is None else reply.sampled_tokens
    usage = Usage(sampled=sampled, span=sampled, prefill=None, cached=None)
    if reply.prompt_tokens is not None and reply.cached_tokens is not None:
        usage.prefill, usage.cached = reply.prompt_tokens - reply.cached_tokens, reply.cached_tokens
    return usage
