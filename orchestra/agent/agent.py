"""The agent: a planner writes a plan, its nodes run while it is written, a joiner answers or changes the plan.

The life of a task: the planner's text is parsed as it is decoded, and each node that nothing can change any more starts → what cannot be run
goes back to the planner once, or is cut down, and the running plan is patched to the mended one → when all nodes have ended (or every k
completions) the joiner answers, or patches the plan, a bounded number of times → the answer, with everything that happened.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..chat.base import ChatModel
from ..chat.ladder import Ladder, Tier
from ..errors import BudgetError, ConfigError, EngineError
from ..plan.node import Node
from ..plan.plan import in_order
from ..plan.structure import Shape
from ..plan.verify import describe
from ..schedule.budget import Budget
from ..schedule.estimates import Durations
from ..schedule.execution import Execution
from ..schedule.journal import Journal
from ..schedule.outcome import NOTHING, Retry
from ..schedule.resources import Resources
from ..schedule.runtime import CacheLike, Hedge, Runtime, Uncertain
from ..tools.function import as_tool
from ..tools.retrieval import Shortlist
from ..tools.tool import Tool, ToolSet
from .events import AgentEvent, AgentFinished, AgentResult, Asking, PlannerText, PlanReady
from .joiner import Joiner, ModelJoiner
from .metered import MeteredChat
from .planner import Brief, Planned, Planner, TextPlanner
from .steering import Steering, When

Observer = Callable[[AgentEvent], None]
MakePlanner = Callable[[ChatModel], Planner]
MakeJoiner = Callable[[ChatModel], Joiner]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an agent may do, beside its tools. The defaults suit a handful of tools and a remote model."""

    planner: MakePlanner = TextPlanner
    """Makes the planner of a run from the model; `functools.partial(TextPlanner, examples=…)` is one."""
    joiner: MakeJoiner | None = ModelJoiner
    """None: the plan's output is the answer."""
    when: When = field(default_factory=When)
    """When the joiner is asked."""
    max_rounds: int = 2
    """Changes of the plan that the joiner may make."""
    models: Ladder | None = None
    """What model calls inside plans are asked of; None: plans hold tool calls only."""
    shape: Shape = field(default_factory=lambda: Shape(max_nodes=100))
    shortlist: int = 40
    """With more tools than this, the planner sees those that fit the task best."""
    resources: Resources | None = None
    retry: Retry | None = None
    hedge: Hedge | None = None
    cache: CacheLike | None = None
    on_uncertain: Uncertain | None = None
    grace_s: float = 5.0


