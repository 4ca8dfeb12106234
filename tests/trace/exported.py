"""Live spans as an exporter gets them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from orchestra.trace.otel import Tracing


class Exported:
    """Spans of one provider, found by what they are."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = Tracing(self.provider)

    @property
    def all(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    def named(self, start: str) -> list[ReadableSpan]:
        return [span for span in self.all if span.name.startswith(start)]

    def parent(self, span: ReadableSpan) -> ReadableSpan | None:
        return next((each for each in self.all if span.parent and each.context.span_id == span.parent.span_id), None)


def said(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {}).get(name)


def agent_id(span: ReadableSpan | None) -> Any:
    return said(span, "gen_ai.agent.id") if span is not None else None
