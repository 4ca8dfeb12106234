"""Records as OpenTelemetry spans in a file: OTLP's JSON form, which collectors (`otlpjsonfile`) and trace viewers read. Needs no package.

Each record is a trace of its own: a workflow, its threads below their parents, and their requests. Live spans are in `otel`; names in `spans`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import spans
from .files import write_text
from .record import CompletionRecord, SegmentRecord, ThreadRecord, TraceRecord

_INTERNAL, _CLIENT = 1, 3
_ERROR = 2
Json = dict[str, Any]


def write_otlp(records: Sequence[TraceRecord], path: Path, *, began: float) -> None:
    """Write the file; an existing one is replaced at once. `began`: as in `otlp`. Raises `ConfigError` when it cannot."""
    write_text(path, json.dumps(otlp(records, began=began), separators=(",", ":")))


def otlp(records: Sequence[TraceRecord], *, began: float) -> Json:
    """An `ExportTraceServiceRequest`.

    began: seconds since 1970 at which all records are to begin. They know durations only.
    """
    resource = {"attributes": _attributes({"service.name": "orchestra"})}
    made = [span for number, record in enumerate(records) for span in _Spans(record, number, began).all()]
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "orchestra"}, "spans": made}]}]}


class _Spans:
    """One record."""

    def __init__(self, record: TraceRecord, number: int, began: float) -> None:
        self._record = record
        self._began = began
        # With the time, so that the same problem in two runs does not become one trace where both are imported.
        self._trace = _id(16, record.session, record.title, str(number), repr(began))

    def all(self) -> Iterator[Json]:
        record = self._record
        yield self._span(
            "invoke_workflow",
            record.title,
            ("workflow",),
            None,
            (0.0, record.ledger.wall_seconds),
            {
                spans.WORKFLOW: record.title,
                spans.CONVERSATION: record.session or None,
                spans.STATUS: record.status,
                spans.SAMPLED_TOKENS: record.ledger.work,
                **{f"orchestra.{name}": value for name, value in record.facts.items()},
            },
            error=record.error,
        )
        for thread in record.threads:
            if thread.started is None:
                continue
            yield self._thread(thread, thread.started)
            for position, segment in enumerate(thread.items):
                if isinstance(segment, SegmentRecord) and segment.completion is not None:
                    yield self._request(thread, position, segment, segment.completion)

    def _thread(self, thread: ThreadRecord, started: float) -> Json:
        return self._span(
            "invoke_agent",
            f"thread {thread.id}",
            ("thread", thread.id),
            ("workflow",) if thread.parent is None else ("thread", thread.parent),
            (started, self._record.ledger.wall_seconds if thread.finished is None else thread.finished),
            {
                spans.AGENT: "thread",
                spans.AGENT_ID: thread.id,
                spans.STATUS: thread.status,
                spans.SAMPLED_TOKENS: thread.num_sampled,
            },
            error=thread.error if thread.status == "failed" else None,
        )

    def _request(self, thread: ThreadRecord, position: int, segment: SegmentRecord, request: CompletionRecord) -> Json:
        return self._span(
            "text_completion",
            self._record.facts.get("model", ""),
            ("request", thread.id, str(position)),
            ("thread", thread.id),
            (request.submitted, request.finished),
            {
                spans.MODEL: self._record.facts.get("model"),
                spans.CONVERSATION: self._record.session or None,
                spans.FINISH: [request.finish],
                spans.OUTPUT_TOKENS: len(segment.token_ids),
                spans.CACHED_TOKENS: request.cached_tokens,
            },
            kind=_CLIENT,
        )

    def _span(
        self,
        operation: spans.Operation,
        name: str,
        key: tuple[str, ...],
        parent: tuple[str, ...] | None,
        between: tuple[float, float],
        attributes: Mapping[str, spans.Value | None],
        *,
        kind: int = _INTERNAL,
        error: str | None = None,
    ) -> Json:
        return {
            "traceId": self._trace,
            "spanId": _id(8, self._trace, *key),
            **({} if parent is None else {"parentSpanId": _id(8, self._trace, *parent)}),
            "name": spans.title(operation, name[: spans.LONGEST_NAME]),
            "kind": kind,
            "startTimeUnixNano": self._nanoseconds(between[0]),
            "endTimeUnixNano": self._nanoseconds(between[1]),
            "attributes": _attributes({spans.OPERATION: operation, **spans.known(attributes)}),
            "status": {} if error is None else {"code": _ERROR, "message": error},
        }

    def _nanoseconds(self, moment: float) -> str:
        # JSON's numbers hold no 64 bits; whole microseconds, because a float since 1970 has no more.
        return str(round((self._began + moment) * 1e6) * 1000)


def _id(size: int, *content: str) -> str:
    """Hexadecimal, as OTLP's JSON wants it; the same for the same content, so that an export is repeatable."""
    return hashlib.blake2b("\0".join(content).encode(errors="surrogatepass"), digest_size=size).hexdigest()


def _attributes(values: Mapping[str, spans.Value]) -> list[Json]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: spans.Value) -> Json:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
        case _:
            return {"arrayValue": {"values": [_value(each) for each in value]}}
