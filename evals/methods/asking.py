"""Traces of problems in words: a chat model is asked with the benchmark's prompt.

A model whose engine and tokenizer are ours (vLLM or `transformers` in this process, or a server with `--tokenizer`) is sampled token by token,
with run trees; an endpoint that knows only text is sampled as far as text goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestra.answers import Equivalence
from orchestra.chat import ChatModel, EngineChat
from orchestra.sample.chat_source import ChatSource
from orchestra.sample.source import Ending, LiveTrace, Source
from orchestra.sample.text_source import TextSource
from orchestra.trace.record import Decode

from ..benchmark import Benchmark
from ..problem import Problem
from ..suite.prompts import asked
from .calls import Call, Calls
from .sampled import counted, written
from .seeds import epoch_seed
from .voting import Voting

TEMPLATE = "asked"
"""The benchmark's prompt is the whole message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How traces are drawn."""

    max_tokens: int = 16_384
    """Of one trace."""
    temperature: float = 0.6
    top_p: float = 0.95
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Makes the source of each try. Entering and leaving the model and `answers` is the caller's."""

    benchmark: Benchmark
    chat: ChatModel
    answers: Equivalence
    decoding: Decoding

    def __call__(self, problem: Problem, epoch: int) -> Source:
        question, decoding = asked(self.benchmark, problem), self.decoding
        voting = Voting(benchmark=self.benchmark, problem=problem, answers=self.answers)
        seed = epoch_seed(decoding.seed, epoch)
        if isinstance(self.chat, EngineChat):
            return AskedTokens(self.chat, question, voting, decoding, seed)
        return AskedText(self.chat, question, voting, decoding, seed)


class AskedTokens(TextSource):
    """Traces on an engine with a chat tokenizer."""

    def __init__(self, chat: EngineChat, question: str, voting: Voting, decoding: Decoding, seed: int | None) -> None:
        self._voting = voting
        super().__init__(
            chat.engine,
            chat.tokenizer,
            question,
            answers=voting.answers,
            problem_id=voting.problem.id,
            max_tokens=decoding.max_tokens,
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            seed=seed,
            template=TEMPLATE,
        )

    async def run(self, trace: LiveTrace) -> Ending:
        ending = await super().run(trace)
        return await self._voting.of(trace, ending, written(trace))


class AskedText(ChatSource):
    """Traces on a chat model that tells only text, with an account of every request."""

    def __init__(self, chat: ChatModel, question: str, voting: Voting, decoding: Decoding, seed: int | None) -> None:
        self._voting = voting
        self._calls = Calls(chat)
        super().__init__(
            self._calls,
            question,
            answers=voting.answers,
            problem_id=voting.problem.id,
            max_tokens=decoding.max_tokens,
            temperature=decoding.temperature,
            seed=seed,
            template=TEMPLATE,
        )

    @property
    def made(self) -> Sequence[Call]:
        return self._calls.made

    async def run(self, trace: LiveTrace) -> Ending:
        ending = await super().run(trace)
        return await self._voting.of(trace, ending, written(trace))


def decoder(chat: ChatModel) -> Decode:
    """Token ids to text, where the model's tokens are known."""
    if not isinstance(chat, EngineChat):
        return counted
    tokenizer = chat.tokenizer

    def decode(ids: Sequence[int]) -> str:
        detokenizer = tokenizer.detokenizer()
        return detokenizer.feed(ids) + detokenizer.end()

    return decode
