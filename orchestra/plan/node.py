"""Nodes of a plan: what is to be done, and what it waits for. pydantic checks them where they come in; inside they do not change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints, TypeAdapter

from .ref import OMIT, Ref, decode, encode, refs, substitute, valid_text

NodeId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_\-]{0,63}$")]
"""No dots: `id.path` is how a reference names a part of an output."""
Effect = Literal["pure", "idempotent", "once"]
"""pure: same arguments, same output, so it may be cached. idempotent: running it twice does no more than once, so it may be retried and
hedged. once: it changes the world (sends, pays), so it is never repeated."""
JsonValue = Annotated[Any, BeforeValidator(decode), PlainSerializer(encode)]
"""A `ref.Value`, in its JSON form outside."""

Line = Annotated[str, AfterValidator(valid_text)]
"""Text that can be written as JSON."""
Names = Annotated[frozenset[Line], PlainSerializer(sorted, when_used="json")]
"""Sorted in JSON: the order of a set differs between processes."""

INPUT = "input"
"""What a sub-plan calls its arguments: `Ref("input", ("name",))`. No node may have this id."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """pydantic's, but without the cached properties: they belong to the original."""
        copy = super().model_copy(update=update, deep=deep)
        for name in copy.__dict__.keys() - type(copy).model_fields.keys():
            del copy.__dict__[name]
        return copy


class Edge(Frozen):
    """What becomes of a node when one that it waits for fails."""

    on_failure: Literal["fail", "continue", "fallback", "optional"] = "fail"
    """fail: it is skipped. continue: it runs and sees null. fallback: it sees `fallback`. optional: the argument is left out."""
    fallback: JsonValue = None
    """A value, or a reference to another node (which is then waited for, too)."""

    @property
    def instead(self) -> Any:
        """What stands in the place of an output that there is not; `OMIT` for nothing. "fail" never gets as far."""
        return {"fallback": self.fallback, "optional": OMIT}.get(self.on_failure)


class Estimate(Frozen):
    """What the planner expects; the scheduler prefers what it has learned."""

    seconds: float | None = Field(default=None, ge=0)
    tokens: int | None = Field(default=None, ge=0)
    cost: float | None = Field(default=None, ge=0)
    """In the currency of the budget."""


class NodeBase(Frozen):
    """What all kinds have in common."""

    id: NodeId
    depends_on: tuple[NodeId, ...] = ()
    """Nodes to wait for beside those whose outputs are referenced."""
    edges: dict[NodeId, Edge] = {}
    """Failure policies of edges that are not the default, by the node waited for."""
    quorum: int | None = Field(default=None, ge=1)
    """Run as soon as this many of the nodes waited for have succeeded; references to the others become null. None waits for all."""
    estimate: Estimate = Estimate()
    effect: Effect | None = None
    """None takes the tool's own; a plan may only be stricter."""
    reads: Names = frozenset()
    """Named things it reads: never at the same time as a node that writes one of them."""
    writes: Names = frozenset()
    timeout_s: float | None = Field(default=None, gt=0)
    thought: Line = ""
    """Why the planner wants it."""

    @property
    def values(self) -> Iterator[Any]:
        """Everything in it that may hold references."""
        raise NotImplementedError

    def with_values(self, change: Callable[[Any], Any]) -> Self:
        """A copy with `change` made to what `values` gives, but to all arguments as one object: `change` may leave some out."""
        raise NotImplementedError

    @cached_property
    def waits_for(self) -> tuple[str, ...]:
        """Ids of the nodes it waits for, each once, in order of mention; a sub-plan's `input` is not among them."""
        found = [ref.node for value in self.values for ref in refs(value)]
        found += self.depends_on
        found += [ref.node for edge in self.edges.values() for ref in refs(edge.fallback)]
        return tuple(dict.fromkeys(node for node in found if node != INPUT))

    @cached_property
    def has_refs(self) -> bool:
        """Whether its values have to be resolved before it runs."""
        return any(True for value in self.values for _ in refs(value))

    def model_post_init(self, context: Any) -> None:
        """Known once and asked for at every start: parsing may take the time, running may not."""
        _ = self.waits_for, self.has_refs

    def edge(self, node: str) -> Edge:
        return self.edges.get(node, _FAIL)

    def rewired(self, to: Mapping[str, str]) -> Self:
        """A copy that waits for other nodes: each id that is a key of `to` is replaced, in references, `depends_on` and edges."""

        def moved(value: Any) -> Any:
            return substitute(value, lambda ref: Ref(to.get(ref.node, ref.node), ref.path))

        edges = {needed: edge.model_copy(update={"fallback": moved(edge.fallback)}) for needed, edge in self.edges.items()}
        return self.with_values(moved).model_copy(
            update={
                "depends_on": tuple(dict.fromkeys(to.get(needed, needed) for needed in self.depends_on)),
                "edges": {to[needed]: edge for needed, edge in edges.items() if needed in to}
                | {needed: edge for needed, edge in edges.items() if needed not in to},
            }
        )


