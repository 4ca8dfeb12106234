"""Chats with an engine: messages become token ids by the model's own template, and sampled ids become text as they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from ..engine import Completion, Engine, Request, Sampling
from ..errors import ConfigError, EngineError
from .base import ChatRequest, Reply
from .stop_texts import StopTexts
from .tokenizer import ChatTokenizer


class EngineChat:
    """A chat model on any `Engine`. Entering it starts the engine and leaving stops it; over an engine that runs already, do neither.

    A reply ends with one of the model's end tokens (those of its tokenizer_config.json, generation_config.json and config.json), before
    a stop text, or at `max_tokens`. Tokens that went into a stop text are counted, and no more are sampled.

    Args:
        tokenizer: folder with the model's tokenizer.json and its chat template, or one that was made by hand.
        template: jinja2 in place of the model's own template; without either, messages are written as "User: …".
        control_tokens: messages may hold control tokens, and replies show them: for models whose language consists of them.
    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: str | Path | ChatTokenizer,
        *,
        template: str | None = None,
        control_tokens: bool = False,
    ) -> None:
        self.engine = engine
        self.tokenizer = (
            tokenizer
            if isinstance(tokenizer, ChatTokenizer)
            else ChatTokenizer.load(Path(tokenizer), template=template, control_tokens=control_tokens)
        )

    @property
    def name(self) -> str:
        return f"{self.engine.name} (chat)"

    async def reply(self, request: ChatRequest) -> Reply:
        if request.tools:
            raise ConfigError(
                f"{self.name} writes text only, so it cannot be offered tools natively: describe them in the messages and have the"
                " model write a plan, or use an endpoint with native tool calls"
            )
        started = self.engine.now()
        prompt = self.tokenizer.encode(request.messages)
        stops = (*request.stop, *self.tokenizer.stop)
        reading = _Reading(self.tokenizer, stops, request.on_text)
        completion = await self._complete(request, prompt, reading, watched=bool(stops) or request.on_text is not None)
        return Reply(
            text=reading.end(),
            finish="stop" if reading.stopped or completion.finish == "stop" else "length",
            prompt_tokens=len(prompt),
            sampled_tokens=len(completion.token_ids),
            cached_tokens=completion.cached_tokens,
            seconds=self.engine.now() - started,
        )

    async def _complete(self, request: ChatRequest, prompt: Sequence[int], reading: _Reading, *, watched: bool) -> Completion:
        sampling = Sampling(
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            seed=request.seed,
            stop_token_ids=self.tokenizer.end_ids,
            logprobs=False,
            constraint=request.constraint,
        )
        try:
            completion = await self.engine.generate(
                Request(
                    prompt=prompt,
                    sampling=sampling,
                    session=request.session,
                    priority=request.priority,
                    traceparent=request.traceparent,
                    on_tokens=reading.take if watched else None,
                    on_abort=reading.interrupt if watched else None,
                )
            )
        except _Stopped:
            assert reading.interrupted is not None, "engines report what an ended request had sampled"
            return reading.interrupted
        if not watched:
            reading.take(completion.token_ids)
        return completion

    async def __aenter__(self) -> Self:
        await self.engine.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.engine.__aexit__(kind, error, trace)


class _Stopped(Exception):
    """Ends a request from inside its `on_tokens`."""


class _Reading:
    """The text of one reply, while its tokens come."""

    def __init__(self, tokenizer: ChatTokenizer, stops: Sequence[str], on_text: Callable[[str], None] | None) -> None:
        self.interrupted: Completion | None = None
        """What an attempt had sampled that ended without a result: at a stop text, or because a connection dropped."""
        self._on_text = on_text
        self._tokenizer = tokenizer
        self._stops = stops
        self._begin()

    @property
    def stopped(self) -> bool:
        return self._filter.stopped

    def take(self, token_ids: Sequence[int]) -> None:
        """Raises `_Stopped` at a stop text."""
        if self.interrupted is not None:
            self._begin_again()
        self._show(self._filter.feed(self._detokenizer.feed(token_ids)))
        if self.stopped:
            raise _Stopped

    def interrupt(self, completion: Completion) -> None:
        self.interrupted = completion

    def end(self) -> str:
        """The whole text."""
        self._show(self._filter.feed(self._detokenizer.end()) + self._filter.end())
        return self._text

    def _begin_again(self) -> None:
        """The engine asks again, after a dropped connection."""
        if self._text and self._on_text is not None:
            raise EngineError(
                "the connection dropped after a part of the reply had been handed out, and a second one need not begin like the first:"
                " ask again"
            )
        self.interrupted = None
        self._begin()

    def _begin(self) -> None:
        self._detokenizer = self._tokenizer.detokenizer()
        self._filter = StopTexts(self._stops)
        self._text = ""

    def _show(self, text: str) -> None:
        self._text += text
        if text and self._on_text is not None:
            self._on_text(text)
