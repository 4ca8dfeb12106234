"""Changes to a plan, also while it runs: what a model writes, and what a scheduler applies.

A patch is a list of operations. It is applied as a whole or not at all: the patched plan is verified like any other.

    {"operations": [{"op": "add", "node": {"kind": "tool", "id": "5", "tool": "search", "arguments": {"query": "…"}}},
                    {"op": "rewire", "id": "4", "from": "2", "to": "5"}, {"op": "remove", "id": "2", "cascade": false}]}
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_serializer

from .changes import Changes, describe_changes, diff
from .closest import Suggestions, listed
from .finding import Code, Finding, errors
from .node import Frozen, JsonValue, Line, Node, NodeId
from .plan import Plan
from .removal import without
from .structure import Shape
from .tool_spec import ToolSpec
from .verify import DEFAULT_SHAPE, verify


class Add(Frozen):
    """A new node. Its id must never have been used."""

    op: Literal["add"] = "add"
    node: Node


class Replace(Frozen):
    """Another node in the place of one that has not finished, under the same id."""

    op: Literal["replace"] = "replace"
    id: NodeId
    node: Node


class Remove(Frozen):
    """Take a node out; with `cascade` also those that cannot do without it (`removal.without`)."""

    op: Literal["remove"] = "remove"
    id: NodeId
    cascade: bool = False


class Rewire(Frozen):
    """Let a node wait for another one: its references, `depends_on` and edges move."""

    model_config = ConfigDict(populate_by_name=True)

    op: Literal["rewire"] = "rewire"
    id: NodeId
    source: NodeId = Field(alias="from")
    target: NodeId = Field(alias="to")

    @model_serializer
    def _as_written(self) -> dict[str, str]:
        return {"op": self.op, "id": self.id, "from": self.source, "to": self.target}


class SetOutput(Frozen):
    op: Literal["set_output"] = "set_output"
    output: JsonValue


Operation = Annotated[Add | Replace | Remove | Rewire | SetOutput, Field(discriminator="op")]


class Patch(Frozen):
    """Operations in the order in which they are applied."""

    operations: tuple[Operation, ...]
    reason: Line = ""


@dataclass(frozen=True, slots=True)
class Patched:
    """What came of a patch."""

    plan: Plan
    """The next version; with errors, the plan as it was."""
    changes: Changes
    """None of them with errors."""
    findings: tuple[Finding, ...]
    """Of the patch, and of the plan that it would make."""

    @property
    def ok(self) -> bool:
        return not errors(self.findings)


def apply(
    plan: Plan,
    patch: Patch,
    *,
    tools: Mapping[str, ToolSpec] | None,
    settled: Container[str] = (),
    retired: Container[str] = (),
    limits: Shape = DEFAULT_SHAPE,
    needs_output: bool = False,
    models: Container[str] | None = None,
) -> Patched:
    """The patched plan; the other options are those of `verify`.

    `settled` are nodes that have finished: they stay as they are, and their outputs may be referred to for ever. (Leave those that failed out
    of it to let them be replaced.) `retired` are ids of nodes that were removed; they are not used again, so that an id means one thing in
    a trace.
    """
    draft = _Draft(plan, settled, retired)
    for operation in patch.operations:
        draft.take(operation)
    patched = plan.model_copy(update={"nodes": tuple(draft.nodes.values()), "output": draft.output, "version": plan.version + 1})
    found = [*draft.findings, *verify(patched, tools, limits=limits, needs_output=needs_output, models=models)]
    changes, nothing = diff(plan, patched), diff(plan, plan)
    if not errors(found) and not describe_changes(plan, changes):
        found.append(Finding("empty", "the patch changes nothing: change the plan, or finish with what there is"))
    if errors(found):
        return Patched(plan, nothing, tuple(found))
    return Patched(patched, changes, tuple(found))


@dataclass(slots=True)
class _Draft:
    """The plan while operations are applied. An operation with an error is left out, and the others are still looked at."""

    plan: Plan
    settled: Container[str]
    retired: Container[str]
    nodes: dict[str, Node] = field(init=False)
    output: Any = field(init=False)
    findings: list[Finding] = field(init=False, default_factory=list)
    _removed: set[str] = field(init=False, default_factory=set)
    _suggestions: Suggestions = field(init=False, default_factory=Suggestions)

    def __post_init__(self) -> None:
        self.nodes = dict(self.plan.by_id)
        self.output = self.plan.output

    def take(self, operation: Add | Replace | Remove | Rewire | SetOutput) -> None:
        match operation:
            case Add(node=node):
                self._add(node)
            case SetOutput(output=output):
                self.output = output
            case Replace(id=node_id, node=node) if self._may_change(node_id, "replaced"):
                if node.id == node_id:
                    self.nodes[node_id] = node
                else:
                    self._refuse(
                        "bad-policy", f"the node in the place of {node_id} has the id {node.id}: it must keep {node_id}", node_id
                    )
            case Rewire(id=node_id, source=source, target=target) if self._may_change(node_id, "rewired"):
                node = self.nodes[node_id]
                if source in node.waits_for:
                    self.nodes[node_id] = node.rewired({source: target})
                else:
                    waits_for = f"it waits for {listed(node.waits_for)}" if node.waits_for else "it waits for nothing"
                    self._refuse(
                        "dangling-reference", f"cannot be rewired from {source}, for which it does not wait: {waits_for}", node_id
                    )
            case Remove(id=node_id, cascade=cascade) if self._may_change(node_id, "removed"):
                self._remove(node_id, cascade)

    def _add(self, node: Node) -> None:
        if node.id in self.nodes:
            self._refuse("duplicate-id", "this id is taken: add the node under a new id, or replace the one that has it", node.id)
        elif node.id in self.retired or node.id in self._removed:
            self._refuse("duplicate-id", "a node of this id was removed, and ids are not used again: take a new one", node.id)
        else:
            self.nodes[node.id] = node

    def _remove(self, node_id: str, cascade: bool) -> None:
        if cascade:
            remaining, removed = without(tuple(self.nodes.values()), {node_id})
            kept = {node.id: node for node in remaining}
        else:
            removed = (node_id,)
            kept = {other: node for other, node in self.nodes.items() if other != node_id}
        touched = [other for other, node in self.nodes.items() if other in self.settled and kept.get(other) is not node]
        if touched:
            self._refuse("bad-policy", f"cannot be removed: {listed(touched)} waited for it and has finished", node_id)
        else:
            self.nodes = kept
            self._removed.update(removed)

    def _may_change(self, node_id: str, done: str) -> bool:
        if node_id not in self.nodes:
            close = self._suggestions.closest(node_id, self.nodes)
            self._refuse(
                "dangling-reference", f"cannot be {done}: there is no such node{close}; there are: {listed(self.nodes)}", node_id
            )
        elif node_id in self.settled:
            self._refuse("bad-policy", f"cannot be {done}: it has finished; refer to its output, or add a new node", node_id)
        else:
            return True
        return False

    def _refuse(self, code: Code, message: str, node_id: str) -> None:
        self.findings.append(Finding(code, message, node_id))
