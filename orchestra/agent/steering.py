"""The second half of a task: waiting for the plan, asking the joiner, changing the plan, answering."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import BudgetError, ConfigError, EngineError
from ..plan.changes import Changes
from ..plan.finding import errors
from ..plan.guard import Guard
from ..plan.node import ToolCall
from ..plan.patch import apply
from ..plan.structure import Shape
from ..plan.tool_spec import ToolSpec
from ..plan.verify import describe
from ..schedule.execution import Execution
from .decision import ChangePlan, Finish, Unreadable
from .events import AgentEvent, AgentResult, Asking, Joined, Refused
from .joiner import Joiner, State, summarise
from .metered import MeteredChat


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """When the joiner is asked: when all nodes have ended, and in between every so many completions."""

    every: int | None = None
    """Completions after which it may already answer or change the plan, while the others go on; None: only at the end."""
    summary_every: int | None = None
    """Completions after which a summary of what is established is written for the joiner (Flash-Searcher does so every 7 to 9 steps)."""

    def __post_init__(self) -> None:
        for name in ("every", "summary_every"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ConfigError(f"`{name}` counts completions and must be at least 1, got {value}: None is never")


class Steering:
    """One run's joiner at work."""

    def __init__(
        self,
        task: str,
        execution: Execution,
        tools: Mapping[str, ToolSpec],
        models: Sequence[str],
        joiner: Joiner | None,
        model: MeteredChat,
        when: When,
        max_rounds: int,
        shape: Shape,
        tell: Callable[[AgentEvent], None],
    ) -> None:
        self._task = task
        self._execution = execution
        self._tools = tools
        self._models = models
        self._tell = tell
        self._joiner = joiner
        self._model = model
        self._when = when
        self._shape = shape
        self._max_rounds = max_rounds
        self._guard = Guard(max_rounds=max_rounds + 1)  # the first plan is one
        self._guard.admit(execution.plan)
        self._notes: list[str] = []
        self._retired: set[str] = set()
        self._rounds = 0
        self._refusals = 0
        self._joined_at = 0
        self._summarised_at = 0

    async def answer(self) -> AgentResult:
        """Waits, asks, changes, until there is an answer or nothing more can be done."""
        while True:
            complete = await self._wait()
            if self._joiner is None:
                return await self._end(None)
            try:
                decision = await self._ask(self._joiner, complete)
            except BudgetError as error:
                if complete:
                    return await self._end(None, f"the joiner could not be asked: {error}")
                continue  # what runs may leave room for it later
            except EngineError as error:
                return await self._end(None, f"the joiner could not be asked: {error}")
            match decision:
                case Finish():
                    self._tell(Joined(decision, self._rounds))
                    return await self._end(decision)
                case ChangePlan() if not self._last:
                    self._change(decision)
                case None if complete:
                    return await self._end(None)
                case None:
                    pass
                case _:
                    why = decision.why if isinstance(decision, Unreadable) else "the plan cannot be changed any more: answer"
                    self._refuse(why)
                    if complete and self._refusals > self._max_rounds + 1:
                        return await self._end(None, f"the joiner gave no decision that can be used: {why}")

    @property
    def _last(self) -> bool:
        return self._rounds >= self._max_rounds or self._refusals > self._max_rounds

    async def _wait(self) -> bool:
        """Until the joiner is due. Returns whether every node has ended."""
        every = self._when.every
        if self._joiner is None or every is None:
            await self._execution.idle()
        else:
            await self._execution.completions(self._joined_at + every)
        self._joined_at = self._execution.completed
        return not self._execution.unfinished

    async def _ask(self, joiner: Joiner, complete: bool) -> Finish | ChangePlan | Unreadable | None:
        state = State(
            task=self._task,
            plan=self._execution.plan,
            outcomes=self._execution.outcomes,
            tools=self._tools,
            round=self._rounds,
            last=self._last,
            notes=self._notes,
            max_nodes=self._shape.max_nodes,
        )
        self._tell(asking := Asking("joiner"))
        self._model.traceparent = asking.traceparent
        every = self._when.summary_every
        if every is not None and self._execution.completed - self._summarised_at >= every:
            self._summarised_at = self._execution.completed
            self._notes.append(await summarise(self._model, state))
        return await joiner.decide(state)

    def _change(self, decision: ChangePlan) -> None:
        outcomes = self._execution.outcomes
        patched = apply(
            self._execution.plan,
            decision.patch,
            tools=self._tools,
            settled={id for id, outcome in outcomes.items() if outcome.ok or outcome.status == "uncertain"} | self._acting,
            retired=self._retired,
            limits=self._shape,
            models=self._models,
        )
        if wrong := errors(patched.findings):
            return self._refuse(f"the change of the plan cannot be made:\n{describe(wrong)}")
        if again := self._done_once(patched.changes):
            return self._refuse(again)
        ruling = self._guard.admit(patched.plan)
        if not ruling.allowed:
            return self._refuse(ruling.reason)
        self._rounds += 1
        self._retired |= patched.changes.removed
        self._execution.patch(patched.changes, reason=decision.thought)
        self._tell(Joined(decision, self._rounds))

    def _done_once(self, changes: Changes) -> str | None:
        """Which change would make a call again that may have had its effect, which must happen once."""
        plan = self._execution.plan
        begun = ((id, plan.by_id.get(id)) for id in self._execution.begun)
        made = {id: node for id, node in begun if isinstance(node, ToolCall) and self._effect(node) == "once"}
        for node in (*changes.added, *changes.replaced):
            for id, earlier in made.items():
                if isinstance(node, ToolCall) and (
                    node.id == id or (node.tool, node.arguments) == (earlier.tool, earlier.arguments)
                ):
                    return f"{id} was called already and may have had its effect, which must not happen twice: leave it, and answer with what is known"
        return None

    @property
    def _acting(self) -> set[str]:
        """Calls that are under way and whose effect happens once: they are neither replaced nor removed."""
        plan = self._execution.plan
        running = self._execution.begun & set(self._execution.unfinished) & plan.by_id.keys()
        return {id for id in running if isinstance(node := plan.by_id[id], ToolCall) and self._effect(node) == "once"}

    def _effect(self, node: ToolCall) -> str | None:
        spec = self._tools.get(node.tool)
        return node.effect or (spec.effect if spec else None)

    def _refuse(self, why: str) -> None:
        self._refusals += 1
        self._notes.append(f"Your last decision was not carried out: {why}")
        self._tell(Refused(why, self._rounds))

    async def _end(self, finish: Finish | None, trouble: str | None = None) -> AgentResult:
        """The result; what still runs is not needed any more."""
        if finish is not None:
            self._execution.cancel(self._execution.unfinished, "the answer is there")
        result = await self._execution.result()
        answer: Any = finish.answer if finish is not None else result.output
        if finish is not None or result.status == "succeeded":
            return AgentResult(answer=answer, status="succeeded", error=trouble, result=result, rounds=self._rounds)
        error = "; ".join(reason for reason in (trouble, result.stopped and f"stopped: {result.stopped}", result.error) if reason)
        return AgentResult(answer=None, status=result.status, error=error, result=result, rounds=self._rounds)
