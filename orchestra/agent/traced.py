"""OpenTelemetry spans of agents and of plans that run by themselves, from their events.

with tracing.workflow("agent") as workflow:
    await Agent(TracedChat(model, tracing), tools).run(task, observer=PlanSpans(tracing, workflow))
"""

from __future__ import annotations

from ..plan.node import ModelCall, Node, Sample, SubPlan, ToolCall
from ..schedule.events import (
    LimitReached,
    NodeAdded,
    NodeFinished,
    NodeHedged,
    NodeRetried,
    NodeStarted,
    PlanPatched,
    RunFinished,
)
from ..schedule.outcome import Outcome
from ..trace import spans
from ..trace.otel import Span, Tracing
from .decision import Finish
from .events import AgentEvent, AgentFinished, Asking, Joined, PlanReady, Refused


class PlanSpans:
    """The observer of one agent's run, or of one execution. Its spans lie below `parent`, those of a sub-plan's nodes below the node that holds
    it; requests of planner, joiner and nodes nest below theirs where the chat model is a `TracedChat`."""

    def __init__(self, tracing: Tracing, parent: Span) -> None:
        self._tracing = tracing
        self._parent = parent
        self._nodes: dict[str, Node] = {}
        self._open: dict[str, Span] = {}
        self._asking: Span | None = None

    def __call__(self, event: AgentEvent) -> None:
        match event:
            case Asking():
                self._asked()
                event.traceparent = self._ask(event.who).traceparent
            case PlanReady(plan, findings, note):
                self._asked(
                    {"orchestra.nodes": len(plan.nodes), "orchestra.findings": len(findings), "orchestra.note": note or None}
                )
            case Joined(decision):
                self._asked({"orchestra.decision": "answer" if isinstance(decision, Finish) else "change the plan"})
            case Refused(why):
                self._asked({"orchestra.decision": f"refused: {why}"})
            case NodeAdded(node, _, scope):
                self._nodes[f"{scope}{node.id}"] = node
            case NodeStarted(id):
                event.traceparent = self._node(id).traceparent
            case NodeRetried(id, attempt, error, wait_s):
                self._open[id].event(
                    "retry", {"orchestra.attempt": attempt, "exception.message": error, "orchestra.wait_s": wait_s}
                )
            case NodeHedged(id, after_s):
                self._open[id].event("hedge", {"orchestra.after_s": after_s})
            case NodeFinished(id, outcome):
                self._finish(id, outcome)
            case PlanPatched(plan):
                for id in (*event.replaced, *event.removed):
                    if (gone := self._open.pop(id, None)) is not None:
                        gone.set({spans.STATUS: "cancelled"})
                        gone.end()
                self._nodes |= {node.id: node for node in plan.nodes}
                self._parent.event(
                    "patch",
                    {
                        "orchestra.added": event.added,
                        "orchestra.replaced": event.replaced,
                        "orchestra.removed": event.removed,
                        "orchestra.why": event.reason or None,
                    },
                )
            case LimitReached(limit, action):
                self._parent.event("limit", {"orchestra.limit": limit, "orchestra.action": action})
            case RunFinished():
                self._end_all()
            case AgentFinished(result):
                self._asked()
                self._end_all()
                self._parent.set({spans.STATUS: result.status})
                if result.status != "succeeded":
                    self._parent.fail(result.error or result.status, result.status)

    def _ask(self, who: str) -> Span:
        parent = self._parent.traceparent
        if who == "planner":
            self._asking = self._tracing.start("plan", parent=parent)
        else:
            self._asking = self._tracing.start(
                "invoke_agent", who, parent=parent, attributes={spans.AGENT: who, spans.AGENT_ID: who}
            )
        return self._asking

    def _asked(self, attributes: dict[str, spans.Value | None] | None = None) -> None:
        if self._asking is not None:
            self._asking.set(attributes or {})
            self._asking.end()
            self._asking = None

    def _node(self, id: str) -> Span:
        """The node's span, which all attempts share."""
        if id not in self._open:
            holder = self._open.get(id.rpartition("/")[0], self._parent)
            self._open[id] = self._started(id, self._nodes[id], holder.traceparent)
        return self._open[id]

    def _started(self, id: str, node: Node, parent: str | None) -> Span:
        if isinstance(node, ToolCall):
            return self._tracing.start(
                "execute_tool", node.tool, parent=parent, attributes={spans.TOOL: node.tool, spans.TOOL_CALL: id}
            )
        if isinstance(node, SubPlan):
            return self._tracing.start("invoke_workflow", id, parent=parent, attributes={spans.WORKFLOW: id})
        kind = "sample" if isinstance(node, Sample) else "model" if isinstance(node, ModelCall) else "aggregate"
        return self._tracing.start("invoke_agent", id, parent=parent, attributes={spans.AGENT: kind, spans.AGENT_ID: id})

    def _finish(self, id: str, outcome: Outcome) -> None:
        span = self._open.pop(id, None)
        if span is None:
            if outcome.source not in ("cache", "journal", "shared"):
                return  # it never ran: skipped or cancelled
            holder = self._open.get(id.rpartition("/")[0], self._parent)
            span = self._started(id, self._nodes[id], holder.traceparent)
        span.set(
            {
                spans.STATUS: outcome.status,
                "orchestra.attempts": outcome.attempts,
                "orchestra.source": outcome.source,
                spans.SAMPLED_TOKENS: outcome.usage.tokens or None,
                "orchestra.cost": outcome.usage.money or None,
            }
        )
        if outcome.status == "failed":
            span.fail(outcome.error or "failed", (outcome.error or "failed").partition(":")[0][:LONGEST_KIND])
        span.end()

    def _end_all(self) -> None:
        for span in reversed(self._open.values()):
            span.end()
        self._open.clear()


LONGEST_KIND = 60
"""Characters of an error's kind: outcomes keep words only, which begin with the exception's name."""
