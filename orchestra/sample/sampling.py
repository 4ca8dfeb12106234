"""`sample`: the front door. A problem, an engine, a policy; an answer and what it cost."""

from __future__ import annotations

import hashlib
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from ..answers import Equivalence
from ..chat import ChatModel, EngineChat
from ..chat.tokenizer import ChatTokenizer
from ..engine import Engine
from ..errors import ConfigError
from .bench import Bench
from .chat_source import ChatSource
from .judges.default import default_judges
from .live import run_live
from .named import RECOMMENDED, read_policy
from .outcome import Outcome
from .policy import Policy
from .run import Observer
from .source import LiveTrace, Source
from .text_source import TextSource


@dataclass(frozen=True, slots=True)
class Sampled:
    """What `sample` returns."""

    outcome: Outcome
    traces: list[LiveTrace]

    @property
    def answer(self) -> str | None:
        """In the words of the trace that speaks for it; None when no trace gave one that can be read."""
        if self.outcome.trace is None:
            return self.outcome.answer
        return self.traces[self.outcome.trace].answer_text or self.outcome.answer

    @property
    def text(self) -> str:
        """All that the answering trace wrote."""
        return self.traces[self.outcome.trace].text if self.outcome.trace is not None else ""


async def sample(
    problem: str,
    engine: ChatModel | Engine | Source,
    *,
    policy: Policy | str = RECOMMENDED,
    tokenizer: str | Path | ChatTokenizer | None = None,
    max_tokens: int = 16_384,
    temperature: float = 0.6,
    top_p: float = 0.95,
    seed: int | None = None,
    bench: Bench | None = None,
    answers: Equivalence | None = None,
    log: bool = False,
    observer: Observer | None = None,
) -> Sampled:
    """Try `problem` many times at once, as `policy` decides, and return the answer with its account.

        async with open_chat("vllm", model="models/qwen3-8b") as chat:
            sampled = await sample("How many …?", chat, policy="adaptive:n=16,m=10,weight=length")
            print(sampled.answer, sampled.outcome.why, sampled.outcome.account.work)

    Args:
        engine: a running chat model (`open_chat`), a running `Engine` with the `tokenizer` of its model, or any `Source` of traces.
            Log-probabilities, probes and branches need an engine whose tokens are known: a chat endpoint has text only.
        policy: a `Policy`, or its name and parameters as `read_policy` takes them.
        max_tokens: of one trace.
        top_p: where the model's tokens are known; chat endpoints keep their own.
        bench: judges, other arms and slots. Judges that the policy asks and `bench` lacks are `default_judges`: words in common for pairs,
            the model itself for the rest.
        answers: the equivalence that votes are counted by; give one to share its worker processes among problems.
        observer: told every event and decision as it happens, with the decider, whose `standing()` is the answer of the moment.
        log: keep all events and decisions in `outcome.turns`.

    Raises `ConfigError` for what this engine cannot do, and `PolicyError` for a policy that breaks its rules. Engine failures lose single
    traces; when all are lost, `outcome.error` says why.
    """
    chosen = read_policy(policy) if isinstance(policy, str) else policy
    traces: list[LiveTrace] = []
    async with AsyncExitStack() as stack:
        if isinstance(engine, Source):
            source: Source = engine
        else:
            equivalence = await stack.enter_async_context(Equivalence()) if answers is None else answers
            settings = _Settings(problem, equivalence, max_tokens, temperature, top_p, seed)
            source = settings.source(engine, tokenizer)
        given = bench or Bench()
        lacking = chosen.needs.judges - given.judges.keys()
        model = None if isinstance(engine, Source | Engine) else engine
        outcome = await run_live(
            chosen,
            source,
            problem=problem,
            session=_session(problem),
            bench=replace(given, judges={**default_judges(lacking, model), **given.judges}),
            log=log,
            traces=traces,
            observer=observer,
        )
    return Sampled(outcome, traces)


def _session(problem: str) -> str:
    """The same for a problem everywhere; it goes into HTTP headers, which hold neither long texts nor all letters."""
    return hashlib.sha256(problem.encode(errors="surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Settings:
    """What decides how a problem's traces are sampled, whichever source samples them."""

    problem: str
    answers: Equivalence
    max_tokens: int
    temperature: float
    top_p: float
    seed: int | None

    def source(self, engine: ChatModel | Engine, tokenizer: str | Path | ChatTokenizer | None) -> Source:
        if isinstance(engine, EngineChat):
            return self._on_engine(engine.engine, engine.tokenizer)
        if isinstance(engine, Engine):
            if tokenizer is None:
                raise ConfigError(f"{engine.name} takes token ids: give the folder of its model as `tokenizer`")
            known = tokenizer if isinstance(tokenizer, ChatTokenizer) else ChatTokenizer.load(Path(tokenizer))
            return self._on_engine(engine, known)
        return ChatSource(
            engine,
            self.problem,
            answers=self.answers,
            problem_id=self.problem,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            seed=self.seed,
        )

    def _on_engine(self, engine: Engine, tokenizer: ChatTokenizer) -> TextSource:
        return TextSource(
            engine,
            tokenizer,
            self.problem,
            answers=self.answers,
            problem_id=self.problem,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
        )