class Agent:
    """Answers tasks with tools.

        agent = Agent(model, tools=[search, convert])
        result = await agent.run("How much higher is K2 than Mont Blanc, in feet?")

    Args:
        model: of planner and joiner; it has been entered.
        tools: functions (see `tools.tool`), or tools from elsewhere, such as an MCP server's.
        price: of the model's tokens, where a budget of money is to count them.

    One agent may run many tasks at once; what it learns about durations serves all of them.
    """

    def __init__(
        self,
        model: ChatModel,
        tools: Iterable[Tool | Callable[..., Any]] = (),
        *,
        settings: Settings | None = None,
        price: Tier | None = None,
    ) -> None:
        self._settings = settings or Settings()
        self._tier = price or Tier(model=model)
        self._tools = ToolSet(as_tool(tool) for tool in tools)
        self._durations = Durations()
        self._resources = self._settings.resources or Resources()
        few = len(self._tools) <= self._settings.shortlist
        self._shortlist = None if few else Shortlist(list(self._tools.values()))

    async def run(
        self, task: str, *, budget: Budget | None = None, journal: str | Path | None = None, observer: Observer | None = None
    ) -> AgentResult:
        """Work on `task` to its end. Failures of models, tools and plans are in the result, never raised.

        budget: what planner, joiner and nodes may spend together. journal: a file that a later call with the same task goes on from.
        Raises `ConfigError` and `JournalError` for what has to be mended before anything can run; cancelling cancels everything.
        """
        if not task.strip():
            raise ConfigError("the task is empty: say what is to be done")
        if journal is None:
            return await self._run(task, budget, None, observer)
        with Journal(Path(journal), run=self._signature(task)) as kept:
            return await self._run(task, budget, kept, observer)

    async def stream(
        self, task: str, *, budget: Budget | None = None, journal: str | Path | None = None
    ) -> AsyncGenerator[AgentEvent]:
        """Events as they happen; the last is `AgentFinished`. Closing the generator cancels the run."""
        events: asyncio.Queue[AgentEvent | None] = asyncio.Queue()
        run = asyncio.create_task(self.run(task, budget=budget, journal=journal, observer=events.put_nowait), name="agent")
        run.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            await run  # raises what the run raised
        finally:
            run.cancel()
            await asyncio.wait([run])

    async def _run(self, task: str, budget: Budget | None, journal: Journal | None, observer: Observer | None) -> AgentResult:
        now = asyncio.get_running_loop().time
        started = now()
        settings = self._settings
        runtime = Runtime(
            tools=self._tools,
            models=settings.models,
            resources=self._resources,
            budget=budget,
            durations=self._durations,
            journal=journal,
            cache=settings.cache,
            retry=settings.retry or Retry(),
            hedge=settings.hedge,
            observer=observer,
            on_uncertain=settings.on_uncertain,
            grace_s=settings.grace_s,
        )
        seconds = budget.seconds if budget is not None else None
        until = None if seconds is None else started + seconds
        model = MeteredChat(self._tier, budget, journal, until, session=self._signature(task))
        async with Execution(runtime) as execution:
            result = await self._work(task, execution, model, observer or _ignore)
        usage = model.usage + (result.result.usage if result.result else NOTHING)
        result = replace(result, usage=usage, seconds=now() - started)
        if observer is not None:
            observer(AgentFinished(result))
        return result

    async def _work(self, task: str, execution: Execution, model: MeteredChat, tell: Observer) -> AgentResult:
        try:
            planned = await self._plan(task, execution, model, tell)
        except (EngineError, BudgetError) as error:
            return await self._without_plan(execution, f"no plan could be made: {error}")
        facts: dict[str, Any] = {"findings": planned.findings, "plan_texts": planned.texts}
        if planned.plan is None:
            message = (
                planned.refusal
                or f"the planner wrote no plan that can be run ({planned.note or 'see below'}):\n{describe(planned.findings)}"
            )
            nothing = await self._without_plan(execution, message)
            # what a refused plan found is no part of an answer
            return replace(nothing, status="failed" if planned.refusal else nothing.status, **facts)
        joiner = self._settings.joiner(model) if self._settings.joiner else None
        steering = Steering(
            task,
            execution,
            self._tools.specs,
            self._tiers,
            joiner,
            model,
            self._settings.when,
            self._settings.max_rounds,
            self._settings.shape,
            tell,
        )
        return replace(await steering.answer(), **facts)

    async def _without_plan(self, execution: Execution, error: str) -> AgentResult:
        """What had been started is ended, and what it found is kept."""
        execution.cancel(execution.unfinished, "the plan that it belongs to cannot be run")
        execution.close()
        result = await execution.result() if execution.plan.nodes else None
        some = result is not None and bool(result.of("succeeded"))
        return AgentResult(answer=None, status="partial" if some else "failed", error=error, result=result)

    async def _plan(self, task: str, execution: Execution, model: MeteredChat, tell: Observer) -> Planned:
        started: dict[str, Node] = {}

        def start(node: Node) -> None:
            started[node.id] = node
            execution.add([node])

        brief = Brief(
            task=task,
            tools={tool.name: tool.spec for tool in self._offered(task)},
            shape=self._settings.shape,
            models=self._tiers,
            start=start,
            on_text=lambda text: tell(PlannerText(text)),
        )
        tell(asking := Asking("planner"))
        model.traceparent = asking.traceparent
        planned = await self._settings.planner(model).plan(brief)
        if planned.plan is not None:
            plan = planned.plan
            if all(started[id] == plan.by_id.get(id) for id in started):
                execution.add([node for node in in_order(plan.nodes) if node.id not in started])
            else:
                execution.revise(plan, reason=planned.note or "the plan was mended")
            execution.close(plan.output, goal=task)
            tell(PlanReady(plan, planned.findings, planned.note))
        return planned

    def _offered(self, task: str) -> Iterable[Tool]:
        return self._tools.values() if self._shortlist is None else self._shortlist.pick(task, self._settings.shortlist)

    @property
    def _tiers(self) -> Sequence[str]:
        return [tier.name for tier in self._settings.models.tiers] if self._settings.models else ()

    def _signature(self, task: str) -> str:
        """What a journal belongs to: the task and the tools' names."""
        return hashlib.sha256("\0".join([task, *sorted(self._tools)]).encode()).hexdigest()[:16]


def _ignore(event: AgentEvent) -> None: ...
