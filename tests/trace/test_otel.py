"""Live spans of workflows, threads and requests, as an exporter gets them: right parents while many things are under way at once."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from orchestra.chat.base import ChatRequest, Message
from orchestra.chat.http_chat import HttpChat
from orchestra.chat.scripted import ScriptedChat
from orchestra.chat.traced import TracedChat
from orchestra.countdown import Problem, Setup, attempt
from orchestra.countdown.player import answer
from orchestra.engine import Request, Sampling
from orchestra.engine.http import HttpEngine
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError, EngineError
from orchestra.thread import Limits, run_tree
from orchestra.trace.otel import ThreadSpans, TracedEngine, Tracing

from ..engine.fake_server import Reply, completion, fake_server
from ..thread.toy import APR, CHILD, END
from .exported import Exported, agent_id, said
from .test_timeline import ANSWERS, PROMPT, script

PROBLEMS = (Problem((3, 5, 7, 11), 24), Problem((2, 4, 6, 8), 22), Problem((1, 5, 9, 13), 31))


def test_three_forked_problems_at_once_each_have_a_tree_of_spans(exported: Exported) -> None:
    tracing = exported.tracing
    engine = TracedEngine(ScriptedEngine(answer, seconds_per_token=0.01), tracing, model="player")

    async def solve(problem: Problem) -> Any:
        with tracing.workflow(problem.key, conversation=problem.key) as workflow:
            return await attempt(engine, problem, Setup(method="fork", join="first"), observer=ThreadSpans(tracing, workflow))

    async def main() -> list[Any]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(solve(problem)) for problem in PROBLEMS]
        return [task.result() for task in tasks]

    attempts = run_virtual(main())
    for problem, done in zip(PROBLEMS, attempts, strict=True):
        (workflow,) = exported.named(f"invoke_workflow {problem.key}")
        assert workflow.parent is None and workflow.context is not None
        own = [span for span in exported.all if span.context.trace_id == workflow.context.trace_id]
        threads = {agent_id(span): span for span in own if span.name.startswith("invoke_agent")}
        assert threads.keys() == {thread.id for thread in done.tree.threads if thread.started is not None}
        assert len(threads) > 3
        for id, span in threads.items():
            outer = exported.parent(span)
            assert outer is workflow if id == "0" else agent_id(outer) == id.rpartition(".")[0]
        requests = [span for span in own if span.name == "text_completion player"]
        assert len(requests) == done.ledger.requests
        assert sum(said(span, "gen_ai.usage.output_tokens") for span in requests) == done.ledger.work
        for thread in done.tree.threads:
            mine = [span for span in requests if exported.parent(span) is threads[thread.id]]
            assert sum(said(span, "gen_ai.usage.output_tokens") for span in mine) == len(thread.sampled_ids)


def test_one_observer_may_watch_several_runs_whose_threads_have_the_same_ids(exported: Exported) -> None:
    with exported.tracing.workflow("both") as workflow:
        observer = ThreadSpans(exported.tracing, workflow)
        engine = TracedEngine(ScriptedEngine(script(ANSWERS), seconds_per_token=1.0), exported.tracing)

        async def main() -> None:
            async with asyncio.TaskGroup() as group:
                for _ in range(2):
                    group.create_task(
                        run_tree(
                            engine, APR, PROMPT, sampling=Sampling(max_tokens=500), limits=Limits(window=1_000), observer=observer
                        )
                    )

        run_virtual(main())
    roots = [span for span in exported.all if span.name == "invoke_agent thread 0"]
    assert len(roots) == 2
    for child in exported.named("invoke_agent thread 0."):
        assert exported.parent(child) in roots
    assert {sum(exported.parent(child) is root for child in exported.named("invoke_agent thread 0.")) for root in roots} == {3}


def test_attributes_are_those_of_the_conventions(exported: Exported) -> None:
    engine = TracedEngine(ScriptedEngine(lambda prompt: [7, 8, 9], cache_block=2), exported.tracing, model="tiny", provider="vllm")
    sampling = Sampling(max_tokens=5, temperature=0.5, top_p=0.9, seed=3, stop_token_ids=(9,))
    run_virtual(engine.generate(Request(prompt=[1, 2, 3, 4, 5], sampling=sampling, session="problem 1")))
    run_virtual(engine.generate(Request(prompt=[1, 2, 3, 4, 5], sampling=sampling, session="problem 1")))
    _, span = exported.all
    assert (span.name, span.kind) == ("text_completion tiny", SpanKind.CLIENT)
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "text_completion",
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": "tiny",
        "gen_ai.conversation.id": "problem 1",
        "gen_ai.request.max_tokens": 5,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.seed": 3,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 4,
    }


def test_an_engine_failure_is_an_error_of_its_request_and_its_thread_and_not_of_their_siblings(exported: Exported) -> None:
    def failures(request: Request) -> EngineError | None:
        return EngineError("the server has gone") if tuple(request.prompt) == (CHILD, 22) else None

    engine = ScriptedEngine(lambda prompt: ANSWERS.get(tuple(prompt), [END]), seconds_per_token=1.0, failures=failures)
    with exported.tracing.workflow("w") as workflow:
        run_virtual(
            run_tree(
                TracedEngine(engine, exported.tracing), APR, PROMPT,
                sampling=Sampling(max_tokens=500), limits=Limits(window=1_000), observer=ThreadSpans(exported.tracing, workflow),
            )
        )  # fmt: skip
    failed = [span for span in exported.all if span.status.status_code is StatusCode.ERROR]
    assert {span.name.split()[0] for span in failed} == {"text_completion", "invoke_agent"}
    assert all(span.status.description and "the server has gone" in span.status.description for span in failed)
    assert {said(span, "error.type") for span in failed} == {"EngineError"}


def test_a_cancelled_request_counts_its_tokens_and_is_no_error(exported: Exported) -> None:
    engine = TracedEngine(ScriptedEngine(script(ANSWERS), seconds_per_token=1.0), exported.tracing)
    observer = ThreadSpans(exported.tracing)
    run_virtual(
        run_tree(
            engine, APR, PROMPT, sampling=Sampling(max_tokens=500), limits=Limits(window=1_000), join="first", observer=observer
        )
    )
    (thread,) = (span for span in exported.named("invoke_agent") if said(span, "orchestra.status") == "cancelled")
    (request,) = (span for span in exported.named("text_completion") if exported.parent(span) is thread)
    assert said(request, "gen_ai.response.finish_reasons") == ("abort",)
    assert said(request, "gen_ai.usage.output_tokens") == said(thread, "orchestra.sampled_tokens") > 0
    assert request.status.status_code is thread.status.status_code is StatusCode.UNSET


def test_an_exception_in_a_workflow_is_an_error_of_its_span_and_is_raised(exported: Exported) -> None:
    with pytest.raises(KeyError), exported.tracing.workflow("w"):
        raise KeyError("x")
    (span,) = exported.all
    assert span.status.status_code is StatusCode.ERROR and said(span, "error.type") == "KeyError"


async def _asked_of_a_server(exported: Exported) -> tuple[str, str]:
    async with fake_server() as fake:
        fake.reply(completion(5, finish="length"))
        async with HttpEngine(fake.url) as engine:
            fake.reply(completion(5, finish="length"))
            await TracedEngine(engine, exported.tracing).generate(Request(prompt=[1], sampling=Sampling(max_tokens=1)))
        probe, asked = fake.asked
        assert "traceparent" not in probe.headers
    (span,) = exported.all
    return asked.headers[
        "traceparent"
    ], f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-03"  # sampled, of a random id


def test_a_server_is_told_the_span_of_the_request(exported: Exported) -> None:
    sent, own = asyncio.run(_asked_of_a_server(exported))
    assert sent == own


async def _said_to_an_endpoint(exported: Exported) -> tuple[str, ReadableSpan]:
    async with fake_server() as fake:
        event = {
            "choices": [{"delta": {"content": "yes"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 4, "completion_tokens": 1},
        }
        fake.replies.append(Reply(events=[event, "[DONE]"]))
        async with TracedChat(HttpChat(fake.url), exported.tracing, model="tiny", provider="openai") as chat:
            await chat.reply(ChatRequest(messages=[Message("user", "well?")], session="task"))
        (asked,) = fake.asked
    (span,) = exported.all
    return asked.headers["traceparent"], span


def test_an_endpoint_is_told_the_span_of_the_chat_request_whose_words_are_not_recorded(exported: Exported) -> None:
    sent, span = asyncio.run(_said_to_an_endpoint(exported))
    assert sent.split("-")[1:3] == [f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"]
    assert (span.name, span.kind) == ("chat tiny", SpanKind.CLIENT)
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "tiny",
        "gen_ai.conversation.id": "task",
        "gen_ai.request.max_tokens": 1024,
        "gen_ai.request.temperature": 0.0,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 4,
        "gen_ai.usage.output_tokens": 1,
    }


def test_what_hands_on_no_parent_lies_below_the_workflow_that_it_is_done_in(exported: Exported) -> None:
    async def one(name: str) -> None:
        with exported.tracing.workflow(name):
            await asyncio.sleep(1)
            await TracedChat(ScriptedChat(lambda request: name), exported.tracing).reply(
                ChatRequest(messages=[Message("user", name)])
            )
            await asyncio.sleep(1)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(one("a"))
            group.create_task(one("b"))

    run_virtual(main())
    parents = [exported.parent(span) for span in exported.named("chat")]
    assert sorted(parent.name for parent in parents if parent) == ["invoke_workflow a", "invoke_workflow b"]


def test_a_workflow_nests_below_the_span_that_the_program_is_in(exported: Exported) -> None:
    with exported.provider.get_tracer("program").start_as_current_span("the program's"), exported.tracing.workflow("w"):
        pass
    inner, outer = exported.all
    assert exported.parent(inner) is outer


def test_without_tracing_set_up_nothing_is_sent_to_servers() -> None:
    seen: list[str | None] = []

    class Spy(ScriptedEngine):
        async def generate(self, request: Request) -> Any:
            seen.append(request.traceparent)
            return await super().generate(request)

    run_virtual(TracedEngine(Spy(lambda prompt: [1]), Tracing()).generate(Request(prompt=[1], sampling=Sampling(max_tokens=1))))
    assert seen == [None]


def test_a_missing_package_is_named_with_its_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigError, match=r"pip install 'orchestra\[otel\]'"):
        Tracing()
