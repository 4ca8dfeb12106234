"""Questions about facts, put to a planner that says what it is told to."""

from __future__ import annotations

from orchestra.training.planner.card import card

from orchestra.agent import Agent, AgentEvent, AgentResult
from orchestra.agent.small_planner import planner_settings
from orchestra.chat import ScriptedChat
from orchestra.engine.virtual import run_virtual
from orchestra.tools.facts import FactTable, fact_tools
from orchestra.tools.facts.names import Names

TASK = "How much taller is K2 than Mont Blanc?"
PLAN = '1. lookup("K2", "height")\n2. lookup("Mont Blanc", "height")\n3. subtract($1, $2)\n4. join($3)'
HEIGHTS = '1. lookup("K2", "height")\n2. lookup("Mont Blanc", "height")\n3. join([$1, $2])'


def saying(*says: str, pace: float = 0.0) -> ScriptedChat:
    """Says one after the other, and the last again and again."""
    remaining = list(says)
    return ScriptedChat(lambda request: remaining.pop(0) if len(remaining) > 1 else remaining[0], seconds_per_token=pace)


def asked(
    task: str, *says: str, facts: FactTable | None = None, pace: float = 0.0
) -> tuple[AgentResult, ScriptedChat, list[AgentEvent]]:
    model = saying(*says, pace=pace)
    table = facts or FactTable.packaged()
    agent = Agent(model, fact_tools(table), settings=planner_settings(Names(table, card().vocabulary)))
    events: list[AgentEvent] = []
    return run_virtual(agent.run(task, observer=events.append)), model, events
