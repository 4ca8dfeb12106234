"""How the words of a question stand to the calls of a plan: phrases are nested as calls are, and each is said as often as it is asked for.

English asks for "the height of the mother of Ada" in one piece. So what one argument of a call is about stands together in the question, lists
are in the question's order, and what is applied last stands farthest from the name. None of this needs to know what a question means,
and all of it holds for questions of any size.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from ...plan.node import ToolCall
from ...plan.plan import Plan
from ...plan.ref import Ref
from .table import key_of

Place: TypeAlias = "tuple[int, int] | None"
"""First and last character of what is said about something; None where nothing is known to be."""
ANSWERS = "answers"
"""The outermost tool of a tree where a plan's output is a list."""
_BEST = ("argmax", "argmin")
_ASKED = {"lookup": "attribute", "related": "relation"}


@dataclass(frozen=True, slots=True)
class Tree:
    """A plan's output with everything in its place: what two plans that mean the same have in common."""

    tool: str
    arguments: tuple[Tree | tuple[Any, ...] | str | float, ...]


def tree_of(plan: Plan, spelling: Callable[[str], str] = key_of) -> Tree:
    """Names are compared by their keys; `str` keeps them as they are written. Raises `KeyError` for a plan whose refs lead nowhere."""
    done: dict[str, Tree] = {}

    def value_of(value: Any) -> Any:
        match value:
            case Ref(node, _):
                return done[node]
            case list():
                return tuple(map(value_of, value))
            case str():
                return spelling(value)
        return value

    for node in plan.nodes:
        assert isinstance(node, ToolCall), "plans about facts hold nothing else"
        done[node.id] = Tree(node.tool, tuple(value_of(node.arguments[name]) for name in node.arguments))
    output = value_of(plan.output)
    return output if isinstance(output, Tree) else Tree(ANSWERS, output if isinstance(output, tuple) else (output,))


def plan_text(tree: Tree) -> str:
    """The plan of a tree in LLMCompiler's text, no call twice."""
    numbers: dict[Tree, int] = {}
    lines: list[str] = []

    def written(value: Any) -> str:
        match value:
            case Tree(tool, arguments):
                if value not in numbers:
                    listed = ", ".join([written(argument) for argument in arguments])
                    numbers[value] = len(numbers) + 1
                    lines.append(f"{numbers[value]}. {tool}({listed})")
                return f"${numbers[value]}"
            case tuple():
                return f"[{', '.join([written(item) for item in value])}]"
        return json.dumps(value.replace("$", "$$") if isinstance(value, str) else value, ensure_ascii=False)

    output = written(tree.arguments if tree.tool == ANSWERS else tree)
    return "\n".join([*lines, f"{len(numbers) + 1}. join({output})"])


def said(tree: Tree) -> Counter[str | float]:
    """How often each name, relation and number has to be said to ask for a tree. Those compared by a number are said once, with it."""
    counts: Counter[str | float] = Counter()

    def visit(value: Any) -> None:
        match value:
            case Tree("lookup", (entity, *_)):
                visit(entity)
            case Tree("related", (entity, str(relation))):
                counts[relation] += 1
                visit(entity)
            case Tree(tool, (names, *_)) if tool in _BEST:
                visit(names)
            case Tree("convert", (number, *_)):
                visit(number)
            case Tree(_, arguments):
                visit(arguments)
            case tuple():
                for item in value:
                    visit(item)
            case str() | int() | float():
                counts[value] += 1

    visit(tree)
    return counts


def tangled(tree: Tree, places: Mapping[str, Sequence[int]]) -> str | None:
    """What is taken out of its place in the question; None when nothing is.

    `places` are where each name, attribute and relation is said, by its key. What is said twice may belong to either place and is passed over.
    """
    often = said(tree)

    def place(text: Any) -> Place:
        found = places.get(text, ()) if isinstance(text, str) else ()
        return (found[0], found[0]) if len(found) == 1 and often[text] <= 1 else None

    def hull(parts: Sequence[Place]) -> Place:
        known = [part for part in parts if part is not None]
        return (min(low for low, _ in known), max(high for _, high in known)) if known else None

    def visit(value: Any) -> Iterator[str | Place]:
        """Complaints, and at last the place."""
        match value:
            case Tree(("lookup" | "related") as tool, (entity, str(asked))):
                *wrong, inner = visit(entity)
                yield from wrong
                where = place(asked)
                if where and isinstance(inner, tuple) and inner[0] < where[0] < inner[1]:
                    yield f"it asks for the {asked} of what stands on both sides of it"
                yield hull([inner if isinstance(inner, tuple) else None, where if tool == "related" else None])
            case Tree(tool, (tuple(names), *_)) if tool in _BEST:
                yield from parts(names, ordered=True)
            case Tree("convert", (number, *_)):
                yield from visit(number)
            case Tree(tool, (tuple(items),)):
                yield from parts(items, ordered=True)
            case Tree(tool, (tuple(items), limit)):
                *wrong, first = parts(items, ordered=True)
                *more, second = visit(limit)
                yield from (*wrong, *more)
                yield from apart([first, second], ordered=False)
            case Tree(tool, arguments):
                yield from parts(arguments, ordered=tool == ANSWERS)
            case _:
                yield place(value)

    def parts(items: Sequence[Any], *, ordered: bool) -> Iterator[str | Place]:
        found: list[str | Place] = []
        for item in items:
            *wrong, where = visit(item)
            yield from wrong
            found.append(where)
        yield from apart(found, ordered=ordered)

    def apart(found: Sequence[str | Place], *, ordered: bool) -> Iterator[str | Place]:
        known = [where for where in found if isinstance(where, tuple)]
        if ordered and known != sorted(known):
            yield "it takes the items of a list in another order"
        low = sorted(known)
        if any(one[1] >= other[0] for one, other in pairwise(low)):
            yield "it mixes what stands apart"
        yield hull(known)

    *wrong, _ = visit(tree)
    return next((str(reason) for reason in wrong), None)


def converted(value: Tree) -> Tree:
    """What is converted at last."""
    match value:
        case Tree("convert", (Tree() as number, *_)):
            return converted(number)
    return value
