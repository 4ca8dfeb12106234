"""The engine seam: token ids in, token ids out.

An engine knows nothing about text, threads or protocols. Everything above this file talks to vLLM, an HTTP server, `transformers` or
a script through `Engine.generate`, and everything below it (request ids, streams, aborts, retries) stays there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Protocol, Self, runtime_checkable

from .scores import Scores

Finish = Literal["stop", "length", "abort"]
MOST_TOP_LOGPROBS = 20
"""What vLLM's servers give by default, and the most that a published method reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """What the text of the sampled tokens has to match; exactly one of the three is given."""

    json_schema: Mapping[str, Any] | None = None
    grammar: str | None = None
    """In the EBNF of xgrammar (as in llama.cpp's GBNF); its start is the rule `root`."""
    regex: str | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("json_schema", "grammar", "regex") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of `json_schema`, `grammar` and `regex`, got {given or 'none'}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are drawn. The defaults are greedy decoding."""

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop_token_ids: tuple[int, ...] = ()
    """Decoding ends with the first of these; it stays the last element of `Completion.token_ids`."""
    logprobs: bool = True
    """False where nobody reads them: on a GPU, vLLM then samples 40 % more tokens a second (evals/recorded/throughput-h200.json)."""
    top_logprobs: int = 0
    """How many candidates a token `Completion.scores` are computed from; 0: nobody asks for them. More than the engine's
    `Capabilities.top_logprobs` are refused."""
    constraint: Constraint | None = None
    """For engines that declare `Capabilities.constraints`; the others refuse such a request. The text is complete only where the
    completion ends with "stop", and no stop id may be a token that it needs."""

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ValueError(f"`max_tokens` must be at least 1, got {self.max_tokens}")
        if self.temperature < 0:
            raise ValueError(f"`temperature` must not be negative, got {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"`top_p` must be in (0, 1], got {self.top_p}")
        if not 0 <= self.top_logprobs <= MOST_TOP_LOGPROBS:
            raise ValueError(f"`top_logprobs` must be from 0 to {MOST_TOP_LOGPROBS}, got {self.top_logprobs}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Seconds on the engine's clock (`Engine.now`), so that two completions of one engine can be compared."""

    submitted: float
    first_token: float | None = None
    """When the first sampled token was seen; None when the engine cannot tell."""
    finished: float

    @property
    def seconds(self) -> float:
        return self.finished - self.submitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What one request sampled."""

    token_ids: list[int]
    """Every sampled token, including the stop token that ended it."""
    logprobs: list[float] | None
    """Natural log-probability of each sampled token under the distribution it was drawn from; None when the engine has none or
    nobody asked."""
    scores: Scores | None = None
    """How sure the model was of each token, under the same distribution; None as for `logprobs`."""
    finish: Finish
    stop_token: int | None = None
    """The stop token that ended it, which is also the last of `token_ids`; None unless `finish` is "stop" on one of the
    requested ids (an engine may also stop on the model's own end token: then it is that token)."""
    cached_tokens: int | None = None
    """Prompt tokens served from the prefix cache; None when the engine does not say."""
    timings: Timings

    def __post_init__(self) -> None:
        assert self.logprobs is None or len(self.logprobs) == len(self.token_ids)
        assert self.scores is None or len(self.scores) == len(self.token_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One continuation to sample."""

    prompt: Sequence[int]
    sampling: Sampling
    session: str = ""
    """All threads of one problem share a session, so that a router sends them to the replica that holds their prefix."""
    priority: int = 0
    """Lower is sooner, where the engine has a priority queue; ignored elsewhere."""
    traceparent: str | None = field(default=None, compare=False)
    """The span of a distributed trace that asks, in the form of W3C's header of that name: spans of vLLM's own nest below it."""
    on_tokens: Callable[[Sequence[int]], None] | None = field(default=None, compare=False)
    """Called with each group of newly sampled tokens. Costs front-end time: set it only where somebody looks."""
    on_scores: Callable[[Scores], None] | None = field(default=None, compare=False)
    """Called with the scores of the same tokens just before `on_tokens` would be; never where a completion has none. Costs as much."""
    on_abort: Callable[[Completion], None] | None = field(default=None, compare=False)
    """Called with what an attempt had sampled when it ended without a result: the awaiting task was cancelled, or the connection
    dropped in mid-stream. Cancelled work is counted, not forgotten; a server that sends N tokens at a time (vLLM's `--stream-interval`)
    keeps up to N - 1 of it to itself."""

    def __post_init__(self) -> None:
        if not self.prompt:
            raise ValueError("`prompt` must hold at least one token id")
        if self.on_scores is not None and not self.sampling.top_logprobs:
            raise ValueError("`on_scores` needs `Sampling.top_logprobs`: set it to how many candidates the scores are to cover")

    @property
    def watched(self) -> bool:
        """Somebody looks at its tokens as they come."""
        return self.on_tokens is not None or self.on_scores is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an engine declares about itself; callers ask here instead of testing for types."""

    token_exact: bool
    """The ids in a completion are exactly those that the model sampled."""
    logprobs: bool
    cached_tokens: bool
    """Completions say how much of the prompt was served from the prefix cache."""
    cache_block: int | None = None
    """Tokens in a block of the prefix cache: a prompt whose first N tokens were computed before has
    `floor((N - 1) / block) * block` of them cached. None when unknown or without a cache."""
    top_logprobs: int = 0
    """Most candidates a token that `Sampling.top_logprobs` may ask for."""
    constraints: bool = False
    """Requests may carry a `Sampling.constraint`."""
    context: int | None = None
    """Most tokens that prompt and completion may hold together; None when unknown."""
    weight_updates: bool = False
    """`weights.update_weights` can change its weights while it runs."""


@runtime_checkable
class Engine(Protocol):
    """Samples continuations concurrently.

    Cancelling the task that awaits `generate` aborts the request in the engine, hands what it had sampled to `request.on_abort`, and
    only then lets `CancelledError` through. Failures after retries raise `EngineError`.
    """

    @property
    def name(self) -> str:
        """Short description for logs and reports, such as "vllm 0.32.0"."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    def now(self) -> float:
        """Seconds on the clock of `Timings`: monotonic, or virtual."""
        ...

    async def generate(self, request: Request) -> Completion: ...

    async def running(self) -> int:
        """Requests that the engine holds at this moment, queued ones included. 0 once everything has been left."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
