"""An engine whose tokens come from a function and whose time comes from the event loop.

    engine = ScriptedEngine(lambda prompt: [7] * 100 * prompt[-1], seconds_per_token=1.0)

Under `run_virtual`, three children with prompts that end in 1, 2 and 3 finish at t = 100, 200 and 300; pruning the last at t = 200
hands 200 tokens to its `on_abort`. There is no queue: any number of requests decode at the same speed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from types import TracebackType
from typing import Self

from ..errors import EngineError
from .base import MOST_TOP_LOGPROBS, Capabilities, Completion, Finish, Request, Sampling, Timings
from .constraint import refuse_constraint
from .scores import Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What happens to one request, where its token ids alone do not say it."""

    token_ids: Sequence[int]
    logprobs: Sequence[float] | None = None
    """One per token; 0.0 each when None."""
    top_logprobs: Sequence[Sequence[float]] | None = None
    """One row a token, with the log-probabilities of its candidates: the most probable make its scores. 0.0 alone in each when None."""
    error: EngineError | None = None
    """Raised once all of `token_ids` have come, as when a connection drops in mid-stream; never reached when a limit cuts them."""

    def __post_init__(self) -> None:
        if self.logprobs is not None and len(self.logprobs) != len(self.token_ids):
            raise ValueError(f"`logprobs` must match `token_ids`, got {len(self.logprobs)} for {len(self.token_ids)}")
        if self.top_logprobs is not None and (len(self.top_logprobs) != len(self.token_ids) or not all(self.top_logprobs)):
            raise ValueError(f"`top_logprobs` must have one row, not empty, for each of the {len(self.token_ids)} `token_ids`")

    def scores(self, top: int) -> Scores:
        """Of all its tokens."""
        scores = Scores(top)
        for row in self.top_logprobs or [[0.0]] * len(self.token_ids):
            scores.add(sorted(row, reverse=True)[:top])
        return scores


