"""Live OpenTelemetry spans of runs, by the conventions for generative AI (`spans`). Needs `pip install 'orchestra[otel]'`.

    tracing = Tracing()  # of the provider that the program has set up; without one, nothing is recorded
    async with TracedEngine(open_engine("auto", model=shipped_model()), tracing) as engine:
        with tracing.workflow("countdown") as workflow:
            await attempt(engine, problem, setup, observer=ThreadSpans(tracing, workflow))

Parents are handed on as values, in `traceparent` fields of threads and requests, and are not looked up in the context of the running task: any
number of runs, threads and requests may be under way on one event loop. Each request carries the `traceparent` of its own span to the
engine, so that the spans of a vLLM server that was started with `--otlp-traces-endpoint` nest below ours.

Agents have `orchestra.agent.traced`, samples `orchestra.sample.traced`, chat models `orchestra.chat.traced`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ..engine import Completion, Engine, Request
from ..engine.wrapper import EngineWrapper
from ..errors import ConfigError, EngineError
from ..thread import Event, Thread
from . import spans

if TYPE_CHECKING:
    from opentelemetry.trace import Span as ApiSpan
    from opentelemetry.trace import TracerProvider


class Span:
    """One span that is open. `end` may be called again; what is said after the end is lost."""

    def __init__(self, span: ApiSpan, traceparent: str | None) -> None:
        self.api = span
        """As OpenTelemetry's API has it."""
        self.traceparent = traceparent
        """What makes other spans its children; None where the program has set up no tracing."""

    def set(self, attributes: Mapping[str, spans.Value | None]) -> None:
        """Add attributes; those that are None are left out."""
        for name, value in spans.known(attributes).items():
            self.api.set_attribute(name, value)

    def event(self, name: str, attributes: Mapping[str, spans.Value | None]) -> None:
        """Something happened now."""
        self.api.add_event(name, spans.known(attributes))

    def fail(self, message: str, kind: str) -> None:
        """It did not succeed; `kind` is the class of the error, for counting."""
        from opentelemetry.trace import StatusCode

        self.api.set_status(StatusCode.ERROR, message)
        self.api.set_attribute(spans.ERROR, kind)

    def end(self) -> None:
        if self.api.is_recording():
            self.api.end()


class Tracing:
    """Opens spans.

    Args:
        provider: None takes the program's own, as `opentelemetry.trace.set_tracer_provider` has set it.

    Raises `ConfigError` when OpenTelemetry's API is not installed.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        try:
            from opentelemetry import trace
            from opentelemetry.context import Context
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError as error:
            raise ConfigError("spans need OpenTelemetry's API: pip install 'orchestra[otel]'") from error
        self._tracer = (provider or trace.get_tracer_provider()).get_tracer("orchestra")
        self._trace = trace
        self._nothing = Context()
        self._propagator = TraceContextTextMapPropagator()

    def start(
        self,
        operation: spans.Operation,
        name: str = "",
        *,
        parent: str | None,
        kind: spans.Kind = "internal",
        attributes: Mapping[str, spans.Value | None] | None = None,
    ) -> Span:
        """Open a span below `parent`, a `traceparent`; None makes it a child of the caller's current span, or a root."""
        context = None if parent is None else self._propagator.extract({"traceparent": parent}, context=self._nothing)
        span = self._tracer.start_span(
            spans.title(operation, name[: spans.LONGEST_NAME]),
            context=context,
            kind=self._trace.SpanKind.CLIENT if kind == "client" else self._trace.SpanKind.INTERNAL,
            attributes={spans.OPERATION: operation, **spans.known(attributes or {})},
        )
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, context=self._trace.set_span_in_context(span, self._nothing))
        return Span(span, carrier.get("traceparent"))

    @contextmanager
    def workflow(self, name: str, *, conversation: str | None = None, parent: str | None = None) -> Iterator[Span]:
        """The span of everything that is done inside, such as one problem. An exception makes it an error and goes on.

        It is the current span meanwhile, for what hands on no parent: judges, tools with spans of their own, instrumented libraries.
        """
        attributes = {spans.WORKFLOW: name, spans.CONVERSATION: conversation}
        span = self.start("invoke_workflow", name, parent=parent, attributes=attributes)
        try:
            with self._trace.use_span(span.api, record_exception=False, set_status_on_exception=False):
                yield span
        except Exception as error:  # whatever it is, the trace says so, and it is raised
            span.fail(str(error), type(error).__qualname__)
            raise
        except asyncio.CancelledError:
            span.set({spans.STATUS: "cancelled"})
            raise
        finally:
            span.end()


