"""What a request has sampled while it is running: the part of `generate` that the engines with a model behind them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .base import Completion, Finish, Request, Timings
from .scores import Scores


@dataclass(slots=True)
class Sampled:
    """Tokens of one attempt at `request`, in the order in which they came."""

    request: Request
    submitted: float
    cached_tokens: int | None = None
    token_ids: list[int] = field(default_factory=list)
    _logprobs: list[float] = field(default_factory=list)
    _scores: Scores | None = field(init=False)
    _first_token: float | None = None

    def __post_init__(self) -> None:
        top = self.request.sampling.top_logprobs
        self._scores = Scores(top) if top else None

    def add(self, token_ids: Sequence[int], logprobs: Sequence[float], now: float, scores: Scores | None = None) -> None:
        """New tokens; `logprobs` is empty and `scores` None when the engine has none or nobody asked."""
        if not token_ids:
            return
        self.token_ids += token_ids
        self._logprobs += logprobs
        if scores is not None and self._scores is not None:
            self._scores.extend(scores)
        if self.request.watched:
            self._first_token = self._first_token or now
        if scores is not None and self.request.on_scores:
            self.request.on_scores(scores)
        if self.request.on_tokens:
            self.request.on_tokens(token_ids)

    def completion(self, finish: Finish, now: float, *, stop_token: int | None = None) -> Completion:
        return Completion(
            token_ids=self.token_ids,
            logprobs=self._logprobs if len(self._logprobs) == len(self.token_ids) else None,
            scores=self._scores if self._scores is not None and len(self._scores) == len(self.token_ids) else None,
            finish=finish,
            stop_token=stop_token,
            cached_tokens=self.cached_tokens,
            timings=Timings(submitted=self.submitted, first_token=self._first_token, finished=now),
        )

    def abandon(self, now: float) -> None:
        """The attempt ends without a result."""
        if self.request.on_abort:
            self.request.on_abort(self.completion("abort", now))
