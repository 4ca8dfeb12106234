"""Probes of a `TextSource`: a running trace is made to answer now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from orchestra.answers import Equivalence
from orchestra.engine.scripted import Script, ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError, EngineError
from orchestra.sample.decisions import Decision, Launch, Probe, Stop
from orchestra.sample.events import Begun, Event, Finished, Progress
from orchestra.sample.live import run_live
from orchestra.sample.policy import Needs, Standing
from orchestra.sample.source import LiveTrace, Usage
from orchestra.sample.text_source import PROBE_TOKENS
from tests.chat.byte_model import CHATML
from tests.sample.text_traces import BYTES, chat_tokenizer, engine_that_says, ids, source_on, trace_of


@dataclass
class ProbesEvery:
    """Two traces that are probed after so many tokens; the first end is the answer."""

    tokens: int
    most = 2

    @property
    def needs(self) -> Needs:
        return Needs(tokens_every=self.tokens, probes=True)

    def decider(self) -> ProbesEvery:
        return self

    def on(self, event: Event) -> list[Decision]:
        match event:
            case Begun():
                return [Launch(2)]
            case Progress():
                return [Probe(tuple(event.tokens))]
            case Finished():
                return [Stop(event.answer, "the first end", event.trace)]
        return []

    def standing(self) -> Standing:
        return Standing(answer=None)


def probed(written: str, forced: str, **more: Any) -> tuple[str | None, Usage, ScriptedEngine, LiveTrace]:
    """A trace that is probed when it has written everything, and goes on for ever."""
    left = iter([[*ids(written), *ids("." * 300)], ids(forced)])
    engine = ScriptedEngine(lambda _: next(left), seconds_per_token=1.0)
    source, trace = source_on(engine, **more), trace_of(watched=True)

    async def main() -> tuple[str | None, Usage]:
        async with asyncio.TaskGroup() as group:
            run = group.create_task(source.run(trace))
            await asyncio.sleep(len(ids(written)) + 0.5)
            answer, usage = await source.probe(trace)
            run.cancel()
        return answer, usage

    answer, usage = run_virtual(main())
    return answer, usage, engine, trace


def test_a_probe_reads_the_box_that_it_opened_up_to_its_closing_brace() -> None:
    answer, usage, engine, trace = probed("It seems that", "7} \\] and {more}")
    assert answer == "7"
    probe, completion = next((request, c) for request, c in engine.log if request.sampling.max_tokens == PROBE_TOKENS)
    assert BYTES.decode(list(probe.prompt)).endswith("It seems that\n\n**Final answer**\n\n\\[ \\boxed{")
    assert (probe.sampling.temperature, probe.priority) == (0.0, -1)
    n = len(completion.token_ids)
    assert (usage.sampled, usage.span, usage.overshoot) == (n, n, 0)
    assert usage.cached is not None and usage.prefill is not None
    assert usage.cached + usage.prefill == len(probe.prompt)
    assert trace.usage.sampled > n


def test_a_probe_closes_a_thought_that_is_open_and_no_other() -> None:
    def tail(written: str, **more: Any) -> str:
        engine = probed(written, "7}", **more)[2]
        return next(BYTES.decode(list(r.prompt)) for r, _ in engine.log if r.sampling.max_tokens == PROBE_TOKENS)[-140:]

    assert "</think>" in tail("<think>Hm")
    assert "</think>" in tail("Hm", tokenizer=chat_tokenizer(CHATML.replace("assistant\n", "assistant\n<think>\n")))
    assert "answer now" not in tail("<think>Hm</think>So")
    assert "</think>" not in tail("So")


@pytest.mark.parametrize("forced", ["7 and no end", "} x", "{7 {}", "", "\\}"])
def test_a_box_that_is_empty_or_never_closed_is_no_answer(forced: str) -> None:
    assert probed("a", forced)[0] is None


def test_braces_in_the_answer_belong_to_it() -> None:
    answer = probed("a", "\\frac{1}{2}} \\]")[0]
    assert answer == probed("a", "1/2}")[0] is not None


def test_a_cancelled_probe_leaves_its_tokens_beside_those_of_its_trace() -> None:
    left = iter([ids("a" * 9), ids("b" * 20)])
    engine = ScriptedEngine(lambda _: next(left), seconds_per_token=1.0)
    source, trace = source_on(engine), trace_of(watched=True)

    async def main() -> None:
        await source.run(trace)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(4.5):
                await source.probe(trace)

    run_virtual(main())
    assert (trace.usage.sampled, trace.usage.overshoot, trace.usage.span) == (9, 0, 9)
    lost = trace.lost_probes
    assert (lost.sampled, lost.overshoot) == (4, PROBE_TOKENS - 4)
    assert (lost.prefill or 0) + (lost.cached or 0) == len(engine.log[-1][0].prompt)


def test_a_probe_that_is_cancelled_while_its_answer_is_being_read_leaves_its_tokens_too() -> None:
    class Slow(Equivalence):
        async def key(self, problem: str, answer: str | None) -> str | None:
            await asyncio.Event().wait()
            return None

    source, trace = source_on(engine_that_says(ids("7}")), answers=Slow()), trace_of(watched=True)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await source.probe(trace)

    run_virtual(main())
    assert (trace.lost_probes.sampled, trace.lost_probes.overshoot) == (len(ids("7}")), 0)


def test_a_failed_probe_leaves_its_tokens_too() -> None:
    engine = engine_that_says("abc", Script(token_ids=ids("12"), error=EngineError("gone")))
    source, trace = source_on(engine), trace_of(watched=True)
    run_virtual(source.run(trace))
    with pytest.raises(EngineError, match="gone"):
        run_virtual(source.probe(trace))
    assert trace.lost_probes.sampled == len(ids("12"))


def test_a_run_books_the_probes_that_its_stop_has_cancelled() -> None:
    """The first trace ends and decides while the second is being probed."""
    written = iter([ids("\\boxed{7}"), ids("." * 300), ids("b" * 20), ids("b" * 20)])
    engine = ScriptedEngine(lambda _: next(written), seconds_per_token=1.0)
    end = len(ids("\\boxed{7}"))
    outcome = run_virtual(run_live(ProbesEvery(end - 3), source_on(engine), log=True))
    account = outcome.account
    assert (outcome.answer, account.kept, account.aborted) == ("7", end, end)
    assert account.probe == 2 * 3
    assert account.overshoot == (500 - end) + 2 * (PROBE_TOKENS - 3)
    assert account.work == sum(len(completion.token_ids) for _, completion in engine.log)
    assert account.prefill is not None and account.cached is not None
    assert account.prefill + account.cached == sum(len(request.prompt) for request, _ in engine.log)


def test_an_unwatched_trace_cannot_be_probed() -> None:
    with pytest.raises(ConfigError, match="have the policy need `tokens_every` or `probes`"):
        run_virtual(source_on(engine_that_says()).probe(trace_of()))


def test_a_trace_that_has_not_begun_answers_from_the_problem_alone() -> None:
    assert run_virtual(source_on(engine_that_says(ids("7}"))).probe(trace_of(watched=True)))[0] == "7"
