"""A sampling policy of your own: a frozen description, and a decider that turns events into decisions.

python examples/own_policy.py

runs it live on the shipped Countdown model. The same object replays on recorded traces, beside the policies that ship:

    orchestra replay evals/recorded/countdown-fork-pool.jsonl.gz --policy examples/own_policy.py:Quorum:n=8,agree=3 --policy adaptive:n=8,m=5
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestra import open_engine
from orchestra.countdown import Problem, Setup, shipped_model
from orchestra.countdown.source import CountdownSource
from orchestra.sample import Needs, Standing, sample
from orchestra.sample.decisions import Decision, Launch, Stop
from orchestra.sample.events import Begun, Event, Failed, Finished


@dataclass(frozen=True, kw_only=True)
class Quorum:
    """All at once; stop as soon as `agree` traces say the same."""

    n: int = 16
    agree: int = 4

    @property
    def needs(self) -> Needs:
        return Needs()

    @property
    def most(self) -> int:
        return self.n

    def decider(self) -> "QuorumDecider":
        return QuorumDecider(self)


@dataclass
class QuorumDecider:
    policy: Quorum
    votes: Counter[str] = field(default_factory=Counter)
    running: int = 0

    def on(self, event: Event) -> Iterable[Decision]:
        match event:
            case Begun():
                self.running = self.policy.n
                return [Launch(self.policy.n)]
            case Finished(answer=answer):
                self.running -= 1
                if answer is not None:  # a trace without an answer does not vote
                    self.votes[answer] += 1
            case Failed():  # lost to the engine: it says nothing about the answer
                self.running -= 1
            case _:
                return []
        leader = self.standing().answer
        if leader is not None and self.votes[leader] >= self.policy.agree:
            return [Stop(leader, f"{self.votes[leader]} agree")]  # what still runs is aborted
        return [] if self.running else [Stop(leader, "all have ended")]

    def standing(self) -> Standing:
        return Standing(answer=max(self.votes, key=self.votes.__getitem__, default=None))


async def main() -> None:
    problem = Problem((3, 6, 13, 61), target=65)
    async with open_engine("auto", model=shipped_model()) as engine:
        source = CountdownSource(engine, problem, Setup(method="serial", temperature=1.0))
        sampled = await sample(problem.key, source, policy=Quorum(n=16, agree=4))
    account = sampled.outcome.account
    print(sampled.answer, "·", sampled.outcome.why)
    print(
        f"work {account.work} (aborted {account.aborted}), span {account.span}, {account.finished} of {account.launched} traces ended"
    )


if __name__ == "__main__":  # vLLM starts child processes that import this file
    asyncio.run(main())
