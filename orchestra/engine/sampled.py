"""What a request has sampled while it is running: the part of `generate` that the engines with a model behind them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .base import Completion, Finish, Request, Timings


@dataclass(slots=True)
class Sampled:
    """Tokens of one attempt at `request`, in the order in which they came."""

    request: Request
    submitted: float
    cached_tokens: int | None = None
    token_ids: list[int] = field(default_factory=list)
    _logprobs: list[float] = field(default_factory=list)
    _first_token: float | None = None

    def add(self, token_ids: Sequence[int], logprobs: Sequence[float], now: float) -> None:
        """New tokens; `logprobs` is empty when the engine has none."""
        if not token_ids:
            return
        self.token_ids += token_ids
        self._logprobs += logprobs
        if self.request.on_tokens:
            self._first_token = self._first_token or now
            self.request.on_tokens(token_ids)

    def completion(self, finish: Finish, now: float, *, stop_token: int | None = None) -> Completion:
        return Completion(
            token_ids=self.token_ids,
            logprobs=self._logprobs if len(self._logprobs) == len(self.token_ids) else None,
            finish=finish,
            stop_token=stop_token,
            cached_tokens=self.cached_tokens,
            timings=Timings(submitted=self.submitted, first_token=self._first_token, finished=now),
        )

    def abandon(self, now: float) -> None:
        """The attempt ends without a result."""
        if self.request.on_abort:
            self.request.on_abort(self.completion("abort", now))
