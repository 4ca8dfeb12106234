"""Progress for a policy inside another one that wants more of it: the multiples of tokens that it asked for itself, and no others."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field

from ..events import Event, Progress
from ..policy import Needs


def more_often(needs: Needs, every: int) -> Needs:
    """`needs` with `Progress` every `every` tokens, or somewhat more often: the multiples in `needs` stay among those that are told."""
    parts = math.ceil(needs.tokens_every / every)
    return dataclasses.replace(needs, tokens_every=math.ceil(needs.tokens_every / parts) if parts else every)


@dataclass(slots=True)
class Milestones:
    """What the policy inside has been told of each trace."""

    every: int
    """Its own `Needs.tokens_every`."""
    told: dict[int, int] = field(default_factory=dict)
    """By trace, the last multiple."""

    def heard(self, event: Event) -> Event | None:
        """The event as the policy inside asked for it; None for what it did not."""
        if not isinstance(event, Progress):
            return event
        passed = {trace: tokens // self.every * self.every for trace, tokens in event.tokens.items()} if self.every else {}
        news = {trace: tokens for trace, tokens in passed.items() if tokens > self.told.get(trace, 0)}
        self.told.update(news)
        return Progress(event.at, news) if news else None
