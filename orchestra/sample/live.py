"""Runs a policy on live traces: every launch is a task on a source, an abort cancels it, and nothing is left when the answer is out."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import nullcontext
from functools import partial

from ..engine.scores import Scores
from ..errors import ConfigError, EngineError, ToolError, first_cause
from .bench import Bench
from .books import Books
from .decisions import Branch, Judge, Launch, Probe, Revise, Wake
from .events import Begun, Event, Failed, Finished, Group, Judged, Probed, Woken
from .judges.base import Question
from .news import News
from .outcome import Outcome
from .policy import Policy
from .run import Observer, Run
from .scores import TraceScores
from .source import LiveTrace, Source
from .watch import Watch

TOP_LOGPROBS = 20  # DeepConf's k


async def run_live(
    policy: Policy,
    source: Source,
    *,
    problem: str = "",
    session: str = "",
    bench: Bench | None = None,
    log: bool = False,
    traces: list[LiveTrace] | None = None,
    observer: Observer | None = None,
) -> Outcome:
    """Sample one problem until `policy` stops.

    Args:
        problem: its text, for judges.
        session: keeps all requests on one replica's prefix cache.
        log: keep every event and decision in `Outcome.turns`.
        observer: told every event and decision as it happens, with the decider, whose `standing()` is the answer of the moment.
        traces: a list to which every trace is added when it is launched, with its text and usage once it has ended.

    Raises:
        ConfigError: the policy needs a judge or an arm that `bench` lacks, or something that the source cannot do.
        PolicyError: the policy broke the rules.

    An engine failure loses its trace; only when all are lost, `Outcome.error` says so. Cancelling the caller aborts every trace first.
    """
    stage = _LiveStage(
        policy, source, problem, session, bench or Bench(), log=log, traces=[] if traces is None else traces, observer=observer
    )
    return await stage.run_to_end()


class _LiveStage:
    def __init__(
        self,
        policy: Policy,
        source: Source,
        problem: str,
        session: str,
        bench: Bench,
        *,
        log: bool,
        traces: list[LiveTrace],
        observer: Observer | None,
    ) -> None:
        self._needs = policy.needs
        self._watched = bool(self._needs.tokens_every or self._needs.stride or self._needs.probes)
        self._sources = {**bench.arms, "": source}
        self._bench = bench
        self._problem = problem
        self._session = session
        self._check()
        self.traces = traces
        self._arm: list[str] = []
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._begun: set[int] = set()
        """Traces that had a slot."""
        self._answers: dict[int, str | None] = {}
        self._over = asyncio.Event()
        self._news = News()
        self._heard = asyncio.Event()
        self._began = 0.0
        self._slots = None if bench.slots is None else asyncio.Semaphore(bench.slots)
        self._group = asyncio.TaskGroup()
        self._side: set[asyncio.Task[None]] = set()
        """Probes, judges and wake-ups under way."""
        self._run = Run(policy, self, log=log, observer=observer)
        self._books = Books(self._run.account)

    def _check(self) -> None:
        if missing := self._needs.arms - self._sources.keys():
            raise ConfigError(f"the policy needs the arm {', '.join(sorted(missing))}: give its source in `Bench.arms`")
        if missing := self._needs.judges - self._bench.judges.keys():
            raise ConfigError(f"the policy asks the judge {', '.join(sorted(missing))}: give it in `Bench.judges`")

    async def run_to_end(self) -> Outcome:
        self._began = self._sources[""].now()
        try:
            async with self._group:
                if self._watched:
                    self._beside(self._listen())
                self._run.post(Begun(0.0))
                if self._run.stop is None:
                    await self._over.wait()
                # Stop has cancelled the traces; the rest has nobody left to tell.
                for task in self._side:
                    task.cancel()
        except ExceptionGroup as group:
            raise first_cause(group) from group
        account = self._run.account
        account.span, account.seconds = self._run.span, self._now()
        for trace in self.traces:
            self._books.trace(trace, ended=trace.id in self._answers)
        return self._run.outcome()

    def _now(self) -> float:
        return self._sources[""].now() - self._began

    # The stage: decisions come in here.

    def launch(self, first: int, launch: Launch) -> None:
        for number in range(first, first + launch.count):
            shown: list[LiveTrace] = []
            match launch.start:
                case Branch(trace=origin):
                    shown = [self.traces[origin]]
                case Revise(traces=origins):
                    shown = [self.traces[origin] for origin in origins]
            needs = self._needs
            trace = LiveTrace(
                id=number,
                session=self._session,
                start=launch.start,
                shown=shown,
                watched=self._watched,
                continued=needs.probes or needs.branches,
                top_logprobs=TOP_LOGPROBS if needs.logprobs else 0,
            )
            trace.on_tokens = partial(self._progress, trace, Watch(needs))
            self.traces.append(trace)
            self._arm.append(launch.arm)
            self._tasks[number] = self._group.create_task(self._trace(trace, self._sources[launch.arm]), name=f"trace {number}")

    def abort(self, trace: int) -> None:
        self._tasks[trace].cancel()

    def probe(self, probe: Probe) -> None:
        self._aside(self._probe(probe))

    def judge(self, judge: Judge) -> None:
        self._aside(self._judge(judge))

    def wake(self, wake: Wake) -> None:
        self._aside(self._wake(wake))

    # What comes of them.

    def _post(self, event: Event | None) -> None:
        """Tell the policy, after what streams have told until now."""
        news, self._news = self._news, News()
        if self._run.stop is None:
            for trace in news.reached.keys() & self._run.running:
                self._run.reached(trace, news.reached[trace])
            for told in news.events(self._now(), self._run.running):
                self._run.post(told)
            if event is not None:
                self._run.post(event)
            if self._run.stop is not None:
                self._over.set()

    async def _trace(self, trace: LiveTrace, source: Source) -> None:
        try:
            async with self._slots or nullcontext():
                self._begun.add(trace.id)
                ending = await source.run(trace)
        except EngineError as error:
            self._post(Failed(self._now(), trace.id, str(error)))
            return
        if trace.id not in self._run.running:
            return  # its last tokens led to its abort: the account counts it among the aborted
        self._answers[trace.id] = ending.answer
        self._run.reached(trace.id, trace.usage.span)
        needs = self._needs
        scores = TraceScores.of(trace.scores) if needs.scores and trace.scores is not None else None
        self._post(
            Finished(
                self._now(),
                trace.id,
                ending.answer,
                trace.usage.sampled,
                ending.cut,
                scores,
                tuple(ending.steps) if needs.steps else (),
            )
        )

    def _progress(self, trace: LiveTrace, watch: Watch, count: int, scores: Scores | None) -> None:
        """New tokens of a watched trace. Called from inside the engine's stream: no awaiting, little work."""
        if not watch.take(count, scores):
            return
        pieces, milestone = watch.pieces(), watch.milestone()
        if pieces or milestone is not None:
            self._news.add(trace.id, pieces, milestone, watch.tokens if trace.span is None else trace.span)
            self._heard.set()

    async def _listen(self) -> None:
        """Tells what streams have brought, once for all streams that the engine has woken together."""
        while True:
            await self._heard.wait()
            self._heard.clear()
            self._post(None)

    def _aside(self, work: Coroutine[object, object, None]) -> None:
        self._run.pending += 1
        self._beside(work)

    def _beside(self, work: Coroutine[object, object, None]) -> None:
        task = self._group.create_task(work)
        self._side.add(task)
        task.add_done_callback(self._side.discard)

    async def _probe(self, probe: Probe) -> None:
        async with asyncio.TaskGroup() as group:
            asked = {
                trace: group.create_task(self._answer_early(trace))
                for trace in probe.traces
                if trace in self._run.running & self._begun
            }
        self._run.pending -= 1
        self._post(Probed(self._now(), {trace: task.result() for trace, task in asked.items()}))

    async def _answer_early(self, trace: int) -> str | None:
        try:
            answer, usage = await self._sources[self._arm[trace]].probe(self.traces[trace])
        except EngineError:
            return None
        self._books.probe(usage)
        return answer

    async def _judge(self, judge: Judge) -> None:
        since = self._run.span
        async with asyncio.TaskGroup() as group:
            asked = {item: group.create_task(self._opinion(judge, item)) for item in judge.groups}
        self._run.pending -= 1
        found = {item: task.result() for item, task in asked.items()}
        if self._run.stop is None:
            self._run.waited(since, max((sampled for _, sampled in found.values()), default=0))
        self._post(Judged(self._now(), judge.question, {item: score for item, (score, _) in found.items()}))

    async def _opinion(self, judge: Judge, item: Group) -> tuple[float | None, int]:
        """The score, and how many tokens were sampled for it."""
        traces = [self.traces[trace] for trace in item]
        question = Question(
            problem=self._problem,
            texts=tuple(self._sources[self._arm[trace.id]].words(trace, judge.tokens) for trace in traces),
            answers=tuple(self._answers.get(trace.id) for trace in traces),
            on_lost=self._books.judge,
        )
        try:
            async with asyncio.timeout(self._bench.judge_timeout_s):
                opinion = await self._bench.judges[judge.question](question)
        except (EngineError, ToolError, TimeoutError):
            return None, 0
        self._books.judge(opinion.sampled, opinion.prefill)
        return opinion.score, opinion.sampled

    async def _wake(self, wake: Wake) -> None:
        await asyncio.sleep(wake.at - self._now())
        self._run.pending -= 1
        self._post(Woken(max(wake.at, self._now())))  # a timer may be a rounding error early, and nobody sets it again
