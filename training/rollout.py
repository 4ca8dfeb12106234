"""Rollouts: what training keeps of a run tree. Plain data, written and read as JSON lines; nothing here knows torch or TRL.

A unit is one request exactly as the engine saw it: the ids that it sent, the ids that were sampled and their log-probabilities. Tokens
that we injected (prompts, headers, joined text) are therefore in prompts only, and every sampled token of a tree is in exactly one unit,
under its true context: cancelled, cut and lost attempts included, because they were sampled too.

Facts are all that a reward may read. They come from what was *executed* (threads that ran, answers that were verified), never from
what the model's text says about it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from orchestra.countdown.attempt import Attempt
from orchestra.errors import ConfigError
from orchestra.thread import RunTree, Thread, ledger

from .children import Outcome, outcomes_of, solved
from .countdown_format import malformed_parts
from .executed import concurrency, redundancy, sampled_by

Ended = Literal["finished", "cut", "cancelled", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Unit:
    """One request of a run tree, or one demonstration."""

    prompt: tuple[int, ...]
    """The exact ids that the engine got. Never trained."""
    sampled: tuple[int, ...]
    """The ids to train; never empty."""
    logprobs: tuple[float, ...]
    """Natural log-probability of each, under the distribution it was drawn from; empty for a demonstration, which nobody sampled."""
    thread: str
    """Path of its thread from the root, as in `orchestra.thread.Thread.id`."""

    def __post_init__(self) -> None:
        assert self.prompt and self.sampled, (self.prompt, self.sampled)
        assert len(self.logprobs) in (0, len(self.sampled)), (len(self.logprobs), len(self.sampled))

    def __len__(self) -> int:
        return len(self.prompt) + len(self.sampled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What rewards may read of one run tree, or of one executed plan.

    Counts are sampled tokens unless they say otherwise. A plan is one thread, whose tokens cost little beside its calls: there `work`, `span`,
    `wasted` and `in_children` count calls (`grpo.planner.facts_of`).
    """

    correct: bool
    """The root's answer was verified."""
    answer: str | None
    """None when there was none, or a wrong one."""
    flaw: str | None = None
    """Why the claimed answer is wrong; None when it is right or nothing was claimed."""
    ended: Ended
    """How the root ended; anything but "finished" means that it did not stop by itself."""
    timed_out: bool = False
    """The tree ran out of its seconds."""
    work: int
    span: int
    """On the critical path (`orchestra.thread.Ledger`)."""
    wasted: int = 0
    """Of cancelled threads and lost attempts; of a plan, calls beyond those that its task needs."""
    injected: int = 0
    """Tokens that we wrote."""
    in_children: int = 0
    """Sampled below the root."""
    shortest_child: int | None = None
    """The least that an executed child which was not cancelled has sampled; None without one."""
    forks: int = 0
    """Forks of which at least one child was executed (number)."""
    children: int = 0
    """Executed threads below the root, or calls that a plan made (number)."""
    refused: int = 0
    """Calls that a limit kept from starting (number)."""
    cut: int = 0
    """Threads that ran out of window or tokens, the root included (number)."""
    cancelled: int = 0
    """Threads that were cancelled (number)."""
    depth: int = 0
    """Generations below the root that were executed (number)."""
    concurrency: tuple[int, ...] = ()
    """`concurrency[k]`: token steps at which exactly k + 1 threads sampled, if every token takes one step. Sums to `span` where joins
    wait for all; sum of (k + 1) · `concurrency[k]` is `work`. Empty for a plan."""
    redundancy: float = 0.0
    """0 … 1: how much of what siblings sampled another sibling sampled too (`executed.redundancy`)."""
    malformed: int = 0
    """Parts that the format forbids: calls that are no legal call, empty calling blocks, ends without an outcome; a plan's findings (number)."""
    explored: int | None = None
    """States searched, where the task counts them (number)."""

    @property
    def parallelism(self) -> float:
        """work / span; 1.0 for a serial run."""
        return self.work / self.span if self.span else 1.0

    @property
    def acceleration(self) -> float:
        """η = 1 - span / work (P-GRPO, arXiv 2512.07843, equation 7), from the executed tree; 0.0 for a serial run."""
        return 1 - self.span / self.work if self.work else 0.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """A run tree as training sees it."""

    problem: str
    """Identity of the problem."""
    group: str
    """Rollouts of one group are compared with each other."""
    units: tuple[Unit, ...]
    """Thread by thread, parents first, in the order of the requests."""
    facts: Facts
    error: str | None = None
    """Why it says nothing about the policy (an engine failed, or the caller stopped it): never score or train such a rollout."""
    children: tuple[Outcome, ...] = ()
    """Of each executed thread below the root, in the order of `units`; empty where nobody has judged them."""

    @property
    def num_sampled(self) -> int:
        """Tokens to train: the tree's work."""
        return sum(len(unit.sampled) for unit in self.units)


