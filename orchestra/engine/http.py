"""vLLM over HTTP: token ids to and from `/v1/completions` of a server, or of a router in front of several."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from ..errors import ConfigError, EngineError
from .base import Capabilities, Completion, Finish, Request, Timings
from .connection import Connection, Unavailable


class HttpEngine:
    """A vLLM server, or a router in front of several, started with `vllm serve MODEL --enable-prompt-tokens-details
    --logprobs-mode processed_logprobs`.

    Without the first flag completions have no `cached_tokens`. Without the second they have `logprobs` only where vLLM's raw ones are
    those of the distribution that was drawn from: at temperature 0 or 1 with `top_p` 1. `async with` asks the server which it has,
    by sampling one token.

    Requests with `on_tokens` or `on_abort` are streamed, because nothing else says what a cancelled one had sampled; cancelling closes
    the connection, which makes vLLM abort within a step. After a dropped connection the request is sent again, and its `on_tokens`
    deltas begin again. Decoding ends at the requested stop ids and at the end tokens of the served model.

    Args:
        url: of the server, such as "http://localhost:8000".
        model: as the server calls it; may be left out when it serves one only.
        priority: pass `Request.priority` on, which needs a server with `--scheduling-policy priority`.
        patience_s: how long to go on trying while the server is full or does not answer.
    """

    def __init__(
        self, url: str, model: str | None = None, *, api_key: str | None = None, priority: bool = False, patience_s: float = 120.0
    ) -> None:
        self._connection = Connection(url, api_key=api_key, patience_s=patience_s)
        self._model = model
        self._priority = priority
        self._in_flight = 0
        self._processed_logprobs = False
        self._capabilities = Capabilities(token_exact=True, logprobs=True, cached_tokens=False)

    @property
    def name(self) -> str:
        return f"{self._model} at {self._connection.url}"

    @property
    def capabilities(self) -> Capabilities:
        """Known once the engine has been entered."""
        return self._capabilities

    def now(self) -> float:
        return time.monotonic()

    async def generate(self, request: Request) -> Completion:
        body = self._body(request)
        headers = {"X-Session-ID": request.session} if request.session else {}

        async def attempt() -> Completion:
            sampled = _Sampled(request, submitted=self.now())
            try:
                async with aclosing(self._connection.post("completions", body, headers)) as events:
                    async for event in events:
                        sampled.add(event, self.now())
                return sampled.completion(self.now())
            except asyncio.CancelledError:
                sampled.abandon(self.now())
                raise
            except EngineError:
                if sampled.token_ids:
                    sampled.abandon(self.now())
                raise

        self._in_flight += 1
        try:
            completion = await self._connection.retry(attempt)
        finally:
            self._in_flight -= 1
        return completion

    async def running(self) -> int:
        """What the server's metrics say, other clients' requests included; where it has none, this client's own requests."""
        metrics = await self._connection.metrics()
        counts = re.findall(r"^vllm:num_requests_(?:running|waiting)\{[^}]*\} (\S+)", metrics, re.MULTILINE)
        return sum(int(float(count)) for count in counts) if counts else self._in_flight

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        models = await self._connection.models()
        if self._model is None and len(models) == 1:
            (self._model,) = models
        if self._model not in models:
            raise ConfigError(f"{self._connection.url} has no model {self._model!r}: pass one of {list(models)} as `model`")
        await self._probe(models[self._model])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.__aexit__(kind, error, trace)

    async def _probe(self, context: int | None) -> None:
        """Samples one token to learn what the server reports, so that a wrong server is found out now and not in mid-run."""
        # With `top_k=1` one token has all the probability: its processed log-probability is 0, its raw one is not.
        body = {"model": self._model, "prompt": [1], "max_tokens": 1, "temperature": 1.0, "top_k": 1, "logprobs": 0, "return_token_ids": True}
        (event,) = [event async for event in self._connection.post("completions", body, {})]
        (choice,) = event["choices"]
        if choice.get("token_ids") is None:
            raise ConfigError(
                f"{self._connection.url} returns no token ids, so it is not a vLLM server:"
                " use `ChatEngine` for it, which works with text and is not token-exact"
            )
        self._processed_logprobs = choice["logprobs"]["token_logprobs"] == [0.0]
        block = re.search(r'^vllm:cache_config_info\{.*\bblock_size="(\d+)"', await self._connection.metrics(), re.MULTILINE)
        self._capabilities = Capabilities(
            token_exact=True,
            logprobs=True,
            cached_tokens=event["usage"].get("prompt_tokens_details") is not None,
            cache_block=int(block[1]) if block else None,
            context=context,
        )

    def _body(self, request: Request) -> dict[str, Any]:
        sampling, context = request.sampling, self._capabilities.context
        max_tokens = sampling.max_tokens
        if context is not None:
            if len(request.prompt) >= context:
                raise EngineError(
                    f"the prompt has {len(request.prompt)} tokens and leaves no room for an answer in the context of {context} of"
                    f" {self.name}: shorten it, or start the server with a larger `--max-model-len`"
                )
            max_tokens = min(max_tokens, context - len(request.prompt))
        raw_is_right = sampling.temperature in (0.0, 1.0) and sampling.top_p == 1.0
        body = {
            "model": self._model,
            "prompt": list(request.prompt),
            "max_tokens": max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            # Spelled out, because a server fills in what is missing from the model's generation_config.json.
            "top_k": 0,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "seed": sampling.seed,
            "stop_token_ids": list(sampling.stop_token_ids),
            "logprobs": 0 if self._processed_logprobs or raw_is_right else None,
            "return_token_ids": True,
        }
        if self._priority:
            body["priority"] = request.priority
        if request.on_tokens or request.on_abort:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body


@dataclass(slots=True)
class _Sampled:
    """What one attempt has received so far."""

    request: Request
    submitted: float
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    cached_tokens: int | None = None
    first_token: float | None = None
    finish_reason: str | None = None

    def add(self, event: Mapping[str, Any], now: float) -> None:
        """Takes a whole response, or one piece of a streamed one; the last piece has the usage and no choice."""
        if details := (event.get("usage") or {}).get("prompt_tokens_details"):
            self.cached_tokens = details["cached_tokens"]
        for choice in event["choices"]:
            self.finish_reason = choice["finish_reason"]
            if not choice["token_ids"]:
                continue
            self.token_ids += choice["token_ids"]
            self.logprobs += (choice["logprobs"] or {}).get("token_logprobs", [])
            if self.request.on_tokens:
                self.first_token = self.first_token or now
                self.request.on_tokens(choice["token_ids"])

    def abandon(self, now: float) -> None:
        if self.request.on_abort:
            self.request.on_abort(self._as("abort", now))

    def completion(self, now: float) -> Completion:
        if self.finish_reason is None:
            raise Unavailable("the server closed the stream in the middle of an answer: see its log")
        if self.finish_reason not in ("stop", "length"):
            raise EngineError(f"the server ended the request with {self.finish_reason!r} after {len(self.token_ids)} tokens")
        return self._as("stop" if self.finish_reason == "stop" else "length", now)

    def _as(self, finish: Finish, now: float) -> Completion:
        return Completion(
            token_ids=self.token_ids,
            logprobs=self.logprobs if len(self.logprobs) == len(self.token_ids) else None,
            finish=finish,
            stop_token=self.token_ids[-1] if finish == "stop" else None,
            cached_tokens=self.cached_tokens,
            timings=Timings(submitted=self.submitted, first_token=self.first_token, finished=now),
        )
