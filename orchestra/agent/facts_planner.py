"""A small planner's two ends: questions that it cannot know are refused, plans that do not fit are not answered from, and answers get words."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

from ..chat.base import ChatModel
from ..plan.formats.llmcompiler import LLMCompiler
from ..plan.node import ToolCall
from ..plan.plan import Plan
from ..plan.ref import Ref, refs
from ..tools.facts.names import Names
from ..tools.facts.quantities import in_words, unit_of, units_of
from ..tools.facts.question import Question
from ..tools.facts.table import FactTable
from .decision import Finish
from .joiner import State
from .planner import Brief, Planned, TextPlanner

EXAMPLES = (
    "How much taller is K2 than Mont Blanc?",
    "Which of the Nile, the Danube and the Rhine is the longest?",
    "What is the population of the capital of Japan?",
    "How many times as large as Germany is Argentina?",
    "What is the average height of the Eiffel Tower and Big Ben, in feet?",
    "How many of Mercury, Mars, Saturn and Jupiter are wider than Earth?",
    "Is Lake Baikal deeper than Lake Tanganyika?",
    "What percentage of the area of Spain is the area of Switzerland?",
    "Which is higher, the highest mountain of Tanzania or the highest mountain of Norway?",
    "What are the populations of Oslo, Bern and Berlin?",
)
"""Questions about the packaged table, of every kind."""
_MAX_TOKENS = 400
"""The longest plans of training have some 300 tokens."""
_TRIES = 4
_TEMPERATURE = 0.7


def examples(facts: FactTable, count: int = 3) -> list[str]:
    """Questions that a table can answer."""
    if facts is FactTable.packaged():
        return list(EXAMPLES[:count])
    numbers = [(entity, attribute) for entity, attribute, value in facts.rows() if not isinstance(value, str)]
    found = []
    for entity, attribute in numbers:
        other = next((name for name, same in numbers if same == attribute and name != entity), None)
        found.append(f"What is the {attribute} of {entity}?")
        if other is not None:
            found.append(f"Which of {entity} and {other} has the highest {attribute}?")
            found.append(f"What is the {attribute} of {entity} minus the {attribute} of {other}?")
    others = (f"What is the {relation} of {entity}?" for entity, relation, value in facts.rows() if isinstance(value, str))
    return list(islice(dict.fromkeys([*found, *others]), count))


def advice(facts: FactTable) -> str:
    """What can be asked, and what to do for anything else."""
    shown = "".join(f"\n- {example}" for example in examples(facts))
    return (
        f"\nThis planner knows questions in English about the facts of its table (`orchestra facts` lists them), such as{shown}"
        "\nFor anything else bring a model and tools of your own: --model URL --tools FILE.py"
    )


def refusal(task: str, names: Names) -> str | None:
    """Why a task is none for this planner, with what would be; None when it may be one. Needs no model."""
    why = Question(task, names).refusal
    return f"{why}.{advice(names.facts)}" if why else None


class FactsPlanner:
    """A `Planner` on a model that was trained from scratch for questions about facts.

    It writes LLMCompiler's text. Its likeliest plan runs while it is written; when that turns out not to fit the question, or not to be a
    plan, up to three others are sampled. A plan is run as it is or not at all, and without one that fits there is no answer.
    """

    def __init__(self, model: ChatModel, *, names: Names) -> None:
        self._names = names
        ask = partial(TextPlanner, model, format=LLMCompiler(), repairs=0, on_bad_plan="fail", max_tokens=_MAX_TOKENS)
        self._planners = [ask(), *(ask(temperature=_TEMPERATURE, seed=seed) for seed in range(1, _TRIES))]

    async def plan(self, brief: Brief) -> Planned:
        if why := refusal(brief.task, self._names):
            return Planned(plan=None, refusal=why)
        question = Question(brief.task, self._names)
        tried: list[Planned] = []
        for planner in self._planners:
            start = None if tried else brief.start  # what runs already is compared with a later plan when that is whole
            planned = _checked(await planner.plan(replace(brief, task=question.text, start=start)), question)
            tried.append(planned)
            if planned.plan is not None:
                break
        texts = tuple(text for planned in tried for text in planned.texts)
        if tried[-1].plan is not None:
            note = f"its first version {tried[0].refusal}" if len(tried) > 1 else ""
            return replace(tried[-1], texts=texts, note=note)
        why = f"the plan that the planner wrote {tried[0].refusal}.\nPut the question in other words, or in parts."
        return replace(tried[0], texts=texts, refusal=f"{why}{advice(self._names.facts)}")


def _checked(planned: Planned, question: Question) -> Planned:
    """Without its plan, and with the reason, where that is no answer to the question."""
    if planned.plan is None:
        return replace(planned, refusal=f"cannot be run: {'; '.join(map(str, planned.findings[:3]))}")
    if planned.plan.output is None:
        return replace(planned, plan=None, refusal="does not say which result is the answer")
    if misfit := question.misfit(planned.plan):
        return replace(planned, plan=None, refusal=f"does not fit the question: {misfit}")
    return planned


class WordsJoiner:
    """A `Joiner` that asks nobody: the plan's output, in words, with the units that its numbers have."""

    def __init__(self, model: ChatModel) -> None:
        """`model` is not used."""

    async def decide(self, state: State) -> Finish | None:
        if not state.complete or any(not _is_there(ref, state) for ref in refs(state.plan.output)):
            return None
        return Finish(answer_in_words(state.plan, {id: outcome.value for id, outcome in state.outcomes.items()}))


def answer_in_words(plan: Plan, values: dict[str, Any]) -> str:
    """Of a plan whose calls have ended; several answers are a line each, after the name that they are about."""
    units = units_of(plan)

    def said(item: Any) -> str:
        return in_words(values[item.node] if isinstance(item, Ref) else item, unit_of(item, units))

    if not isinstance(plan.output, list):
        return said(plan.output)
    return "\n".join(f"{_about(item, plan, values)}{said(item)}" for item in plan.output)


def _about(item: Any, plan: Plan, values: dict[str, Any]) -> str:
    node = plan.by_id.get(item.node) if isinstance(item, Ref) else None
    if not isinstance(node, ToolCall) or node.tool != "lookup":
        return ""
    entity = node.arguments.get("entity")
    return f"{values.get(entity.node) if isinstance(entity, Ref) else entity}: "


def _is_there(ref: Ref, state: State) -> bool:
    return not ref.path and ref.node in state.outcomes and state.outcomes[ref.node].ok
