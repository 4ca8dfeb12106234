"""OpenTelemetry spans of samples: one for each trace, and what the policy decides as events of the span above them.

spans = SampleSpans(tracing, workflow)
await run_live(policy, spans.source(source), observer=spans)
"""

from __future__ import annotations

import asyncio

from ..errors import ConfigError, EngineError
from ..trace import spans
from ..trace.otel import Span, Tracing
from .decisions import Abort, Branch, Fresh, Launch, Revise, Stop
from .outcome import Turn
from .policy import Decider
from .source import Ending, LiveTrace, Source, Usage


class SampleSpans:
    """Serves one sample; its traces' spans lie below `parent`. Requests nest below their trace where its engine is a `TracedEngine` or its chat
    model a `TracedChat`."""

    def __init__(self, tracing: Tracing, parent: Span) -> None:
        self._tracing = tracing
        self._parent = parent

    def __call__(self, turn: Turn, decider: Decider) -> None:
        """The observer."""
        for decision in turn.decisions:
            match decision:
                case Launch(count, arm):
                    self._parent.event("launch", {"orchestra.count": count, "orchestra.arm": arm or None})
                case Abort(traces):
                    self._parent.event("prune", {"orchestra.traces": [str(trace) for trace in traces]})
                case Stop(_, why):
                    standing = decider.standing()
                    self._parent.event("stop", {"orchestra.why": why, "orchestra.posterior": standing.posterior})

    def source(self, source: Source, arm: str = "") -> Source:
        """`source`, with a span for each trace that it runs. Other arms of a `Bench` are wrapped alike."""
        return _TracedSource(source, self._tracing, self._parent, arm)


class _TracedSource:
    def __init__(self, source: Source, tracing: Tracing, parent: Span, arm: str) -> None:
        self._source = source
        self._tracing = tracing
        self._parent = parent
        self._arm = arm

    def now(self) -> float:
        return self._source.now()

    async def run(self, trace: LiveTrace) -> Ending:
        span = self._tracing.start(
            "invoke_agent",
            f"trace {trace.id}",
            parent=self._parent.traceparent,
            attributes={
                spans.AGENT: "trace",
                spans.AGENT_ID: str(trace.id),
                spans.CONVERSATION: trace.session or None,
                "orchestra.arm": self._arm or None,
                "orchestra.start": _start(trace),
            },
        )
        trace.traceparent = span.traceparent
        try:
            ending = await self._source.run(trace)
        except (EngineError, ConfigError) as error:
            span.set({spans.STATUS: "failed"})
            span.fail(str(error), type(error).__qualname__)
            raise
        except asyncio.CancelledError:
            span.set({spans.STATUS: "cancelled"})
            raise
        else:
            span.set({spans.STATUS: "cut" if ending.cut else "finished", "orchestra.answer": ending.answer})
            return ending
        finally:
            span.set({spans.SAMPLED_TOKENS: trace.usage.sampled})
            span.end()

    async def probe(self, trace: LiveTrace) -> tuple[str | None, Usage]:
        return await self._source.probe(trace)

    def words(self, trace: LiveTrace, tokens: int | None) -> str:
        return self._source.words(trace, tokens)


def _start(trace: LiveTrace) -> str | None:
    match trace.start:
        case Fresh():
            return None
        case Branch(origin, tokens):
            return f"trace {origin} after {tokens} tokens"
        case Revise(origins, purpose):
            return f"{purpose} {', '.join(map(str, origins))}"
