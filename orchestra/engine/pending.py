"""A request of the `transformers` engine between its submission and its end."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from random import Random

from ..errors import EngineError
from .base import Completion, Finish, Request, Timings
from .scores import Scores


@dataclass(eq=False, slots=True, kw_only=True)
class Pending:
    """A request between its submission and its end."""

    request: Request
    random: Random
    submitted: float
    ends: frozenset[int]
    most: int
    """Tokens that it may sample: as many as were asked for, if the context has room for them."""
    watched: bool
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    scores: Scores | None = None
    first_token: float | None = None
    finish: Finish | None = None
    error: EngineError | None = None
    num_shown: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the waiting task has something to do: tokens that somebody looks at, the end, or the error."""

    def take(self, token: int, logprob: float, now: float) -> bool:
        """Whether it has ended. Thousands of rows come here in each step."""
        self.token_ids.append(token)
        self.logprobs.append(logprob)
        if self.first_token is None:
            self.first_token = now
        if token in self.ends:
            self.finish = "stop"
        elif len(self.token_ids) >= self.most:
            self.finish = "length"
        elif not self.watched:
            return False
        self.changed.set()
        return self.finish is not None

    def show(self) -> None:
        """Hand what nobody has seen yet to the callbacks: in the task that awaits the request, so that errors are its own."""
        new = slice(self.num_shown, len(self.token_ids))
        self.num_shown = new.stop
        if new.start == new.stop:
            return
        if self.scores is not None and self.request.on_scores is not None:
            self.request.on_scores(self.scores[new])
        if self.request.on_tokens is not None:
            self.request.on_tokens(self.token_ids[new])

    def completion(self, finish: Finish, now: float) -> Completion:
        return Completion(
            token_ids=self.token_ids,
            logprobs=self.logprobs,
            scores=self.scores,
            finish=finish,
            stop_token=self.token_ids[-1] if finish == "stop" else None,
            timings=Timings(submitted=self.submitted, first_token=self.first_token, finished=now),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the model's files say about token ids."""

    vocabulary: int
    context: int | None
    end_tokens: frozenset[int]

    def check(self, request: Request) -> None:
        if self.context is not None and len(request.prompt) >= self.context:
            raise EngineError(
                f"the prompt has {len(request.prompt)} tokens and leaves no room for an answer in this model's context of {self.context}"
            )
        if not 0 <= min(request.prompt) <= max(request.prompt) < self.vocabulary:
            raise EngineError(
                f"the prompt holds token ids from {min(request.prompt)} to {max(request.prompt)}, but the model has"
                f" {self.vocabulary} of them: it was encoded with another model's tokenizer"
            )

    def pending(self, request: Request, now: float) -> Pending:
        sampling = request.sampling
        room = sys.maxsize if self.context is None else self.context - len(request.prompt)
        return Pending(
            request=request,
            random=Random(sampling.seed),
            submitted=now,
            ends=self.end_tokens.union(sampling.stop_token_ids),
            most=min(sampling.max_tokens, room),
            watched=request.watched,
            scores=Scores(sampling.top_logprobs) if sampling.top_logprobs else None,
        )
