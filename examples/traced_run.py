"""One forked run, seen live, as OpenTelemetry spans, and as a file for ui.perfetto.dev.

    pip install 'orchestra[otel]' opentelemetry-sdk
    python examples/traced_run.py

It needs no model: a symbolic player writes what a flawless one would. It prints the threads while they run, then the tree of their spans, and
writes runs/traced.json. A program of yours sends the spans to a collector instead: give its provider an OTLP exporter.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from orchestra import Event, trace
from orchestra.countdown import Problem, Setup, attempt, notation, player
from orchestra.engine.scripted import ScriptedEngine
from orchestra.trace.otel import ThreadSpans, TracedEngine, Tracing
from orchestra.trace.perfetto import write_perfetto
from orchestra.trace.record import record

FILE = Path("runs/traced.json")


async def main() -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracing = Tracing(provider)
    problem, setup = Problem((3, 5, 7, 11), target=25), Setup(method="fork", join="first", beam=6)
    engine = TracedEngine(ScriptedEngine(player.answer, seconds_per_token=0.001), tracing, model="symbolic player")
    with trace.display(decode=notation.text) as show, tracing.workflow(problem.key) as workflow:
        threads = ThreadSpans(tracing, workflow)

        def observer(event: Event) -> None:
            threads(event)
            show(event)

        result = await attempt(engine, problem, setup, observer=observer)
    print(f"\n{result.answer}\n")
    show_tree(spans.get_finished_spans())
    write_perfetto([record(result.tree, decode=notation.text, title=problem.key)], FILE)
    print(f"\nopen {FILE} in ui.perfetto.dev")


def show_tree(spans: Sequence[ReadableSpan], parent: int | None = None, indent: str = "") -> None:
    """Spans below their parents, in the order in which they began."""
    below = [span for span in spans if (span.parent.span_id if span.parent else None) == parent]
    for span in sorted(below, key=lambda span: span.start_time or 0):
        tokens = (span.attributes or {}).get("gen_ai.usage.output_tokens")
        print(f"{indent}{span.name}{f', {tokens} tokens' if tokens is not None else ''}")
        show_tree(spans, span.context.span_id, indent + "  ")


if __name__ == "__main__":
    asyncio.run(main())