class ScriptedEngine:
    """Samples what `answer` returns for the exact prompt ids, cut at the request's stop ids and `max_tokens` like any engine's.

    An answer that runs out before either finishes with "stop" and no `stop_token`. Decoding starts `seconds_per_prefill_token` for each
    uncached prompt token after submission, and its token i comes (i + 1) `seconds_per_token` later. A cancelled request keeps the
    tokens whose time had come.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[int]], Sequence[int] | Script],
        *,
        seconds_per_token: float = 0.0,
        seconds_per_prefill_token: float = 0.0,
        cache_block: int = 16,  # vLLM's default on GPUs
        failures: Callable[[Request], EngineError | None] | None = None,
    ) -> None:
        """`failures` returns the error that a request meets instead of being started, or None."""
        self._answer = answer
        self._seconds_per_token = seconds_per_token
        self._seconds_per_prefill_token = seconds_per_prefill_token
        self._failures = failures
        self._cache = _PrefixCache(cache_block)
        self._running = 0
        self.log: list[tuple[Request, Completion]] = []
        """Every request that was started and what it sampled, aborted ones included, in the order in which they ended."""

    @property
    def name(self) -> str:
        return "scripted"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            token_exact=True, logprobs=True, cached_tokens=True, cache_block=self._cache.block, top_logprobs=MOST_TOP_LOGPROBS
        )

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def generate(self, request: Request) -> Completion:
        refuse_constraint(self, request)
        if self._failures is not None and (error := self._failures(request)) is not None:
            raise error
        answer = self._answer(request.prompt)
        script = answer if isinstance(answer, Script) else Script(token_ids=answer)
        num_tokens, scripted_finish = _cut(script.token_ids, request.sampling)

        cached_tokens = self._cache.num_cached(request.prompt)
        self._cache.add(request.prompt)
        submitted = self.now()
        prefilled = submitted + (len(request.prompt) - cached_tokens) * self._seconds_per_prefill_token
        top = request.sampling.top_logprobs
        scores = script.scores(top) if top else None
        decode = _Decode(script.token_ids[:num_tokens], scores, prefilled, self._seconds_per_token)

        finish: Finish = "abort"
        self._running += 1
        try:
            await decode.run(request)
            if scripted_finish is None and script.error is not None:
                raise script.error
            finish = scripted_finish or "stop"
        finally:
            self._running -= 1
            finished = self.now()
            token_ids = list(script.token_ids[: decode.num_come])
            logprobs = script.logprobs or [0.0] * len(token_ids)
            completion = Completion(
                token_ids=token_ids,
                logprobs=list(logprobs[: len(token_ids)]),
                scores=scores[: len(token_ids)] if scores is not None else None,
                finish=finish,
                stop_token=token_ids[-1] if scripted_finish == finish == "stop" else None,
                cached_tokens=cached_tokens,
                timings=Timings(
                    submitted=submitted, first_token=min(decode.due(1), finished) if token_ids else None, finished=finished
                ),
            )
            self._cache.add([*request.prompt, *token_ids[:-1]])  # the last sampled token never went through the model
            self.log.append((request, completion))
            if finish == "abort" and request.on_abort is not None:
                request.on_abort(completion)
        return completion

    async def running(self) -> int:
        return self._running

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass


def _cut(token_ids: Sequence[int], sampling: Sampling) -> tuple[int, Finish | None]:
    """How many tokens are sampled and which limit ends them; None when the script runs out first."""
    for num_tokens, token in enumerate(token_ids[: sampling.max_tokens], start=1):
        if token in sampling.stop_token_ids:
            return num_tokens, "stop"
    if len(token_ids) < sampling.max_tokens:
        return len(token_ids), None
    return sampling.max_tokens, "length"


class _Decode:
    """Tokens that come one by one at known times."""

    def __init__(self, token_ids: Sequence[int], scores: Scores | None, start: float, seconds_per_token: float) -> None:
        self._token_ids = token_ids
        self._scores = scores
        self._start = start
        self._seconds_per_token = seconds_per_token
        self.num_come = 0

    def due(self, num_tokens: int) -> float:
        return self._start + num_tokens * self._seconds_per_token

    async def run(self, request: Request) -> None:
        """Returns when all tokens have come; those that are due when it is cancelled still come."""
        now = asyncio.get_running_loop().time
        num_all = len(self._token_ids)
        try:
            # One wake-up for the whole request unless somebody looks at its tokens.
            for num_tokens in range(1, num_all + 1) if request.watched else [num_all]:
                await asyncio.sleep(self.due(num_tokens) - now())
                self._come(num_tokens, request)
        except asyncio.CancelledError:
            if self._seconds_per_token:
                num_due = int((now() - self._start + 1e-9) / self._seconds_per_token)  # 1e-9: 0.3 / 0.1 is less than 3
                self._come(min(num_due, num_all), request)
            raise

    def _come(self, num_tokens: int, request: Request) -> None:
        if num_tokens <= self.num_come:
            return
        new = slice(self.num_come, num_tokens)
        self.num_come = num_tokens
        if request.on_scores is not None and self._scores is not None:
            request.on_scores(self._scores[new])
        if request.on_tokens is not None:
            request.on_tokens(self._token_ids[new])


class _PrefixCache:
    """The full blocks of everything computed so far, each known by a hash of all tokens up to its end. Nothing is evicted."""

    def __init__(self, block: int) -> None:
        self.block = block
        self._known: set[int] = set()

    def num_cached(self, prompt: Sequence[int]) -> int:
        # The last token always goes through the model: the first sampled one is drawn from its output.
        usable = islice(self._prefixes(prompt), (len(prompt) - 1) // self.block)
        return self.block * sum(1 for _ in takewhile(self._known.__contains__, usable))

    def add(self, token_ids: Sequence[int]) -> None:
        self._known.update(self._prefixes(token_ids))

    def _prefixes(self, token_ids: Sequence[int]) -> Iterator[int]:
        key = 0
        for end in range(self.block, len(token_ids) + 1, self.block):
            key = hash((key, *token_ids[end - self.block : end]))
            yield key
