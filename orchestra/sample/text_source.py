"""Traces of a text problem on an engine: chat prompts in, exact tokens out, answers by the one equivalence.

Each trace is a run tree of one serial thread, so its tokens, log-probabilities and account are kept as the engine saw them. All requests of a
problem begin with the same tokens and share their prefill. The first one is not sent ahead for that: vLLM books the blocks of a prompt when it
schedules it, so that siblings of the same batch find them already (in `tests/sample/test_text_source.py`, on a real vLLM).
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace

from ..answers import Equivalence, extract
from ..chat.base import Message
from ..chat.tokenizer import ChatTokenizer
from ..engine import Completion, Engine, Request, Sampling
from ..errors import ConfigError, EngineError
from ..thread import Event, Limits, RunTree, ledger, run_tree
from ..thread.protocols import Serial
from .decisions import Branch, Fresh, Revise
from .prompts import OPENING, WITHOUT_ANSWER, attempts, is_thinking, render
from .source import Ending, LiveTrace, Usage
from .steps import Steps
from .text_state import TextState

PROBE_TOKENS = 20  # Dynasor and Parallel-Probe force about as many
_PROBE_PRIORITY = -1  # a policy waits for it, and it is short: ahead of traces that are still queued
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)


class TextSource:
    """Samples `problem`. Entering and leaving the engine and `answers` is the caller's.

    Args:
        problem_id: what `answers` knows the problem by.
        max_tokens: of a trace; what a branch has inherited counts.
        seed: from which each trace gets its own; None leaves them to the engine.
        system: a system message ahead of the problem.
        template: which `prompts/sample_<template>.j2` the problem is put into.

    A trace ends with one of the tokenizer's end tokens or at `max_tokens`. Where a model has no token for its end but only a text
    (`ChatTokenizer.stop`), what follows that text is sampled and paid for, but not read.
    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: ChatTokenizer,
        problem: str,
        *,
        answers: Equivalence,
        problem_id: str,
        max_tokens: int,
        temperature: float = 1.0,
        top_p: float = 1.0,
        seed: int | None = None,
        system: str | None = None,
        template: str = "problem",
    ) -> None:
        self.engine = engine
        self._tokenizer = tokenizer
        self._problem = problem
        self._answers = answers
        self._problem_id = problem_id
        self._seed = seed
        self._system = system
        try:
            self._sampling = Sampling(
                max_tokens=max_tokens, temperature=temperature, top_p=top_p, stop_token_ids=tokenizer.end_ids, logprobs=False
            )
        except ValueError as error:
            raise ConfigError(str(error)) from error
        self._protocol = Serial(end=tokenizer.end_ids)
        self._fresh = self._encode(render(template, problem=problem))

    def now(self) -> float:
        return self.engine.now()

    async def run(self, trace: LiveTrace) -> Ending:
        """Raises `EngineError` when the engine fails or the prompt leaves no room in its context, and `ConfigError` for a start or for
        scores that it cannot give. What was sampled is in `trace.usage` either way."""
        able = self.engine.capabilities
        if not able.token_exact:
            raise ConfigError(
                f"{self.engine.name} writes text of its own tokens and cannot go on from given ones: sample on the chat model of that"
                " endpoint, `open_chat(URL)`"
            )
        if trace.top_logprobs > able.top_logprobs:
            raise ConfigError(
                f"{self.engine.name} scores at most {able.top_logprobs} candidates a token, the policy needs {trace.top_logprobs}: use another"
                " engine, such as vllm, or a policy without log-probabilities, such as adaptive"
            )
        state = self._state(trace)
        if able.context is not None and len(state.prompt) >= able.context:
            shorten = "show it fewer or shorter attempts" if trace.shown else "shorten the problem"
            raise EngineError(
                f"the prompt of trace {trace.id} has {len(state.prompt)} tokens, but a context of {self.engine.name} holds {able.context}:"
                f" {shorten}, or serve the model with a longer context"
            )
        sampling = self._sampling_of(trace, state)

        def begin(tree: RunTree) -> None:
            trace.tree = tree

        try:
            tree = await run_tree(
                self.engine,
                self._protocol,
                state.prompt,
                sampling=sampling,
                limits=Limits(window=len(state.prompt) + sampling.max_tokens),
                session=trace.session,
                observer=(lambda event: self._observe(trace, state, event)) if trace.watched else None,
                on_start=begin,
                traceparent=trace.traceparent,
            )
        finally:
            if trace.tree is not None:
                _settle(trace, state, trace.tree)
        if tree.error is not None:
            raise EngineError(tree.error)
        return await self._ending(trace, state, cut=tree.root.status == "cut")

    async def probe(self, trace: LiveTrace) -> tuple[str | None, Usage]:
        """A second, greedy request on the trace's prefix, which closes its thinking and opens a box.

        What it has sampled when it is cancelled or lost is added to `trace.lost_probes`. Raises `ConfigError` for a running trace that is not
        watched: nobody knows its tokens.
        """
        state = self._known(trace, "probed")
        thinking = is_thinking(self._written(state))
        suffix = self._tokenizer.encode_text("\n\n" + render("probe", thinking=thinking))
        prompt = [*state.prompt, *state.body(self._tokenizer.end_ids), *suffix]
        context = self.engine.capabilities.context
        room = PROBE_TOKENS if context is None else min(PROBE_TOKENS, context - len(prompt))
        if room < 1:
            return None, Usage()
        request = Request(
            prompt=prompt,
            sampling=Sampling(max_tokens=room, stop_token_ids=self._tokenizer.end_ids, logprobs=False),
            session=trace.session,
            priority=_PROBE_PRIORITY,
            traceparent=trace.traceparent,
            on_abort=lambda completion: _add(trace.lost_probes, _usage(completion, len(prompt), granted=room)),
        )
        completion = await self.engine.generate(request)
        forced = _box_content(self._decode(completion.token_ids))
        usage = replace(_usage(completion, len(prompt), granted=room), span=len(completion.token_ids))
        try:
            return await self._answers.key(self._problem_id, forced), usage
        except asyncio.CancelledError:
            _add(trace.lost_probes, usage)
            raise

    def words(self, trace: LiveTrace, tokens: int | None) -> str:
        """Of a branch also what it has inherited. Of a running trace that is not watched nothing is known."""
        if not isinstance(trace.state, TextState):
            return trace.text
        return trace.state.words(tokens)

    def _state(self, trace: LiveTrace) -> TextState:
        """Made when a trace is run, or probed before it is."""
        if not isinstance(trace.state, TextState):
            inherited: tuple[int, ...] = ()
            match trace.start:
                case Fresh():
                    prompt = self._fresh
                case Branch(tokens=tokens):
                    origin = self._known(trace.shown[0], "branched")
                    head = origin.body(self._tokenizer.end_ids)[:tokens]
                    inherited = (*origin.inherited, *head)
                    prompt = [*origin.prompt, *head]
                case Revise(purpose=purpose):
                    shown = attempts([(self._shown(other), other.answer_text) for other in trace.shown])
                    prompt = self._encode(render(purpose, problem=self._problem, attempts=shown))
            trace.state = TextState(self._tokenizer, prompt, inherited)
        return trace.state

    def _known(self, trace: LiveTrace, what: str) -> TextState:
        """The state of a trace whose tokens are known by now."""
        if trace.state is not None and not isinstance(trace.state, TextState):
            raise ConfigError(
                f"trace {trace.id} comes from a source without token ids and cannot be {what}: run its arm on an engine, too"
            )
        state = self._state(trace)
        if not trace.watched and (trace.tree is None or trace.tree.finished is None):
            raise ConfigError(
                f"trace {trace.id} is running unwatched and cannot be {what}: have the policy need `tokens_every` or `probes`"
            )
        return state

    def _encode(self, text: str) -> list[int]:
        system = [Message("system", self._system)] if self._system is not None else []
        return self._tokenizer.encode([*system, Message("user", text)])

    def _sampling_of(self, trace: LiveTrace, state: TextState) -> Sampling:
        seed = None if self._seed is None else zlib.crc32(f"{self._seed}/{self._problem_id}/{trace.id}".encode())
        left = max(1, self._sampling.max_tokens - len(state.inherited))
        return replace(self._sampling, seed=seed, max_tokens=left, top_logprobs=trace.top_logprobs)

    def _observe(self, trace: LiveTrace, state: TextState, event: Event) -> None:
        if event.kind != "tokens":
            return
        # Another item in the thread means that an attempt was lost: its successor begins anew.
        if state.take(event.token_ids, attempt=len(event.thread.items)):
            trace.scores = None
        if event.scores is not None:
            if trace.scores is None:
                trace.scores = event.scores[:]
            else:
                trace.scores.extend(event.scores)
        if trace.on_tokens is not None:
            trace.on_tokens(len(event.token_ids), event.scores)

    async def _ending(self, trace: LiveTrace, state: TextState, *, cut: bool) -> Ending:
        prepares = isinstance(trace.start, Revise) and trace.start.purpose in WITHOUT_ANSWER
        trace.answer_text = None if prepares else extract(self._written(state))
        answer = await self._answers.key(self._problem_id, trace.answer_text)
        scores = trace.scores
        steps = Steps(self._tokenizer.detokenizer(), state.sampled, scores) if scores is not None else ()
        return Ending(answer=answer, cut=cut, steps=steps)

    def _written(self, state: TextState) -> str:
        """The whole text, with the opening of a thought that stands at the end of the model's prompt."""
        return (OPENING if state.opens_thinking else "") + state.words(None)

    def _shown(self, trace: LiveTrace) -> str:
        return self._written(trace.state) if isinstance(trace.state, TextState) else trace.text

    def _decode(self, token_ids: Sequence[int]) -> str:
        detokenizer = self._tokenizer.detokenizer()
        return detokenizer.feed(token_ids) + detokenizer.end()


