"""Traces of one Countdown problem for sampling policies: each is a run tree, serial or forked, and its claim is verified.

A trace votes with the key of what it claims (`canonical`); a wrong claim votes, too, as it does wherever answers cannot be checked. Verifying
them for the vote itself would leave nothing to sample for.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ..engine import Engine, Sampling
from ..engine.scores import Scores
from ..errors import ConfigError, EngineError
from ..sample.decisions import Branch, Fresh
from ..sample.events import Step
from ..sample.policy import Needs
from ..sample.source import Ending, LiveTrace, Usage
from ..sample.steps import uncertainty
from ..thread import Event, RunTree, ledger, run_tree
from . import notation
from .attempt import Attempt, Setup, read_attempt
from .canonical import canonical
from .problem import Problem
from .rules import expression, verify


@dataclass(slots=True)
class CountdownState:
    """`LiveTrace.state` of a `CountdownSource`."""

    inherited: tuple[int, ...] = ()
    """What a branch has from another trace."""
    sampled: dict[str, list[int]] = field(default_factory=dict)
    """By thread, as far as they are known: while a trace runs only where it is watched."""
    paths: dict[str, int] = field(default_factory=dict)
    """By thread of a watched trace, sampled tokens from the trace's beginning to where the thread is now: with a parent's, those of its longest
    child."""

    @property
    def token_ids(self) -> list[int]:
        """All ids that the trace has sampled, thread by thread, parents first."""
        return [token for ids in self.sampled.values() for token in ids]


def check_needs(needs: Needs, setup: Setup) -> None:
    """Raises `ConfigError` for a policy that Countdown traces cannot serve, before anything is started for it."""
    if setup.scouts:
        raise ConfigError(_NO_SCOUTS)
    if needs.probes:
        raise ConfigError(_NO_PROBES)
    if needs.purposes:
        raise ConfigError(_NO_REVISIONS)
    if needs.branches and setup.method != "serial":
        raise ConfigError(_NO_BRANCHES)


_NO_SCOUTS = (
    "a policy launches searches itself and compares their claims, which scouts would check: leave out `scouts`, or the policy"
)
_NO_PROBES = "a Countdown trace cannot be made to answer early: the model was never trained to; use a policy without probes"
_NO_REVISIONS = "the Countdown model cannot read other traces' attempts: use a policy that launches fresh traces or branches"
_NO_BRANCHES = 'only serial Countdown traces can be branched: use `Setup(method="serial")`, `--method serial`'


class CountdownSource:
    """Samples `problem`. Entering and leaving the engine is the caller's.

    Serial traces can be branched from; nothing can be probed or shown to another trace, because the model was trained on neither.
    A `setup.seed` gives every trace a seed of its own. (vLLM 0.32 on a CPU dies of seeded requests whose prompt it has to split: leave it
    None there where many traces start at once.)

    In a forked trace tokens, scores and words are those of all its threads, one after the other.
    """

    def __init__(self, engine: Engine, problem: Problem, setup: Setup) -> None:
        self.engine = engine
        self.problem = problem
        self.setup = setup

    def now(self) -> float:
        return self.engine.now()

    async def run(self, trace: LiveTrace) -> Ending:
        """Raises `EngineError` when the engine fails anywhere in the tree, and `ConfigError` for a start or for scores that it cannot give.
        What was sampled is in `trace.usage` either way."""
        self._check(trace)
        state = self._begin(trace)
        try:
            tree = await run_tree(
                self.engine,
                self.setup.protocol,
                (*self.setup.prompt(self.problem), *state.inherited),
                sampling=self._sampling(trace),
                limits=self.setup.limits,
                join=self.setup.join,
                session=trace.session or self.problem.key,
                observer=(lambda event: _observe(trace, state, event)) if trace.watched else None,
                on_start=lambda tree: setattr(trace, "tree", tree),
                traceparent=trace.traceparent,
            )
        finally:
            if trace.tree is not None:
                _settle(trace, state, trace.tree)
        if tree.error is not None:
            raise EngineError(tree.error)
        return self._ending(trace, state, tree)

    async def probe(self, trace: LiveTrace) -> tuple[str | None, Usage]:
        raise ConfigError(_NO_PROBES)

    def words(self, trace: LiveTrace, tokens: int | None) -> str:
        """Token by token in the words of `notation.VOCABULARY`, what a branch has inherited ahead of them."""
        state = trace.state
        if not isinstance(state, CountdownState):
            return ""
        return spelled((*state.inherited, *state.token_ids[:tokens]))

    def attempt(self, trace: LiveTrace) -> Attempt:
        """A fresh trace that has ended, as an attempt, with its run tree."""
        assert trace.tree is not None, f"trace {trace.id} has not been run"
        return read_attempt(self.problem, trace.tree, shown=self.setup.label)

    def _check(self, trace: LiveTrace) -> None:
        if not isinstance(trace.start, Fresh | Branch):
            raise ConfigError(_NO_REVISIONS)
        if isinstance(trace.start, Branch) and self.setup.method != "serial":
            raise ConfigError(_NO_BRANCHES)
        if trace.top_logprobs > self.engine.capabilities.top_logprobs:
            raise ConfigError(
                f"{self.engine.name} scores at most {self.engine.capabilities.top_logprobs} candidates a token, the policy needs"
                f" {trace.top_logprobs}: use another engine, or a policy without log-probabilities"
            )

    def _begin(self, trace: LiveTrace) -> CountdownState:
        state = trace.state = CountdownState()
        if isinstance(trace.start, Branch):
            origin = trace.shown[0].state
            if not isinstance(origin, CountdownState):
                raise ConfigError(f"trace {trace.shown[0].id} is none of Countdown and cannot be branched")
            head = [token for token in origin.token_ids if token != notation.END][: trace.start.tokens]
            state.inherited = (*origin.inherited, *head)
        return state

    def _sampling(self, trace: LiveTrace) -> Sampling:
        setup = self.setup
        return Sampling(
            max_tokens=setup.effective_window,
            temperature=setup.temperature,
            seed=None if setup.seed is None else zlib.crc32(f"{setup.seed}/{trace.id}".encode()),
            logprobs=setup.logprobs,
            top_logprobs=trace.top_logprobs,
        )

    def _ending(self, trace: LiveTrace, state: CountdownState, tree: RunTree) -> Ending:
        cut = tree.root.status == "cut" or tree.timed_out
        token_ids, scores = state.token_ids, trace.scores
        steps = steps_of(token_ids, scores) if scores is not None and len(scores) == len(token_ids) else ()
        path = None
        if tree.root.status == "finished":
            path = notation.read_path((*state.inherited, *tree.root.last_words))
        if path is None:
            return Ending(answer=None, cut=cut, steps=steps)
        numbers, target = self.problem.numbers, self.problem.target
        answer = canonical(numbers, target, path)
        trace.answer_text = expression(numbers, path) if verify(numbers, target, path) is None else answer
        return Ending(answer=answer, cut=cut, steps=steps)


def spelled(token_ids: Sequence[int]) -> str:
    """Words of the vocabulary with spaces between them: the model's tokenizer reads the same ids from it."""
    return " ".join(notation.VOCABULARY[token] for token in token_ids)