class ThreadSpans:
    """An observer of `run_tree` that gives every thread a span: the root's below `parent`, a child's below its parent thread's.

    One may observe any number of runs at once.
    """

    def __init__(self, tracing: Tracing, parent: Span | None = None) -> None:
        self._tracing = tracing
        self._parent = parent
        # By identity, since threads of different runs have the same ids; the thread is kept so that its identity stays its own.
        self._open: dict[int, tuple[Thread, Span]] = {}

    def __call__(self, event: Event) -> None:
        thread = event.thread
        match event.kind:
            case "started":
                self._start(thread)
            case "joined":
                self._join(thread)
            case "ended" if id(thread) in self._open:
                self._end(thread)

    def _start(self, thread: Thread) -> None:
        parent = thread.traceparent
        if thread.depth == 0 and self._parent is not None:
            parent = self._parent.traceparent
        span = self._tracing.start(
            "invoke_agent",
            f"thread {thread.id}",
            parent=parent,
            attributes={spans.AGENT: "thread", spans.AGENT_ID: thread.id},
        )
        thread.traceparent = span.traceparent
        self._open[id(thread)] = thread, span

    def _join(self, thread: Thread) -> None:
        fork = next(reversed(list(thread.forks)))
        self._open[id(thread)][1].event(
            "join",
            {
                "orchestra.children": len(fork.children),
                "orchestra.returned": sum(child.status == "finished" for child in fork.children),
                "orchestra.refused": sum(child.status == "refused" for child in fork.children) or None,
                "orchestra.winner": fork.winner.id if fork.winner else None,
            },
        )

    def _end(self, thread: Thread) -> None:
        _, span = self._open.pop(id(thread))
        span.set({spans.STATUS: thread.status, spans.SAMPLED_TOKENS: len(thread.sampled_ids)})
        if thread.status == "failed":
            span.fail(thread.error or "failed", EngineError.__name__)
        span.end()


class TracedEngine(EngineWrapper):
    """An engine whose requests have spans: below their `traceparent`, or below the caller's current span where they have none.

    Args:
        model: what the spans call it; None takes the engine's name.
        provider: who runs the model, in the conventions' words.
    """

    def __init__(self, engine: Engine, tracing: Tracing, *, model: str | None = None, provider: str = "vllm") -> None:
        super().__init__(engine)
        self._tracing = tracing
        self._model = model
        self._provider = provider

    async def generate(self, request: Request) -> Completion:
        model = self._model or self.engine.name
        span = self._tracing.start(
            "text_completion",
            model,
            parent=request.traceparent,
            kind="client",
            attributes={
                spans.PROVIDER: self._provider,
                spans.MODEL: model,
                spans.CONVERSATION: request.session or None,
                **spans.asked(request.sampling),
            },
        )
        prompt_tokens = len(request.prompt)
        on_abort = request.on_abort

        def lost(completion: Completion) -> None:
            span.set(spans.answered(completion, prompt_tokens))
            if on_abort is not None:
                on_abort(completion)

        try:
            completion = await self.engine.generate(
                # Without `on_abort` it stays so: a request that has one is streamed.
                replace(request, traceparent=span.traceparent, on_abort=None if on_abort is None else lost)
            )
        except (EngineError, ConfigError) as error:
            span.fail(str(error), type(error).__qualname__)
            raise
        except asyncio.CancelledError:
            span.set({spans.FINISH: ["abort"]})
            raise
        else:
            span.set(spans.answered(completion, prompt_tokens))
            return completion
        finally:
            span.end()
