"""A chat model whose requests have OpenTelemetry spans."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import TracebackType
from typing import Self

from ..errors import ConfigError, EngineError
from ..trace import spans
from ..trace.otel import Tracing
from .base import ChatModel, ChatRequest, Reply


class TracedChat:
    """Spans lie below the `traceparent` of their request, or below the caller's current span where it has none. Texts are not recorded.

    Args:
        model: what the spans call it; None takes the model's name.
        provider: who runs it, in the conventions' words ("openai", "anthropic", "vllm" …).
    """

    def __init__(self, chat: ChatModel, tracing: Tracing, *, model: str | None = None, provider: str = "vllm") -> None:
        self._chat = chat
        self._tracing = tracing
        self._model = model
        self._provider = provider

    @property
    def name(self) -> str:
        return self._chat.name

    async def reply(self, request: ChatRequest) -> Reply:
        model = self._model or self._chat.name
        span = self._tracing.start(
            "chat",
            model,
            parent=request.traceparent,
            kind="client",
            attributes={
                spans.PROVIDER: self._provider,
                spans.MODEL: model,
                spans.CONVERSATION: request.session or None,
                spans.MAX_TOKENS: request.max_tokens,
                spans.TEMPERATURE: request.temperature,
                spans.SEED: request.seed,
            },
        )
        try:
            reply = await self._chat.reply(replace(request, traceparent=span.traceparent))
        except (EngineError, ConfigError) as error:
            span.fail(str(error), type(error).__qualname__)
            raise
        except asyncio.CancelledError:
            span.set({spans.FINISH: ["abort"]})
            raise
        else:
            span.set(
                {
                    spans.FINISH: ["tool_calls" if reply.finish == "tools" else reply.finish],
                    spans.INPUT_TOKENS: reply.prompt_tokens,
                    spans.OUTPUT_TOKENS: reply.sampled_tokens,
                    spans.CACHED_TOKENS: reply.cached_tokens,
                }
            )
            return reply
        finally:
            span.end()

    async def __aenter__(self) -> Self:
        await self._chat.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._chat.__aexit__(kind, error, trace)
