"""Plans: what is to be done, what it waits for, and whether it can be run."""

from .finding import Finding, InvalidPlan
from .node import Aggregate, Edge, Estimate, ModelCall, Node, Sample, SubPlan, ToolCall
from .patch import Patch
from .plan import Plan
from .ref import Ref, Text
from .structure import Shape
from .tool_spec import ToolSpec
from .verify import verify

__all__ = [
    "Aggregate",
    "Edge",
    "Estimate",
    "Finding",
    "InvalidPlan",
    "ModelCall",
    "Node",
    "Patch",
    "Plan",
    "Ref",
    "Sample",
    "Shape",
    "SubPlan",
    "Text",
    "ToolCall",
    "ToolSpec",
    "verify",
]
