"""A run as a log of inspect_ai, written through its public API: `inspect view` opens it, with the threads of each kept try as agents on its
timeline. Needs `pip install 'orchestra[inspect]'`.

Epochs count from 1 there. Infrastructure errors become errored samples without a score, as inspect has them. A request's input shows what was
written for it since the one before (prompt, header, joined text), not the whole context again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from orchestra.errors import ConfigError
from orchestra.trace.record import CompletionRecord, ForkRecord, SegmentRecord, ThreadRecord, TraceRecord

from ..method import Kept
from ..row import Row
from ..run import Run
from ..statistics import accuracy

if TYPE_CHECKING:
    from inspect_ai.event import Event
    from inspect_ai.log import EvalLog, EvalSample, EvalScore

_SCORER = "correct"
_FINISH: Mapping[str, Any] = {"stop": "stop", "length": "max_tokens", "abort": "unknown"}
_NONE: Kept = Kept()
_WORK = "solvers"
"""What inspect calls the span of a sample's own work."""


def write_inspect(run: Run, rows: Sequence[Row], path: Path, *, began: float) -> None:
    """Write the `.eval` file; an existing one is replaced at once.

    began: seconds since 1970 at which the run is to begin; rows know durations only.

    Raises `ConfigError` when inspect_ai is not installed, or when `path` is no `.eval` file or cannot be written.
    """
    try:
        from inspect_ai.log import write_eval_log
    except ImportError as error:
        raise ConfigError("inspect's logs need inspect_ai: pip install 'orchestra[inspect]'") from error
    if path.suffix != ".eval":
        raise ConfigError(f"inspect opens logs called NAME.eval, got --out {path}")
    log = inspect_log(run, rows, began=began)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_eval_log(log, str(temporary))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; make room, or choose another place for it") from error


def inspect_log(run: Run, rows: Sequence[Row], *, began: float) -> EvalLog:
    """The log in memory."""
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSpec, EvalStats

    start = datetime.fromtimestamp(began, UTC)
    experiment: Mapping[str, Any] = run.config["experiment"]
    model = str(experiment.get("model") or experiment.get("engine") or run.method)
    wanted = {row.key for row in rows}
    kept = {key: found for key, found in run.kept() if key in wanted}
    samples = [_Sample(row, kept.get(row.key, _NONE), model, start).made() for row in rows]
    problems = list(dict.fromkeys(row.problem for row in rows))
    end = start + timedelta(seconds=max((row.wall_seconds for row in rows), default=0.0))
    return EvalLog(
        status="success",
        eval=EvalSpec(
            created=start.isoformat(),
            task=run.benchmark,
            task_id=run.name,
            run_id=run.name,
            task_args={key: value for key, value in experiment.items() if key != "benchmark"},
            solver=run.method,
            dataset=EvalDataset(name=run.benchmark, samples=len(problems), sample_ids=list(problems)),
            model=model,
            config=EvalConfig(epochs=max((row.epoch for row in rows), default=0) + 1),
            packages={str(name): str(found) for name, found in dict(run.config.get("versions", {})).items()},
            metadata={"run": run.name, "commit": run.config.get("commit")},
        ),
        results=_results(rows),
        stats=EvalStats(started_at=start.isoformat(), completed_at=end.isoformat()),
        samples=samples,
    )


def _results(rows: Sequence[Row]) -> Any:
    from inspect_ai.log import EvalResults

    graded = sum(row.error is None for row in rows)
    return EvalResults(total_samples=len(rows), completed_samples=graded, scores=[_score(rows, graded)])


def _score(rows: Sequence[Row], graded: int) -> EvalScore:
    """Accuracy with its error over problems, as reports give it; inspect's own would take epochs for independent."""
    from inspect_ai.log import EvalMetric, EvalScore

    tries: dict[str, list[bool]] = {}
    for row in rows:
        if row.error is None:
            tries.setdefault(row.problem, []).append(row.correct)
    found = accuracy(tries)
    metrics = {"accuracy": found.value, "stderr": found.error} if found else {}
    return EvalScore(
        name=_SCORER,
        scorer=_SCORER,
        reducer="mean",
        scored_samples=graded,
        unscored_samples=len(rows) - graded,
        metrics={name: EvalMetric(name=name, value=value) for name, value in metrics.items() if value is not None},
    )