def problem_text(problem: Problem) -> str:
    """What judges are shown of a problem, in the same words."""
    return spelled(notation.serial_prompt(problem, beam=1)[3:-1])


_STEPS = {notation.ID[marker] for marker in ("<1>", "<2>", "<3>", "<4>", "<5>", "<goal>", "<none>")}
"""What begins a step: every state that the search visits, and the final words."""


def steps_of(token_ids: Sequence[int], scores: Scores) -> tuple[Step, ...]:
    """The steps of one thread's search; `scores` are of the same tokens."""
    starts = sorted({0, *(place for place, token in enumerate(token_ids) if token in _STEPS)}) if token_ids else []
    return tuple(Step(first, uncertainty(scores[first:after])) for first, after in pairwise([*starts, len(token_ids)]))


def _observe(trace: LiveTrace, state: CountdownState, event: Event) -> None:
    if event.kind != "tokens":
        return
    state.sampled.setdefault(event.thread.id, []).extend(event.token_ids)
    trace.span = _advance(state.paths, event.thread.id, len(event.token_ids))
    if event.scores is not None:
        _score(trace, event.scores)
    if trace.on_tokens is not None:
        trace.on_tokens(len(event.token_ids), event.scores)


def _advance(paths: dict[str, int], thread: str, tokens: int) -> int:
    """The critical path of all threads when one goes on. A child begins where its parent is, and a parent goes on where its longest child ended."""
    if thread in paths:
        below = [path for other, path in paths.items() if other.startswith(f"{thread}.")]
        paths[thread] = max([paths[thread], *below]) + tokens
    else:
        paths[thread] = paths.get(thread.rpartition(".")[0], 0) + tokens
    return max(paths.values())


def _settle(trace: LiveTrace, state: CountdownState, tree: RunTree) -> None:
    """The run has ended, however it did: its account and its tokens, aborted ones included, are those of the tree."""
    account = ledger(tree)
    trace.usage = Usage(
        sampled=account.work, span=account.span, overshoot=account.unobserved, prefill=account.prefilled, cached=account.cached
    )
    state.sampled = {thread.id: thread.sampled_ids for thread in tree.threads}
    trace.text = spelled((*state.inherited, *state.token_ids))
    trace.scores = None
    for _, completion in tree.requests():
        if completion.scores is not None:
            _score(trace, completion.scores)


def _score(trace: LiveTrace, scores: Scores) -> None:
    if trace.scores is None:
        trace.scores = scores[:]
    else:
        trace.scores.extend(scores)
