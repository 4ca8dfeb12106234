"""What a plan has to know of a tool: everything but how to call it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .node import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool as planners, verifiers and endpoints see it."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})
    """JSON Schema of the arguments: an object whose `properties` are in the order of positional arguments."""
    returns: Mapping[str, Any] | None = None
    """JSON Schema of the output; None when unknown."""
    effect: Effect = "idempotent"
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    seconds: float | None = None
    """How long a call usually takes, before anything has been learned."""

    @property
    def properties(self) -> Mapping[str, Any]:
        """Schemas of the arguments by name. Foreign servers send schemas of any shape: what cannot be read is taken for absent."""
        found = self.parameters.get("properties")
        return found if isinstance(found, Mapping) else {}

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(self.properties)

    @property
    def required(self) -> frozenset[str]:
        names = self.parameters.get("required")
        return frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list | tuple) else frozenset()
