"""Every kind of policy once, on a real vLLM with a byte-level model, and what only a real engine shows of a `TextSource`.

The model's weights are random and it writes noise, so that nothing here is about right answers: the answer of a trace or a probe is
the length of its text modulo four, none for 0, and a step has ten tokens.
"""

from __future__ import annotations

import asyncio
import inspect
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, get_args

import pytest

import orchestra.sample.policies
from orchestra.chat import EngineChat
from orchestra.chat.tokenizer import ChatTokenizer
from orchestra.engine import Completion, Engine, Request, Scores
from orchestra.engine.wrapper import EngineWrapper
from orchestra.sample.again import decide_again
from orchestra.sample.bench import Bench
from orchestra.sample.decisions import Branch, Judge, Stop
from orchestra.sample.judges.ask import AskJudge
from orchestra.sample.judges.base import Opinion, Question
from orchestra.sample.live import TOP_LOGPROBS, run_live
from orchestra.sample.policies import adaptive as adaptive_family
from orchestra.sample.policies.adaptive import Adaptive, asc_events, self_consistency, short_m, staged
from orchestra.sample.policies.atts import Atts
from orchestra.sample.policies.best_of import BestOf
from orchestra.sample.policies.budgeted import Budgeted
from orchestra.sample.policies.deep_prune import DeepPrune
from orchestra.sample.policies.deepconf import DeepConf, DeepConfOffline
from orchestra.sample.policies.distilled import pdr, rsa
from orchestra.sample.policies.entropy import Seer, SemanticEntropy
from orchestra.sample.policies.monkeys import Monkeys
from orchestra.sample.policies.muse import Muse
from orchestra.sample.policies.probing import Dynasor, ParallelProbe, ProbeRank
from orchestra.sample.policies.rounds import Seat, SequentialRefinement
from orchestra.sample.policies.scale import Scale
from orchestra.sample.policies.scale_steps import ScaleSteps
from orchestra.sample.policies.sequential import AdaptiveConsistency, EarlyStopping
from orchestra.sample.policies.slim_sc import SlimSC
from orchestra.sample.policies.summary import SummaryOfN
from orchestra.sample.policy import Policy
from orchestra.sample.source import LiveTrace
from orchestra.sample.text_source import PROBE_TOKENS, TextSource
from orchestra.sample.tree import sample_tree
from orchestra.sample.weights import Kind, Weight
from tests.engine.real_server import START_TIMEOUT_S
from tests.sample.text_traces import chat_prompt, source_on, trace_of

pytestmark = [pytest.mark.vllm, pytest.mark.anyio, pytest.mark.timeout(START_TIMEOUT_S)]

TOKENS = 40  # of a trace
PROBLEM = "What is 3 + 4?"

POLICIES: list[Policy] = [
    *(self_consistency(4, weight=Weight(kind)) for kind in get_args(Kind)),
    *(short_m(4, 2), asc_events(5, threshold=0.7), staged((2, None), (3, 4), threshold=0.99)),
    *(adaptive_family.adaptive(4, token_price=0.5), AdaptiveConsistency(n=3, threshold=0.9), EarlyStopping(n=4, window=2)),
    *(BestOf(n=3), BestOf(n=3, choose="weighted")),
    *(DeepConfOffline(n=4, eta=50, score=score) for score in ("confidence", "tail", "lowest", "bottom")),
    DeepConf(n=5, eta=50, first=2, window=8, stride=4),
    DeepConf(n=5, eta=50, first=2, window=8, stride=4, warmup="barrier"),
    *(Dynasor(n=2, equal=2, tokens_every=8), ProbeRank(n=4, running=2, at=10)),
    ParallelProbe(n=4, tokens_every=8, warmup=0, patience=1, stable=2),
    *(DeepPrune(n=4, judge_tokens=12), DeepPrune(n=4, judge_tokens=12, largest=1), SlimSC(n=4, every=12, threshold=0.5)),
    *(SemanticEntropy(n=4), Seer(n=4, quick=2, arm="fast"), Seat(n=3, rounds=2)),
    *(SequentialRefinement(steps=3), pdr(3), pdr(3, distil="top"), rsa(3, keep=2, loops=1)),
    *(Scale(), Scale(fast=2, signal="entropy"), ScaleSteps(outlines=2, steps=2)),
    *(Atts(n=3, calibration=(0.2, 0.4, 0.6)), Atts(n=3, calibration=(0.2, 0.4, 0.6), prefix=12)),
    *(Muse(budget=4), Muse(budget=4, initial=2, aggregate="vote")),
    *(Monkeys(n=2, steps=2), SummaryOfN(n=3, m=2)),
    *(Budgeted(policy=self_consistency(4), tokens=60, tokens_every=8), Budgeted(policy=self_consistency(4), seconds=0.03)),
    Budgeted(policy=short_m(4, 2), traces=3),
]


