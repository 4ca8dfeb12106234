"""What every format that models write plans in has in common.

A parser never raises on a model's text: what it cannot read becomes a finding, and what it can read becomes nodes. A format whose nodes are
complete before its end also has a stream, which hands each node out at its closing token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..finding import Finding
from ..node import Node
from ..plan import Plan
from ..tool_spec import ToolSpec

Tools = Mapping[str, ToolSpec]
"""By name. Formats with positional arguments need the names of parameters; without a spec they are called "0", "1", …"""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What could be read, and what could not."""

    plan: Plan
    findings: tuple[Finding, ...] = ()
    """Of the text only; the plan still has to be verified."""


class PlanStream(Protocol):
    """One plan being written. Feeding the text whole, or one character at a time, gives the same nodes and findings."""

    def feed(self, text: str) -> Sequence[Node]:
        """Takes the next piece of text; returns the nodes that are complete now and whose meaning later text cannot change."""
        ...

    def close(self) -> Parsed:
        """The text has ended. The plan holds all nodes, those that were handed out (unchanged) and those that had to wait for the end."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the plan has said that it is complete (its join), so that decoding may stop."""
        ...


class PlanFormat(Protocol):
    """One way to write plans."""

    name: str

    def parse(self, text: str, tools: Tools) -> Parsed: ...


@runtime_checkable
class StreamedFormat(PlanFormat, Protocol):
    """Its nodes are complete before the text is."""

    def stream(self, tools: Tools) -> PlanStream: ...


@runtime_checkable
class ConstrainedFormat(PlanFormat, Protocol):
    """A model can be held to it while it decodes."""

    def grammar(self, tools: Tools, *, max_nodes: int | None = None, max_text: int | None = None) -> str:
        """In the EBNF of `engine.Constraint`: only plans with known tools and their arguments match it."""
        ...
