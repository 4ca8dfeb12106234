"""A small planner's two ends: questions that it cannot know are refused, plans that do not fit are not answered from, and answers get words."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from types import TracebackType
from typing import Any, Self

from ..chat.base import ChatModel, ChatRequest, Reply
from ..plan.finding import errors
from ..plan.formats.llmcompiler import LLMCompiler
from ..plan.node import ToolCall
from ..plan.plan import Plan
from ..plan.ref import Ref, refs
from ..plan.tool_spec import ToolSpec
from ..plan.verify import verify
from ..tools.facts.disguise import Disguise, Fold
from ..tools.facts.names import Names
from ..tools.facts.quantities import in_words, unit_of, units_of
from ..tools.facts.question import Question
from ..tools.facts.reading import plan_text, tree_of
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
    "How long are the Nile, the Amazon and the Rhine together?",
    "What are the populations of Oslo, Bern and Berlin?",
)
"""Questions about the packaged table, of every kind."""
_MAX_TOKENS = 400
"""The longest plans of training have some 300 tokens."""
ROUND = 4
"""Tries at once after the first: together they take little longer than one."""
_FOLDS: tuple[Fold, ...] = ("all", "relations", "all", "names")
"""What they make simpler."""
ROUNDS = 3
_SMALL = 2
"""Folds of a question that is tried as it is. Of larger ones the likeliest plan is too often wrong in ways that no check sees."""


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
        "\nThis planner answers questions in English, with units in full ('5 kilometres'), about the facts of its table (`orchestra facts`"
        f" lists them), such as{shown}"
        "\nFor anything else bring a model and tools of your own: --model URL --tools FILE.py"
    )


def refusal(task: str, names: Names) -> str | None:
    """Why a task is none for this planner, with what would be; None when it may be one. Needs no model."""
    why = Question(task, names).refusal
    return f"{why}.{advice(names.facts)}" if why else None


class FactsPlanner:
    """A `Planner` on a model that was trained from scratch for questions about facts.

    It writes LLMCompiler's text. Its likeliest plan runs while it is written; when that turns out not to fit the question, or not to be a
    plan, the question is put more simply (`Disguise`) in several ways, a few at a time until some plans fit; of these the one is run that was
    written most often. Large questions, and those that say a name twice, are put more simply at once, beside being put as they are. A plan is
    run as it is or not at all, and without one that fits there is no answer.
    """

    def __init__(self, model: ChatModel, *, names: Names, rounds: int = ROUNDS) -> None:
        """`rounds`: of `ROUND` more tries each, at most."""
        self._model = model
        self._names = names
        self._rounds = rounds

    async def plan(self, brief: Brief) -> Planned:
        if why := refusal(brief.task, self._names):
            return Planned(plan=None, refusal=why)
        question = Question(brief.task, self._names)
        tried: list[Planned] = []
        if Disguise(question.text, self._names, seed=0).folds <= _SMALL and not question.repeats:
            tried.append(_checked(await self._planner(self._model).plan(replace(brief, task=question.text)), question))
        for number in range(self._rounds):
            if best := _commonest(tried):
                return best
            tried += await self._more(brief, question, number, untried=not tried)
        if best := _commonest(tried):
            return best
        next_step = question.hint or "Put it in other words, or ask one thing at a time."
        why = f"the planner found no plan for this question. {next_step}\nThe first plan that it wrote {tried[0].refusal}."
        return replace(tried[0], texts=_texts(tried), refusal=f"{why}{advice(self._names.facts)}")

    async def _more(self, brief: Brief, question: Question, number: int, *, untried: bool) -> list[Planned]:
        """One round of tries, for the question put more simply in different ways; and as it is, while that is `untried`."""

        async def one(seed: int) -> Planned:
            disguise = Disguise(question.text, self._names, seed=seed, fold=_FOLDS[seed % ROUND])
            planner = self._planner(Disguised(self._model, disguise, brief.tools))
            return _checked(await planner.plan(replace(brief, task=disguise.text, start=None, on_text=None)), question)

        async def as_it_is() -> Planned:
            return _checked(
                await self._planner(self._model).plan(replace(brief, task=question.text, start=None, on_text=None)), question
            )

        async with asyncio.TaskGroup() as group:
            tries = [group.create_task(as_it_is())] if untried else []
            tries += [group.create_task(one(number * ROUND + place)) for place in range(ROUND)]
        return [task.result() for task in tries]

    def _planner(self, model: ChatModel) -> TextPlanner:
        return TextPlanner(model, format=LLMCompiler(), repairs=0, on_bad_plan="fail", max_tokens=_MAX_TOKENS)


class Disguised:
    """A `ChatModel` that is asked more simply, whose replies are plans for the question itself."""

    def __init__(self, model: ChatModel, disguise: Disguise, tools: Mapping[str, ToolSpec]) -> None:
        self._model = model
        self._disguise = disguise
        self._tools = tools

    @property
    def name(self) -> str:
        return self._model.name

    async def reply(self, request: ChatRequest) -> Reply:
        reply = await self._model.reply(request)
        return replace(reply, text=lifted(reply.text, self._disguise, self._tools))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """The model is its owner's."""


def lifted(text: str, disguise: Disguise, tools: Mapping[str, ToolSpec]) -> str:
    """A plan for what a disguise asks, as one for the question; as it is where it is no plan."""
    parsed = LLMCompiler().parse(text, tools)
    if parsed.plan.output is None or errors((*parsed.findings, *verify(parsed.plan, tools, needs_output=True))):
        return text
    return plan_text(disguise.lifted(tree_of(parsed.plan, str)))


def _texts(tried: list[Planned]) -> tuple[str, ...]:
    return tuple(text for planned in tried for text in planned.texts)


def _commonest(tried: list[Planned]) -> Planned | None:
    """The first of those that mean the same as most, of the plans that fit; what runs already is compared with it now that it is whole."""
    fitting = [(planned, tree_of(planned.plan)) for planned in tried if planned.plan is not None]
    if not fitting:
        return None
    trees = [tree for _, tree in fitting]
    best, _ = max(fitting, key=lambda one: trees.count(one[1]))
    return replace(best, texts=_texts(tried), note=f"its first version {tried[0].refusal}" if tried[0].plan is None else "")


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