class Watched(EngineWrapper):
    """An engine and everything that was asked of it and came back."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.requests: list[Request] = []
        self.sampled = 0

    async def generate(self, request: Request) -> Completion:
        self.requests.append(request)

        def lost(completion: Completion) -> None:
            self.sampled += len(completion.token_ids)
            if request.on_abort is not None:
                request.on_abort(completion)

        completion = await self.engine.generate(replace(request, on_abort=lost))
        self.sampled += len(completion.token_ids)
        return completion


@dataclass
class ScriptedJudge:
    """A number from 0 to 1 that depends on the texts alone; one token each."""

    asked: int = 0

    async def __call__(self, question: Question) -> Opinion:
        self.asked += 1
        return Opinion(score=zlib.crc32("\0".join(question.texts).encode()) % 101 / 100, sampled=1, prefill=10)


@pytest.fixture
def make(
    vllm_engine: Engine,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., TextSource]:
    def by_length(text: str) -> str | None:
        return str(len(text) % 4) if len(text) % 4 else None

    monkeypatch.setattr("orchestra.sample.text_source.extract", by_length)
    monkeypatch.setattr("orchestra.sample.text_source._box_content", by_length)
    monkeypatch.setattr("orchestra.sample.steps.step_starts", lambda _, token_ids: list(range(0, len(token_ids), 10)))
    tokenizer = ChatTokenizer.load(model)

    def source(engine: Engine = vllm_engine, **more: Any) -> TextSource:
        return source_on(engine, PROBLEM, **{"tokenizer": tokenizer, "problem_id": "v", "max_tokens": TOKENS, **more})

    return source


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)
async def test_a_policy_runs_to_its_end_and_everything_adds_up(
    policy: Policy, make: Callable[..., TextSource], vllm_engine: Engine
) -> None:
    engine, judge, traces = Watched(vllm_engine), ScriptedJudge(), list[LiveTrace]()
    bench = Bench(
        arms={name: make(engine, problem_id=str(policy), temperature=0.7) for name in policy.needs.arms},
        judges=dict.fromkeys(policy.needs.judges, judge),
    )
    source = make(engine, problem_id=str(policy))  # each policy draws other traces, the same in every run
    outcome = await run_live(policy, source, problem=PROBLEM, session="s", bench=bench, log=True, traces=traces)

    assert isinstance(outcome.turns[-1].decisions[-1], Stop)
    assert outcome.error is None and outcome.account.failed == 0
    assert await engine.running() == 0
    assert decide_again(policy, outcome.turns) is None

    account = outcome.account
    assert account.work == engine.sampled + judge.asked
    assert account.kept + account.aborted + account.summary == sum(trace.usage.sampled for trace in traces)
    assert (account.judge, account.judge_read) == (judge.asked, 10 * judge.asked)
    assert bool(judge.asked) == bool(policy.needs.judges)
    assert all(trace.usage.sampled + trace.usage.overshoot <= TOKENS for trace in traces)
    assert account.span <= account.work and (account.span or not account.finished)
    assert account.prefill is not None and account.cached is not None
    prompts = sum(len(request.prompt) for request in engine.requests)
    # A request that is aborted before it was scheduled has read nothing.
    assert account.prefill + account.cached <= prompts
    assert account.prefill + account.cached == prompts or account.overshoot

    branches = [(trace, trace.start.tokens) for trace in traces if isinstance(trace.start, Branch)]
    assert bool(branches) == policy.needs.branches
    assert all(trace.text.startswith(source.words(trace.shown[0], tokens)) for trace, tokens in branches)
    check_requests(policy, engine.requests, {tuple(trace.tree.root.prompt) for trace in traces if trace.tree is not None})
    tree = sample_tree(outcome, traces)
    assert tree is not None and all(thread.finished is not None for thread in tree.threads)


def check_requests(policy: Policy, requests: list[Request], prompts: Collection[tuple[int, ...]]) -> None:
    """Nothing is asked of the engine that the policy does not need."""
    needs = policy.needs
    probes = [request for request in requests if tuple(request.prompt) not in prompts]
    assert bool(probes) == needs.probes
    for request in requests:
        scored = needs.logprobs and request not in probes
        assert request.sampling.top_logprobs == (TOP_LOGPROBS if scored else 0)
        assert not request.sampling.logprobs
        watched = bool(needs.tokens_every or needs.stride or needs.probes) and request not in probes
        assert request.watched == watched


def test_no_policy_is_left_out() -> None:
    package = orchestra.sample.policies
    modules = [import_module(f"{package.__name__}.{info.name}") for info in iter_modules(package.__path__)]
    kinds = {kind for module in modules for _, kind in inspect.getmembers(module, inspect.isclass) if hasattr(kind, "decider")}
    assert {kind.__name__ for kind in kinds if kind.__module__.startswith(package.__name__)} == {type(p).__name__ for p in POLICIES}
    assert Adaptive in kinds


async def test_a_language_model_judges_through_the_same_engine(make: Callable[..., TextSource], vllm_engine: Engine) -> None:
    """It babbles, so that hardly anything it says can be read; its tokens are booked."""
    engine, source = Watched(vllm_engine), make()
    judge = AskJudge(EngineChat(engine, source._tokenizer), "correct", max_tokens=8)
    outcome = await run_live(BestOf(n=3), source, problem=PROBLEM, bench=Bench(judges={"reward": judge}), log=True)
    asked = [decision for turn in outcome.turns for decision in turn.decisions if isinstance(decision, Judge)]
    assert len(engine.requests) == len(asked)
    assert outcome.account.judge == engine.sampled
    assert outcome.account.judge_read == sum(len(request.prompt) for request in engine.requests)


async def test_siblings_differ_with_scores_steps_and_a_shared_prefill(make: Callable[..., TextSource]) -> None:
    source = make(max_tokens=64)
    traces = [trace_of(number, top_logprobs=20) for number in range(8)]
    async with asyncio.TaskGroup() as group:
        runs = [group.create_task(source.run(trace)) for trace in traces]
    assert len({trace.text for trace in traces}) == 8
    for trace, run in zip(traces, runs, strict=True):
        assert trace.scores is not None and len(trace.scores) == trace.usage.sampled
        steps = run.result().steps
        assert steps[0].start == 0 and all(1 <= step.uncertainty <= 20.001 for step in steps)
    block = source.engine.capabilities.cache_block
    assert block is not None
    shared = (len(chat_prompt(source)) - 1) // block * block
    assert shared and sum(trace.usage.cached or 0 for trace in traces) >= 7 * shared  # sent at once, prefilled once


async def test_an_abort_at_a_count_keeps_the_tokens_and_leaves_nothing(make: Callable[..., TextSource]) -> None:
    source, trace = make(max_tokens=1500), trace_of(watched=True)
    told = 0

    def hear(count: int, _: Scores | None) -> None:
        nonlocal told
        told += count
        if told >= 12:
            run.cancel()

    trace.on_tokens = hear
    async with asyncio.TaskGroup() as group:
        run = group.create_task(source.run(trace))
    assert run.cancelled()
    assert trace.usage.sampled >= told >= 12
    assert trace.usage.sampled + trace.usage.overshoot == 1500
    assert source.words(trace, None) == trace.text != ""
    assert trace.tree is not None and trace.tree.root.status == "cancelled"
    assert await source.engine.running() == 0


async def test_a_probe_runs_beside_its_trace_on_its_cached_prefix(make: Callable[..., TextSource]) -> None:
    source, trace = make(max_tokens=1500), trace_of(watched=True)
    ready = asyncio.Event()
    trace.on_tokens = lambda _count, _scores: ready.set() if len(source.words(trace, None)) > 60 else None
    async with asyncio.TaskGroup() as group:
        run = group.create_task(source.run(trace))
        await ready.wait()
        _, usage = await source.probe(trace)
        run.cancel()
    assert 1 <= usage.sampled <= PROBE_TOKENS
    assert usage.cached is not None and usage.cached > 0
    assert await source.engine.running() == 0


async def test_a_cancelled_probe_is_aborted_and_its_tokens_are_kept(make: Callable[..., TextSource]) -> None:
    source, trace = make(), trace_of(watched=True)
    await source.run(trace)
    probe = asyncio.ensure_future(source.probe(trace))
    await asyncio.sleep(0)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert trace.lost_probes.sampled + trace.lost_probes.overshoot in (0, PROBE_TOKENS)
    assert await source.engine.running() == 0
