"""A plan on its way from the planner's text into an execution, node by node."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

from ..plan.finding import errors
from ..plan.formats.base import PlanStream, Tools
from ..plan.node import Node, ToolCall
from ..plan.structure import Shape
from ..plan.verify import verify_node


class Feed:
    """Hands nodes on as soon as nothing that is still to be written can change what they do.

    Held back until the plan is whole: nodes with errors and what waits for them; nodes that wait for later ones; and calls whose effect
    happens once, because a plan that turns out to be wrong must not have acted already.
    """

    def __init__(
        self, stream: PlanStream, tools: Tools, start: Callable[[Node], None], *, limits: Shape, models: Container[str] | None
    ) -> None:
        self._stream = stream
        self._tools = tools
        self._start = start
        self._limits = limits
        self._models = models
        self._started: dict[str, Node] = {}

    def text(self, piece: str) -> None:
        """The next piece of the planner's text."""
        self._take(self._stream.feed(piece))

    def _take(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            if self._effect(node) == "once" or any(needed not in self._started for needed in node.waits_for):
                continue
            if errors(verify_node(node, self._started, self._tools, limits=self._limits, models=self._models)):
                continue
            self._started[node.id] = node
            self._start(node)

    def _effect(self, node: Node) -> str | None:
        if isinstance(node, ToolCall) and node.effect is None and node.tool in self._tools:
            return self._tools[node.tool].effect
        return "once" if node.kind == "plan" else node.effect  # what a sub-plan does is not known before it is verified whole