class ToolCall(NodeBase):
    kind: Literal["tool"] = "tool"
    tool: Line
    arguments: dict[str, JsonValue] = {}

    @property
    def values(self) -> Iterator[Any]:
        yield from self.arguments.values()

    def with_values(self, change: Callable[[Any], Any]) -> Self:
        return self.model_copy(update={"arguments": change(self.arguments)})


class ModelCall(NodeBase):
    """Ask a model; the output is its text."""

    kind: Literal["model"] = "model"
    prompt: JsonValue
    system: Line | None = None
    model: Line | None = None
    """A tier of the model ladder by name; None lets the ladder choose by `difficulty`."""
    difficulty: int | None = Field(default=None, ge=1, le=5)
    """1 is easy (Adaptive Skeleton Graph Decoding, arXiv 2402.12280)."""
    max_tokens: int | None = Field(default=None, ge=1)
    temperature: float = Field(default=0.0, ge=0)

    @property
    def values(self) -> Iterator[Any]:
        yield self.prompt

    def with_values(self, change: Callable[[Any], Any]) -> Self:
        return self.model_copy(update={"prompt": change(self.prompt)})


class Sample(ModelCall):
    """Ask a model the same thing `n` times at once; the output is the list of texts."""

    kind: Literal["sample"] = "sample"  # type: ignore[assignment] # a model call in all but its name
    n: int = Field(ge=1, le=1024)
    temperature: float = Field(default=1.0, ge=0)
    enough: int | None = Field(default=None, ge=1)
    """Stop at so many answers and cancel the rest; None waits for all."""


class Aggregate(NodeBase):
    """Combine outputs without a tool."""

    kind: Literal["aggregate"] = "aggregate"
    inputs: JsonValue
    """Usually a list of references; outputs that failed edges left out are missing or null."""
    how: Literal["list", "concat", "first", "vote", "sum", "mean", "min", "max"] = "list"
    separator: Line = "\n"
    """Between the parts of "concat"."""

    @property
    def values(self) -> Iterator[Any]:
        yield self.inputs

    def with_values(self, change: Callable[[Any], Any]) -> Self:
        return self.model_copy(update={"inputs": change(self.inputs)})


class SubPlan(NodeBase):
    """A plan inside a plan; the output is that plan's."""

    kind: Literal["plan"] = "plan"
    nodes: tuple[Node, ...]
    output: JsonValue
    arguments: dict[str, JsonValue] = {}
    """What its nodes reach as `input.name`."""

    @property
    def values(self) -> Iterator[Any]:
        yield from self.arguments.values()

    def with_values(self, change: Callable[[Any], Any]) -> Self:
        return self.model_copy(update={"arguments": change(self.arguments)})


Node: TypeAlias = Annotated[ToolCall | ModelCall | Sample | Aggregate | SubPlan, Field(discriminator="kind")]
SubPlan.model_rebuild()
ANY_NODE: TypeAdapter[ToolCall | ModelCall | Sample | Aggregate | SubPlan] = TypeAdapter(Node)
_FAIL = Edge()
