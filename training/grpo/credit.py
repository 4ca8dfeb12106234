"""Credit: whether what a thread did is paid for by its rollout's outcome or by its own. Plain data, no torch.

`rollout`: every token of a rollout, of all of its threads, is weighed with the rollout's advantage. `thread`: the root's tokens are, and a
child's with an advantage of its own: what it was worth less what its peers were. Peers are the threads of a group that began with exactly the
same prompt: to a child what the rollouts of a problem are to a root. A rollout of twenty children then holds twenty lessons instead of one
that most of them had no part in, and a group whose rollouts all succeeded still tells which of its children could have.

A child is worth 1 where it succeeded, else 0, less a price for each token that it sampled: an executed and verified fact, whatever its parent
made of it. The rollout's advantage is not added: that would count its success twice, and the luck of its siblings once. So what a child saves
its rollout in tokens pays by the price alone, which falls on failures too: keep it well below the chance to succeed by the tokens that takes, or
to give up at once is worth more than to search.

A child that was cut is a failure. A cancelled one was stopped by others and says nothing about the policy: it is nobody's peer and is not trained.
After a "first" join that leaves out whoever was slower than the first success, so that peers are compared on the fast ones alone: train with
join "all", where every child ends by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from orchestra.errors import ConfigError

from ..advantage import Baseline, advantages
from ..rollout import Rollout

Credit = Literal["rollout", "thread"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadAdvantages:
    """Of the whole children of one step."""

    of: tuple[Mapping[str, float], ...]
    """For each rollout, advantages by thread. They add up to zero among peers."""
    compared: int
    """Whole children that sampled (number)."""
    silent: int
    """Those whose advantage is zero: without peers, or none of which did better or worse (number)."""

    def weights(self, index: int, rollout: Rollout, value: float) -> tuple[float, ...]:
        """One for each unit of `rollout`, which is at `index` and has the advantage `value`. Zero for what a cancelled child sampled."""
        own = self.of[index]
        return tuple(own.get(unit.thread, 0.0) if _below_root(unit.thread) else value for unit in rollout.units)


def thread_advantages(rollouts: Sequence[Rollout], baseline: Baseline, *, price: float = 0.0) -> ThreadAdvantages:
    """Compare the children of rollouts that ran without an error. `price` is for each token that a child sampled, however it ended.

    Raises `ConfigError` for children whose success nobody has judged.
    """
    places: list[tuple[int, str]] = []
    rewards: list[float] = []
    peers: list[tuple[str, tuple[int, ...]]] = []
    for index, rollout in enumerate(rollouts):
        prompts: dict[str, tuple[int, ...]] = {}
        sampled: Counter[str] = Counter()
        for unit in rollout.units:
            prompts.setdefault(unit.thread, unit.prompt)
            sampled[unit.thread] += len(unit.sampled)
        outcomes = {child.thread: child for child in rollout.children}
        for thread, prompt in prompts.items():
            if not _below_root(thread):
                continue
            if (outcome := outcomes.get(thread)) is None:
                raise ConfigError(
                    f"nobody has judged thread {thread} of {rollout.problem!r}: make its rollout with `rollout_of(succeeded=…)`, or use"
                    " --credit rollout"
                )
            if outcome.whole:
                places.append((index, thread))
                rewards.append(outcome.succeeded - price * sampled[thread])
                peers.append((rollout.group, prompt))
    values = advantages(rewards, peers, baseline).values
    of: tuple[dict[str, float], ...] = tuple({} for _ in rollouts)
    for (index, thread), value in zip(places, values, strict=True):
        of[index][thread] = value
    return ThreadAdvantages(of=of, compared=len(values), silent=sum(value == 0 for value in values))


def _below_root(thread: str) -> bool:
    return "." in thread
