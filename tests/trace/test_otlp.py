"""Records as OTLP's JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestra.trace.otlp import otlp, write_otlp

from .test_timeline import recorded, run


def spans_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    (resource,) = document["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    return list(scope["spans"])


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


def test_requests_lie_below_threads_below_parents_below_the_workflow() -> None:
    made = spans_of(otlp([recorded(run())], began=1.7e9))
    by_id = {span["spanId"]: span for span in made}
    names = [(span["name"].strip(), by_id[span["parentSpanId"]]["name"] if "parentSpanId" in span else None) for span in made]
    assert names[0] == ("invoke_workflow fork", None)
    assert ("invoke_agent thread 0", "invoke_workflow fork") in names
    assert ("invoke_agent thread 0.1", "invoke_agent thread 0") in names
    assert ("text_completion", "invoke_agent thread 0.2") in names
    assert len({span["traceId"] for span in made}) == 1 and len(by_id) == len(made)


def test_children_lie_within_their_parents_in_time() -> None:
    made = spans_of(otlp([recorded(run())], began=1.7e9))
    by_id = {span["spanId"]: span for span in made}
    for span in made:
        outer = by_id.get(span.get("parentSpanId", ""), span)
        assert int(outer["startTimeUnixNano"]) <= int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
        assert int(span["endTimeUnixNano"]) <= int(outer["endTimeUnixNano"])


def test_an_aborted_request_says_so_and_counts_its_tokens() -> None:
    made = recorded(run())
    found = [attributes(span) for span in spans_of(otlp([made], began=0.0)) if span["name"].startswith("text_completion")]
    finishes = [each["gen_ai.response.finish_reasons"]["values"][0]["stringValue"] for each in found]
    assert finishes.count("abort") == 1
    assert sum(int(each["gen_ai.usage.output_tokens"]) for each in found) == made.ledger.work


def test_equal_records_are_traces_of_their_own_and_an_export_is_repeatable() -> None:
    made = recorded(run())
    assert len({span["traceId"] for span in spans_of(otlp([made, made], began=0.0))}) == 2
    assert otlp([made], began=0.0) == otlp([made], began=0.0)


def test_the_protocol_s_own_parser_reads_the_file(tmp_path: Path) -> None:
    service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    json_format = pytest.importorskip("google.protobuf.json_format")
    path = tmp_path / "spans.json"
    write_otlp([recorded(run())], path, began=1.7e9)
    document = json.loads(path.read_text(encoding="utf-8"))
    parsed = json_format.ParseDict(
        document, service.ExportTraceServiceRequest()
    )  # ids are hexadecimal in OTLP's JSON, of even length
    assert len(parsed.resource_spans[0].scope_spans[0].spans) == len(spans_of(document))


def test_one_problem_in_two_runs_is_two_traces() -> None:
    made = [recorded(run())]
    first, second = ({span["traceId"] for span in spans_of(otlp(made, began=began))} for began in (1.7e9, 1.8e9))
    assert first.isdisjoint(second)
