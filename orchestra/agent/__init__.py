"""Agents: a planner, a scheduler and a joiner behind one call."""

from .agent import Agent, Settings
from .decision import ChangePlan, Finish
from .events import AgentEvent, AgentFinished, AgentResult, Joined, PlannerText, PlanReady, Refused
from .joiner import Joiner, ModelJoiner, OutputJoiner
from .planner import Brief, Example, Planned, Planner, TextPlanner
from .small_planner import open_planner, shipped_planner
from .steering import When

__all__ = [
    "Agent",
    "AgentEvent",
    "AgentFinished",
    "AgentResult",
    "Brief",
    "ChangePlan",
    "Example",
    "Finish",
    "Joined",
    "Joiner",
    "ModelJoiner",
    "OutputJoiner",
    "PlanReady",
    "Planned",
    "Planner",
    "PlannerText",
    "Refused",
    "Settings",
    "TextPlanner",
    "When",
    "open_planner",
    "shipped_planner",
]
