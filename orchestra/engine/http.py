"""vLLM over HTTP: token ids to and from `/v1/completions` of a server, or of a router in front of several."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Any, Self

from ..errors import ConfigError, EngineError
from .base import MOST_TOP_LOGPROBS, Capabilities, Completion, Request, Sampling
from .completing import Piece, complete, streams
from .connection import Connection, entering
from .constraint import structured_outputs
from .scores import Scores


class HttpEngine:
    """A vLLM server, or a router in front of several, started with `vllm serve MODEL --enable-prompt-tokens-details
    --logprobs-mode processed_logprobs`.

    Without the first flag completions have no `cached_tokens`. Without the second they have `logprobs` and `scores` only where vLLM's
    raw ones are those of the distribution that was drawn from: at temperature 0 or 1 with `top_p` 1. `async with` asks the server which
    it has, by sampling one token. For requests with a constraint add `--structured-outputs-config '{"backend": "xgrammar",
    "disable_any_whitespace": true}'`: what that saves from is in `vllm_start.py`.

    Requests with `on_tokens`, `on_scores` or `on_abort` are streamed, because nothing else says what a cancelled one had sampled;
    cancelling closes the connection, which makes vLLM abort within a step. After a dropped connection the request is sent again, and its
    deltas begin again. Decoding ends at the requested stop ids and at the end tokens of the served model.

    A server writes an event for every token of every stream. With `--stream-interval 16` it writes one for every 16, and one for the first
    and the last: with 1,800 streams at once, half of this process's CPU a request. Completions are the same; `on_tokens`
    hears less often, and of a cancelled request up to 15 sampled tokens do not reach `on_abort`: a ledger has them in `unobserved`, not
    in `work`.

    Args:
        url: of the server, such as "http://localhost:8000".
        model: as the server calls it; may be left out when it serves one only.
        priority: pass `Request.priority` on, which needs a server with `--scheduling-policy priority`.
        patience_s: how long to go on trying, from a request's first failure, while the server is full or does not answer.
    """

    def __init__(
        self, url: str, model: str | None = None, *, api_key: str | None = None, priority: bool = False, patience_s: float = 120.0
    ) -> None:
        self._connection = Connection(url, api_key=api_key, patience_s=patience_s)
        self._model = model
        self._priority = priority
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
        return await complete(self._connection, "completions", self._body(request), request, partial(self._read, request.sampling))

    async def running(self) -> int:
        """What the server's metrics say, other clients' requests included; where it has none, this client's own requests."""
        metrics = await self._connection.metrics()
        counts = re.findall(r"^vllm:num_requests_(?:running|waiting)\{[^}]*\} (\S+)", metrics, re.MULTILINE)
        return sum(int(float(count)) for count in counts) if counts else self._connection.in_flight

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._connection)
            with entering():
                models = await self._connection.models()
                if self._model is None and len(models) == 1:
                    (self._model,) = models
                if self._model not in models:
                    raise ConfigError(f"{self._connection.url} has no model {self._model!r}: pass one of {list(models)} as `model`")
                await self._probe(models[self._model].context)
            stack.pop_all()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._connection.__aexit__(kind, error, trace)

    async def _probe(self, context: int | None) -> None:
        """Samples one token to learn what the server reports, so that a wrong server is found out now and not in mid-run."""
        # With `top_k=1` one token has all the probability: its processed log-probability is 0, its raw one is not.
        body = {
            "model": self._model,
            "prompt": [1],
            "max_tokens": 1,
            "temperature": 1.0,
            "top_k": 1,
            "logprobs": 0,
            "return_token_ids": True,
        }
        try:
            (event,) = [event async for event in self._connection.post("completions", body)]
        except EngineError as error:
            if error.status in (401, 403):
                raise
            raise EngineError(f"{error}. If this is not a vLLM server, use `ChatEngine`", status=error.status) from error
        with self._connection.reading(event):
            (choice,) = event["choices"]
            if choice.get("token_ids") is None:
                raise ConfigError(
                    f"{self._connection.url} returns no token ids, so it is not a vLLM server:"
                    " use `ChatEngine` for it, which works with text and is not token-exact"
                )
            self._processed_logprobs = choice["logprobs"]["token_logprobs"] == [0.0]
            cached_tokens = event["usage"].get("prompt_tokens_details") is not None
        block = re.search(r'^vllm:cache_config_info\{.*\bblock_size="(\d+)"', await self._connection.metrics(), re.MULTILINE)
        self._capabilities = Capabilities(
            token_exact=True,
            logprobs=True,
            cached_tokens=cached_tokens,
            cache_block=int(block[1]) if block else None,
            top_logprobs=MOST_TOP_LOGPROBS,
            constraints=True,  # a vLLM that returns token ids reads `structured_outputs`, too
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
        body: dict[str, Any] = {
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
            "logprobs": None,
            "return_token_ids": True,
        }
        if self._processed_logprobs or raw_is_right:
            body["logprobs"] = sampling.top_logprobs or (0 if sampling.logprobs else None)
            if sampling.top_logprobs:
                body["return_tokens_as_token_ids"] = True  # different tokens may have the same text
        if sampling.constraint is not None:
            body["structured_outputs"] = structured_outputs(sampling.constraint)
        if streams(request):
            body["stream_options"] = {"include_usage": True}
        if self._priority:
            body["priority"] = request.priority
        return body

    def _read(self, sampling: Sampling, event: Mapping[str, Any]) -> Piece:
        with self._connection.reading(event):
            details = (event.get("usage") or {}).get("prompt_tokens_details") or {}
            cached_tokens = details.get("cached_tokens")
            if len(event["choices"]) == 0:  # the last event of a stream
                return Piece(cached_tokens=cached_tokens)
            (choice,) = event["choices"]
            logprobs = choice["logprobs"] or {}
            scored = sampling.top_logprobs and logprobs
            return Piece(
                token_ids=[int(token) for token in choice["token_ids"]],
                logprobs=[float(logprob) for logprob in logprobs.get("token_logprobs", ())] if sampling.logprobs else (),
                scores=_scores(logprobs["top_logprobs"], sampling.top_logprobs) if scored else None,
                finish_reason=choice["finish_reason"],
                ends_with_stop_token=choice["finish_reason"] == "stop",
                cached_tokens=cached_tokens,
            )


def _scores(candidates: Sequence[Mapping[str, float]], top: int) -> Scores:
    """The sampled token is the first of each; one more than was asked for where it is not among the most probable."""
    scores = Scores(top)
    for logprobs in candidates:
        if not logprobs:
            raise ValueError("a token without candidates")
        scores.add([float(logprob) for logprob in logprobs.values()][-top:])
    return scores
