"""Task graphs with alternatives: rules that turn items into one item, what is there at the start, and the item that is wanted.

A rule needs all its sources (AND); several rules may make the same item (OR). Sources are not used up, and any number of rules run at
once. This is the `question` of Plan-over-Graph (arXiv 2502.14563), whose plans are lists of subtasks; `validate` judges such a plan.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, PlainValidator, ValidationError, model_validator

from ..errors import ProblemError

Number = int | float
MAX_NUMBER = 10**15
"""Beyond it a float no longer holds every whole number, and sums could overflow."""

RuleId = int | str


def _only(target: object) -> object:
    """The target of a list that holds one; what is no such list is left to the type check."""
    if isinstance(target, list | tuple):
        if len(target) != 1:
            raise ValueError(
                f"one rule makes one item, got {len(target)}: {list(target)!r}; make one item of them, and from it each of these"
                " by a rule with time 0 and cost 0"
            )
        return target[0]
    return target


def _quantity(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, Number) or not 0 <= value <= MAX_NUMBER:  # nor is NaN between them
        raise ValueError(f"must be a number from 0 to {MAX_NUMBER:.0e}, got {value!r}")
    return value


def _identifier(value: object) -> object:
    if type(value) not in (int, str):  # a bool is neither
        raise ValueError(f"must be a whole number or a text, got {value!r}")
    return value


Identifier = Annotated[RuleId, PlainValidator(_identifier)]
Quantity = Annotated[Number, PlainValidator(_quantity)]
Target = Annotated[str, BeforeValidator(_only), PlainSerializer(lambda item: [item])]
"""One item, written as a list of one."""


class Rule(BaseModel):
    """One way to make an item."""

    model_config = ConfigDict(frozen=True)

    id: Identifier
    source: tuple[str, ...]
    """Every item it needs; none means that it can run at once."""
    target: Target
    time: Quantity
    cost: Quantity


class TaskGraph(BaseModel):
    """Rules, the items there at time 0, and the item that is wanted."""

    model_config = ConfigDict(frozen=True)

    rules: tuple[Rule, ...]
    initial_source: tuple[str, ...]
    target: str

    @model_validator(mode="after")
    def _ids_are_unique(self) -> TaskGraph:
        if repeated := [id for id, count in Counter(rule.id for rule in self.rules).items() if count > 1]:
            raise ValueError(f"several rules have the id {', '.join(map(repr, repeated))}; give each its own")
        return self


class Subtask(BaseModel):
    """One step of a plan as Plan-over-Graph writes it."""

    model_config = ConfigDict(frozen=True)

    name: str
    source: tuple[str, ...]
    target: Target
    dependencies: tuple[str, ...]
    """Names of the subtasks that must be done before."""
    rule: Identifier | None = None
    """Says which rule is meant when several have these sources and this target; None means the first of them."""


def load_task_graph(data: Mapping[str, Any] | str | bytes) -> TaskGraph:
    """A task graph from parsed JSON or from JSON text. Raises `ProblemError` that lists every mistake with its rule and field."""
    if isinstance(data, str | bytes):
        try:
            data = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ProblemError(f"the task graph is no JSON: {error}") from error
    try:
        return TaskGraph.model_validate(data)
    except ValidationError as error:
        raise ProblemError("this is no task graph: " + _mistakes(error, data)) from error


def validate(graph: TaskGraph, steps: Iterable[Subtask | Mapping[str, Any]]) -> tuple[Number, Number]:
    """Time at which a plan has made the target, and its total cost; raises `ProblemError` for a plan that fails.

    Judged as Plan-over-Graph's environment does: every step is a rule, steps run in the order of their dependencies (those that are ready
    together in the order written), and each finds its sources made. A step starts when its sources are there, so a dependency orders but
    does not delay; of several ways to one item the earliest counts, and all are paid. Stricter in one thing: names that are repeated,
    unknown or wait for each other are refused, where the environment leaves such steps out.
    """
    available = {item: Fraction(0) for item in graph.initial_source}
    cost = Fraction(0)
    for step in _in_order([_subtask(step) for step in steps]):
        rule = _rule_of(step, graph)
        if missing := [item for item in rule.source if item not in available]:
            raise ProblemError(f"{step.name!r} needs {missing[0]!r}, which nothing has made before it")
        finish = max((available[item] for item in rule.source), default=Fraction(0)) + exact(rule.time)
        available[rule.target] = min(finish, available.get(rule.target, finish))
        cost += exact(rule.cost)
    if graph.target not in available:
        raise ProblemError(f"the plan does not make its target {graph.target!r}")
    return number(available[graph.target]), number(cost)


def exact(value: Number) -> Fraction:
    """The decimal number as written: 0.1 is a tenth, so 0.1 + 0.2 is 0.3."""
    return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)


def number(value: Fraction) -> Number:
    """Back from `exact`: an int where it is whole."""
    return value.numerator if value.denominator == 1 else float(value)


def _subtask(data: Subtask | Mapping[str, Any]) -> Subtask:
    if isinstance(data, Subtask):
        return data
    try:
        return Subtask.model_validate(data)
    except ValidationError as error:
        raise ProblemError(f"{data!r} is no subtask: " + _mistakes(error, data)) from error


def _rule_of(step: Subtask, graph: TaskGraph) -> Rule:
    for rule in graph.rules:
        if rule.target == step.target and set(rule.source) == set(step.source) and step.rule in (None, rule.id):
            return rule
    meant = "no rule" if step.rule is None else f"rule {step.rule!r} is not the one that"
    raise ProblemError(f"{step.name!r}: {meant} makes {step.target!r} from {sorted(set(step.source))}")


def _in_order(steps: list[Subtask]) -> list[Subtask]:
    """Steps with each after its dependencies, otherwise first come, first served."""
    names = Counter(step.name for step in steps)
    if repeated := [name for name, count in names.items() if count > 1]:
        raise ProblemError(f"several subtasks are called {repeated[0]!r}; give each its own name")
    waits = {step.name: set(step.dependencies) for step in steps}
    for name, needs in waits.items():
        if unknown := sorted(needs - names.keys()):
            raise ProblemError(f"{name!r} depends on {unknown[0]!r}, which is no subtask of this plan")
    ready = deque(step for step in steps if not waits[step.name])
    order: list[Subtask] = []
    while ready:
        done = ready.popleft()
        order.append(done)
        for step in steps:
            if done.name in waits[step.name]:
                waits[step.name].remove(done.name)
                if not waits[step.name]:
                    ready.append(step)
    if len(order) < len(steps):
        raise ProblemError(f"these subtasks wait for each other: {', '.join(repr(name) for name, needs in waits.items() if needs)}")
    return order


def _mistakes(error: ValidationError, data: object) -> str:
    """Every mistake as `rule 7 (rules[3]): time: what is wrong, got -2`."""
    lines = []
    for mistake in error.errors(include_url=False):
        place = list(mistake["loc"])
        where: list[str] = []
        if len(place) > 1 and place[0] == "rules" and isinstance(place[1], int):
            where.append(_called(data, place[1]))
            place = place[2:]
        where += map(str, place)
        wrong = "must be an object" if mistake["type"] == "model_type" else mistake["msg"].removeprefix("Value error, ")
        got = "" if mistake["type"] in ("missing", "value_error") else f", got {mistake['input']!r}"
        lines.append(": ".join([*where, wrong.replace("tuple", "list") + got]))
    return "; ".join(lines)


def _called(data: object, index: int) -> str:
    rules = data.get("rules") if isinstance(data, Mapping) else None
    rule = rules[index] if isinstance(rules, list | tuple) else None
    known = isinstance(rule, Mapping) and "id" in rule
    return f"rule {rule['id']!r} (rules[{index}])" if known and isinstance(rule, Mapping) else f"rules[{index}]"
