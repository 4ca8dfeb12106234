"""A chat model whose replies come from a function and whose time comes from the event loop.

    model = ScriptedChat(lambda request: "1. search(\\"a\\")\\n2. join()", seconds_per_token=0.02)

Under `run_virtual` its text comes at exactly that rate and costs no real time. A token is four characters, which is about what English
takes with most tokenizers. Any number of requests are answered at the same speed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

from .base import ChatRequest, Reply
from .stop_texts import StopTexts

CHARACTERS = 4
"""In a token."""

Answer = str | Reply | Exception


class ScriptedChat:
    """Replies what `answer` returns, cut at the request's stop texts and `max_tokens` like any model's.

    An exception is raised in place of a reply. A `Reply` brings tool calls, or counts of its own; without any, tokens of prompt and reply
    are counted as four characters each. `failures` returns the error that a request meets instead of being answered, or None. Constraints
    are the function's own business.
    """

    def __init__(
        self,
        answer: Callable[[ChatRequest], Answer],
        *,
        seconds_per_token: float = 0.0,
        failures: Callable[[ChatRequest], Exception | None] | None = None,
    ) -> None:
        self._answer = answer
        self._seconds_per_token = seconds_per_token
        self._failures = failures
        self.log: list[ChatRequest] = []
        """Every request, in the order in which they came."""

    @property
    def name(self) -> str:
        return "scripted"

    async def reply(self, request: ChatRequest) -> Reply:
        self.log.append(request)
        answer = (self._failures(request) if self._failures is not None else None) or self._answer(request)
        if isinstance(answer, Exception):
            raise answer
        script = Reply(text=answer, finish="stop") if isinstance(answer, str) else answer
        now = asyncio.get_running_loop().time
        started = now()
        tokens = [script.text[at : at + CHARACTERS] for at in range(0, len(script.text), CHARACTERS)]
        stops, shown, num_tokens = StopTexts(request.stop), list[str](), 0
        for num_tokens, token in enumerate(tokens[: request.max_tokens], start=1):
            if request.on_text is not None:
                await asyncio.sleep(started + num_tokens * self._seconds_per_token - now())
            self._show(stops.feed(token), shown, request)
            if stops.stopped:
                break
        await asyncio.sleep(started + num_tokens * self._seconds_per_token - now())
        self._show(stops.end(), shown, request)
        cut = not stops.stopped and len(tokens) > request.max_tokens
        return replace(
            script,
            text="".join(shown),
            finish="stop" if stops.stopped else "length" if cut else script.finish,
            prompt_tokens=script.prompt_tokens or sum(-(-len(message.content) // CHARACTERS) for message in request.messages),
            sampled_tokens=script.sampled_tokens or num_tokens,
            seconds=now() - started,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def _show(self, text: str, shown: list[str], request: ChatRequest) -> None:
        if text:
            shown.append(text)
            if request.on_text is not None:
                request.on_text(text)
