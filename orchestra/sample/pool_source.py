"""A source that plays recorded traces at a steady pace: the live runner without a model, for tests, demos and dry runs.

Under `run_virtual` a live run on it takes no real time. It decides what a replay of the same traces decides, but for what depends on the order of
things that happen at one moment: a replay tells the progress of traces in lockstep as one event, a live run trace by trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import ConfigError
from .decisions import Fresh
from .pool import Pool, PooledProblem, Recorded
from .replay import PROBE_TOKENS
from .source import Ending, LiveTrace, Usage


@dataclass(slots=True)
class _Playing:
    recorded: Recorded
    began: float

    def tokens(self, steps: float) -> int:
        """Sampled in so many decoding steps; in a forked trace they are taken to come evenly."""
        return int(self.recorded.tokens * min(1.0, steps / max(1, self.recorded.steps_taken)) + 1e-6)


class PoolSource:
    """Plays traces of `problem` in `order`, each token at its time. Traces whose engine failed cannot be played: pools hold none.

    Args:
        seconds_per_token: on the event loop's clock.
        chunk: decoding steps whose tokens come at a time, where somebody watches.
    """

    def __init__(
        self, pool: Pool, problem: PooledProblem, order: Sequence[int], *, seconds_per_token: float = 1.0, chunk: int = 1
    ) -> None:
        if seconds_per_token <= 0 or chunk < 1:
            raise ConfigError(f"a pace takes time and chunks hold tokens, got {seconds_per_token} s a token in chunks of {chunk}")
        self._pool = pool
        self._problem = problem
        self._left: Iterator[int] = iter(order)
        self._pace = seconds_per_token
        self._chunk = chunk

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def run(self, trace: LiveTrace) -> Ending:
        if not isinstance(trace.start, Fresh) or trace.top_logprobs:
            raise ConfigError(f"the pool {self._pool.name} plays whole traces without log-probabilities: use a live engine")
        index = next(self._left, None)
        if index is None:
            raise ConfigError(f"the pool {self._pool.name} has no more traces for {self._problem.id}: lower the policy's `n`")
        recorded = self._problem.traces[index]
        playing = _Playing(recorded, self.now())
        trace.state = playing
        try:
            await self._play(trace, playing)
        finally:
            steps = (self.now() - playing.began) / self._pace
            span = min(recorded.steps_taken, int(steps + 1e-6))
            trace.usage = Usage(sampled=playing.tokens(steps), span=span, prefill=None, cached=None)
            trace.text = recorded.text or ""
        trace.answer_text = recorded.answer
        return Ending(answer=recorded.answer, cut=recorded.cut)

    async def _play(self, trace: LiveTrace, playing: _Playing) -> None:
        steps = playing.recorded.steps_taken
        told = 0
        while told < steps:
            before = playing.tokens(told)
            told = min(told + self._chunk, steps) if trace.watched else steps
            await asyncio.sleep(playing.began + told * self._pace - self.now())
            if trace.watched and trace.on_tokens is not None:
                trace.span = told
                trace.on_tokens(playing.tokens(told) - before, None)

    async def probe(self, trace: LiveTrace) -> tuple[str | None, Usage]:
        playing = trace.state
        if not isinstance(playing, _Playing) or not self._pool.probe_every:
            raise ConfigError(f"the pool {self._pool.name} holds no forced answers of trace {trace.id}")
        probes = playing.recorded.probes or ()
        taken = playing.tokens((self.now() - playing.began) / self._pace) // self._pool.probe_every
        answer = probes[min(taken, len(probes)) - 1] if taken and probes else None
        return answer, Usage(sampled=PROBE_TOKENS, prefill=None, cached=None)

    def words(self, trace: LiveTrace, tokens: int | None) -> str:
        playing = trace.state
        text = playing.recorded.text if isinstance(playing, _Playing) else None
        if text is None or tokens is None or not isinstance(playing, _Playing):
            return text or ""
        # Pools hold texts without the places of their tokens: a share of the tokens is taken as that share of the text.
        return text[: len(text) * min(tokens, playing.recorded.tokens) // max(1, playing.recorded.tokens)]