@dataclass(frozen=True, slots=True)
class _Sample:
    row: Row
    kept: Kept
    model: str
    start: datetime

    def made(self) -> EvalSample:
        from inspect_ai.log import EvalError, EvalSample
        from inspect_ai.model import ChatMessageAssistant, ChatMessageUser, ModelOutput
        from inspect_ai.scorer import CORRECT, INCORRECT, Score

        row, text = self.row, self.kept.text
        said = text if text is not None else row.answer or ""
        question = row.name or row.problem
        score = Score(value=CORRECT if row.correct else INCORRECT, answer=row.answer, explanation=row.flaw)
        return EvalSample(
            id=row.problem,
            epoch=row.epoch + 1,
            input=question,
            target=_words(row.gold),
            messages=[ChatMessageUser(content=question), ChatMessageAssistant(content=said, model=self.model)],
            output=ModelOutput.from_content(self.model, said),
            scores=None if row.error is not None else {_SCORER: score},
            error=None if row.error is None else EvalError(message=row.error, traceback=row.error, traceback_ansi=row.error),
            metadata=self._metadata(),
            model_usage={self.model: _usage(row.work, row.cached, row.prefilled)},
            started_at=self.start.isoformat(),
            completed_at=(self.start + timedelta(seconds=row.wall_seconds)).isoformat(),
            total_time=row.wall_seconds,
            working_time=row.wall_seconds,
            events=_Events(self.kept.tree, self.model, self.start).made() if self.kept.tree is not None else [],
        )

    def _metadata(self) -> dict[str, Any]:
        said = {"answer", "correct", "gold", "error", "flaw", "problem", "benchmark", "epoch"}
        plan = {} if self.kept.plan is None else {"plan": dict(self.kept.plan)}
        return {**self.row.model_dump(exclude=said), **plan}


class _Span(NamedTuple):
    """Moments are seconds since the sample's start."""

    id: str
    parent: str | None
    name: str
    type: str
    begin: float
    end: float
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Events:
    """A span for each thread, and a model event for each of its requests. The root is a solver inside the sample's own work and the others are
    its agents: only then does `inspect view` show them as lanes at once, and their requests in the order in which they were made."""

    record: TraceRecord
    model: str
    start: datetime

    def made(self) -> list[Event]:
        timed = [(moment, order, event) for order, (moment, event) in enumerate(self._all())]
        # Spans open before what is in them, and close after it: in the order of `_all` where moments are equal.
        return [event for _, _, event in sorted(timed, key=lambda each: each[:2])]

    def _all(self) -> Iterator[tuple[float, Event]]:
        from inspect_ai.event import SpanBeginEvent, SpanEndEvent

        started = [thread for thread in self.record.threads if thread.started is not None]
        spans = [_Span(_WORK, None, _WORK, _WORK, 0.0, self.record.ledger.wall_seconds), *map(self._span, started)]
        for span in spans:
            yield (
                span.begin,
                SpanBeginEvent(
                    id=span.id,
                    parent_id=span.parent,
                    span_id=span.id,
                    type=span.type,
                    name=span.name,
                    timestamp=self._at(span.begin),
                    working_start=span.begin,
                    metadata=span.metadata,
                ),
            )
        for thread in started:
            yield from self._requests(thread)
        for span in reversed(spans):
            yield span.end, SpanEndEvent(id=span.id, span_id=span.id, timestamp=self._at(span.end), working_start=span.end)

    def _span(self, thread: ThreadRecord) -> _Span:
        end = self.record.ledger.wall_seconds if thread.finished is None else thread.finished
        kind = "solver" if thread.parent is None else "agent"
        said = {"status": thread.status, "error": thread.error}
        return _Span(thread.id, thread.parent or _WORK, f"thread {thread.id}", kind, thread.started or 0.0, end, said)

    def _requests(self, thread: ThreadRecord) -> Iterator[tuple[float, Event]]:
        written: list[str] = []
        for item in thread.items:
            if isinstance(item, ForkRecord):
                continue
            if item.completion is None:
                written.append(item.text)
            else:
                yield item.completion.submitted, self._request(thread, item, item.completion, "\n".join(written))
                written.clear()

    def _request(self, thread: ThreadRecord, segment: SegmentRecord, request: CompletionRecord, written: str) -> Event:
        from inspect_ai.event import ModelEvent
        from inspect_ai.model import ChatMessageUser, GenerateConfig, ModelOutput

        output = ModelOutput.from_content(self.model, segment.text, stop_reason=_FINISH[request.finish])
        output.usage = _usage(len(segment.token_ids), request.cached_tokens, None)
        output.time = request.finished - request.submitted
        return ModelEvent(
            model=self.model,
            input=[ChatMessageUser(content=written)],
            tools=[],
            tool_choice="none",
            config=GenerateConfig(),
            output=output,
            error="aborted" if segment.aborted else None,
            timestamp=self._at(request.submitted),
            working_start=request.submitted,
            completed=self._at(request.finished),
            working_time=request.finished - request.submitted,
            span_id=thread.id,
        )

    def _at(self, moment: float) -> datetime:
        return self.start + timedelta(seconds=moment)


def _usage(sampled: int, cached: int | None, prefilled: int | None) -> Any:
    from inspect_ai.model import ModelUsage

    prompt = (cached or 0) + (prefilled or 0)
    return ModelUsage(input_tokens=prompt, output_tokens=sampled, total_tokens=prompt + sampled, input_tokens_cache_read=cached)


def _words(gold: Any) -> str | list[str]:
    if isinstance(gold, list) and all(isinstance(one, str) for one in gold):
        return list(gold)
    return "" if gold is None else str(gold)
