"""A program that forks threads on a real vLLM in process, with spans of both, and prints how they lie. Run by `test_otel_vllm`: vLLM sets up
OpenTelemetry for the whole process."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

os.environ |= {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "OTEL_BSP_SCHEDULE_DELAY": "100"}


class Collector(ThreadingHTTPServer):
    """Takes what an exporter sends. `parents` are those of vLLM's spans of requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.parents: list[str] = []
        self.changed = threading.Condition()

    def wait_for(self, number: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: len(self.parents) >= number, timeout=20)


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        body = self.rfile.read(int(self.headers["Content-Length"]))
        sent = ExportTraceServiceRequest.FromString(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
        found = [span for resource in sent.resource_spans for scope in resource.scope_spans for span in scope.spans]
        with self.server.changed:
            self.server.parents += [span.parent_span_id.hex() for span in found if span.name == "llm_request"]
            self.server.changed.notify_all()
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None: ...


async def main(collector: Collector) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from orchestra.countdown import Problem, Setup, attempt, shipped_model
    from orchestra.engine.vllm import VllmEngine
    from orchestra.trace.otel import ThreadSpans, TracedEngine, Tracing

    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracing = Tracing(provider)
    engine = VllmEngine(shipped_model(), traces_to=f"http://127.0.0.1:{collector.server_port}/v1/traces")
    async with TracedEngine(engine, tracing) as traced:
        with tracing.workflow("countdown") as workflow:
            observer = ThreadSpans(tracing, workflow)
            done = await attempt(traced, Problem((3, 5, 7, 11), 24), Setup(method="fork"), observer=observer)
        await asyncio.to_thread(collector.wait_for, done.ledger.requests)
    ours = {f"{span.context.span_id:016x}" for span in spans.get_finished_spans() if span.name.startswith("text_completion")}
    found = {"requests": done.ledger.requests, "ours": len(ours), "below": len(ours & set(collector.parents))}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    collector = Collector()
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    asyncio.run(main(collector))