def rollout_of(
    tree: RunTree,
    *,
    problem: str,
    group: str,
    answer: str | None,
    flaw: str | None = None,
    malformed: int = 0,
    explored: int | None = None,
    succeeded: Callable[[Thread], bool] | None = None,
) -> Rollout:
    """Make a rollout of a tree that has ended. `answer` is a verified one, or None; `malformed` and `explored` are the task's to count, and
    `succeeded` verifies what a finished child has found: without it, no child can be credited by itself.

    Raises `ConfigError` where the engine recorded no log-probabilities.
    """
    facts = facts_of(tree, answer=answer, flaw=flaw, malformed=malformed, explored=explored)
    stopped = "the caller cancelled it" if facts.ended == "cancelled" and not tree.timed_out else None
    children = () if succeeded is None else tuple(outcomes_of(tree, succeeded))
    return Rollout(problem, group, tuple(units_of(tree)), facts, tree.error or stopped, children)


def facts_of(
    tree: RunTree, *, answer: str | None, flaw: str | None = None, malformed: int = 0, explored: int | None = None
) -> Facts:
    """Of a tree that has ended, with or without log-probabilities."""
    ended = tree.root.status
    assert ended != "running", f"the tree of {tree.session!r} has not ended"
    account = ledger(tree)
    executed = [thread for thread in tree.threads if thread.depth > 0 and thread.started is not None]
    whole = [sampled_by(thread) for thread in executed if thread.status != "cancelled"]
    return Facts(
        correct=answer is not None,
        answer=answer,
        flaw=flaw,
        ended=ended,
        timed_out=tree.timed_out,
        work=account.work,
        span=account.span,
        wasted=account.wasted,
        injected=account.injected,
        in_children=sum(map(sampled_by, executed)),
        shortest_child=min(whole, default=None),
        forks=sum(any(child.started is not None for child in fork.children) for thread in tree.threads for fork in thread.forks),
        children=len(executed),
        refused=account.refused,
        cut=sum(thread.status == "cut" for thread in tree.threads),
        cancelled=sum(thread.status == "cancelled" for thread in tree.threads),
        depth=max((thread.depth for thread in executed), default=0),
        concurrency=concurrency(tree),
        redundancy=redundancy(tree),
        malformed=malformed,
        explored=explored,
    )


def rollout_of_attempt(attempt: Attempt, *, group: str) -> Rollout:
    """The rollout of one try at a Countdown problem, which must have run with `Setup(logprobs=True)`."""
    return rollout_of(
        attempt.tree,
        problem=attempt.problem.key,
        group=group,
        answer=attempt.answer,
        flaw=attempt.flaw,
        malformed=malformed_parts(attempt),
        explored=attempt.explored,
        succeeded=partial(solved, attempt.problem),
    )


def facts_of_attempt(attempt: Attempt) -> Facts:
    """Of one try at a Countdown problem."""
    malformed = malformed_parts(attempt)
    return facts_of(attempt.tree, answer=attempt.answer, flaw=attempt.flaw, malformed=malformed, explored=attempt.explored)


def units_of(tree: RunTree) -> Iterator[Unit]:
    """One unit for each request that sampled anything. Raises `ConfigError` where there are no log-probabilities."""
    for thread in tree.threads:
        for context, completion in thread.requests():
            if not completion.token_ids:
                continue
            if completion.logprobs is None:
                raise ConfigError(
                    f"thread {thread.id} of {tree.session!r} has no log-probabilities: sample with `Sampling(logprobs=True)` on an engine "
                    "that gives them"
                )
            yield Unit(tuple(context), tuple(completion.token_ids), tuple(completion.logprobs), thread.id)


def scorable(rollouts: Iterable[Rollout]) -> list[Rollout]:
    """Those without an error. The others are dropped, whatever they answered: an outage is no wrong answer, and no right one."""
    return [rollout for rollout in rollouts if rollout.error is None]


def to_line(rollout: Rollout) -> str:
    """One line of JSON, newline included."""
    return json.dumps(asdict(rollout), separators=(",", ":"), allow_nan=False) + "\n"


def from_line(line: str) -> Rollout:
    """Raises `ConfigError` for a line that `to_line` has not written."""
    try:
        record: dict[str, Any] = json.loads(line)
        facts = record.pop("facts")
        units = tuple(
            Unit(tuple(unit["prompt"]), tuple(unit["sampled"]), tuple(unit["logprobs"]), unit["thread"])
            for unit in record.pop("units")
        )
        children = tuple(Outcome(**child) for child in record.pop("children", ()))
        facts = Facts(**(facts | {"concurrency": tuple(facts["concurrency"])}))
        return Rollout(units=units, facts=facts, children=children, **record)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"not a rollout ({type(error).__name__}: {error}): {line[:80]!r}") from error


def write_rollouts(path: Path, rollouts: Iterable[Rollout]) -> None:
    """Append to a file of JSON lines, after cutting off the torn line that a killed writer may have left at its end."""
    with path.open("a+b") as file:
        if end := file.tell():
            file.seek(end - 1)
            if file.read() != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
        file.writelines(to_line(rollout).encode() for rollout in rollouts)


def read_rollouts(path: Path) -> Iterator[Rollout]:
    """The rollouts of a file. A last line without its newline is what a killed writer leaves behind, and is skipped.

    Raises `ConfigError`, with the line's number, for any other line that is no rollout.
    """
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith("\n"):
                return
            try:
                yield from_line(line)
            except ConfigError as error:
                raise ConfigError(f"{path}, line {number}: {error}") from error
