"""What the nodes of one plan, or of one sub-plan, may refer to while they are verified."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from .closest import Suggestions, listed
from .json_type import JsonType, shown
from .node import INPUT, Node, SubPlan
from .output_types import OutputTypes
from .plan import inside
from .structure import Shape
from .tool_spec import ToolSpec


@dataclass(slots=True, kw_only=True)
class Scope:
    known: Mapping[str, Node]
    """Nodes that may be referred to."""
    tools: Mapping[str, ToolSpec] | None
    """None leaves names and arguments unchecked, like `models`."""
    models: Container[str] | None
    limits: Shape
    outside: Scope | None = None
    """That of the plan around."""
    inputs: Mapping[str, JsonType] | None = None
    """Arguments of the sub-plan; None outside of one."""
    later: Container[str] = ()
    """Ids that are written later, where order counts."""
    nesting: int = 0
    suggestions: Suggestions = field(default_factory=Suggestions)
    types: OutputTypes = field(init=False)

    def __post_init__(self) -> None:
        self.types = OutputTypes(self.known, self.tools, self.inputs)

    def within(self, node: SubPlan) -> Scope:
        """The scope of a sub-plan's nodes."""
        return Scope(
            known=inside(node).by_id,
            tools=self.tools,
            models=self.models,
            limits=self.limits,
            outside=self,
            inputs={name: self.types.of_value(value) for name, value in node.arguments.items()},
            nesting=self.nesting + 1,
            suggestions=self.suggestions,
        )

    def unknown(self, node_id: str) -> str:
        """A node that is not there, and what to write instead."""
        around = self.outside
        while around is not None:
            if node_id in around.known:
                return f"{node_id}, which is outside this sub-plan: pass it in `arguments` and refer to `{INPUT}` and the argument's name"
            around = around.outside
        close = self.suggestions.closest(node_id, self.known)
        return f"{shown(node_id)}, but there is no such node{close}; there are: {listed(self.known) or 'none before it'}"
