"""A model ladder: tiers from cheap to strong, of which each question gets the lowest that can do it.

Adaptive Skeleton Graph Decoding (arXiv 2402.12280) gives easy sub-problems to a small model; here a verifier can also send an answer one tier
up when it is not good enough.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ..errors import ConfigError
from .base import ChatModel, ChatRequest, Reply

Verifier = Callable[[ChatRequest, Reply], bool | Awaitable[bool]]
"""Whether a reply will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One model of a ladder."""

    model: ChatModel
    name: str = "default"
    up_to: int = 5
    """The hardest difficulty (1 to 5) that it is asked first."""
    resource: str | None = None
    """The named resource that each request occupies (`Resources`)."""
    price_per_1k_sampled: float = 0.0
    price_per_1k_prompt: float = 0.0

    def price(self, reply: Reply) -> float:
        """Money for one reply; what the endpoint did not count is free."""
        return (
            (reply.prompt_tokens or 0) * self.price_per_1k_prompt + (reply.sampled_tokens or 0) * self.price_per_1k_sampled
        ) / 1000


class Ladder:
    """Tiers in the order of their strength. `verify` is asked about each reply of every tier but the last.

    Raises `ConfigError` for no tiers, two of one name, or tiers whose `up_to` does not grow.
    """

    def __init__(self, tiers: Sequence[Tier], *, verify: Verifier | None = None) -> None:
        names = [tier.name for tier in tiers]
        if not tiers:
            raise ConfigError("a model ladder needs at least one tier")
        if len(set(names)) < len(names):
            raise ConfigError(f"two tiers of a ladder have the same name: {names}")
        if any(low.up_to > high.up_to for low, high in itertools.pairwise(tiers)):
            raise ConfigError(f"tiers go from weak to strong, but their `up_to` are {[tier.up_to for tier in tiers]}")
        self.tiers = tuple(tiers)
        self._verify = verify

    def choose(self, *, difficulty: int | None = None, name: str | None = None, cheapest: bool = False) -> Tier:
        """The tier called `name`, or the lowest whose `up_to` covers `difficulty` (unknown: the strongest). `cheapest`: the first."""
        if name is not None:
            found = [tier for tier in self.tiers if tier.name == name]
            if not found:
                raise ConfigError(f"the ladder has no tier {name!r}: use one of {[tier.name for tier in self.tiers]}")
            return found[0]
        if cheapest:
            return self.tiers[0]
        if difficulty is None:
            return self.tiers[-1]
        return next((tier for tier in self.tiers if difficulty <= tier.up_to), self.tiers[-1])

    async def replies(self, request: ChatRequest, start: Tier, *, escalate: bool = True) -> list[tuple[Tier, Reply]]:
        """Replies from `start` upwards until the verifier takes one; the last of the list is the answer, the others were not good enough."""
        made: list[tuple[Tier, Reply]] = []
        for tier in self.tiers[self.tiers.index(start) :]:
            reply = await tier.model.reply(request)
            made.append((tier, reply))
            if self._verify is None or not escalate or tier is self.tiers[-1]:
                break
            verdict = self._verify(request, reply)
            if await verdict if inspect.isawaitable(verdict) else verdict:
                break
        return made