def _settle(trace: LiveTrace, state: TextState, tree: RunTree) -> None:
    """The trace has ended, however it did: its account and its tokens are those of the tree."""
    account = ledger(tree)
    trace.usage = Usage(
        sampled=account.work, span=account.span, overshoot=account.unobserved, prefill=account.prefilled, cached=account.cached
    )
    last = next((s.completion for s in reversed(list(tree.root.segments)) if s.completion is not None), None)
    state.end(last.token_ids if last is not None else [])
    trace.scores = last.scores if last is not None else None
    trace.text = state.words(None)


def _box_content(text: str) -> str | None:
    """Up to the brace that closes a box which stands open before `text`; None when none does."""
    depth = 1
    for found in _BRACE.finditer(text):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth == 0:
            return text[: found.start()].strip() or None
    return None


def _usage(completion: Completion, prompt_tokens: int, *, granted: int) -> Usage:
    """Of one request beside a trace. As in the ledger, an aborted one of which the engine tells no cached tokens counts without a prompt."""
    aborted, cached = completion.finish == "abort", completion.cached_tokens
    sampled = len(completion.token_ids)
    usage = Usage(sampled=sampled, overshoot=granted - sampled if aborted else 0)
    if cached is not None:
        usage.cached, usage.prefill = cached, prompt_tokens - cached
    elif not aborted:
        usage.cached = usage.prefill = None
    return usage


def _add(usage: Usage, more: Usage) -> None:
    usage.sampled += more.sampled
    usage.span += more.span
    usage.overshoot += more.overshoot
    usage.prefill = None if usage.prefill is None or more.prefill is None else usage.prefill + more.prefill
    usage.cached = None if usage.cached is None or more.cached is None else usage.cached + more.cached
