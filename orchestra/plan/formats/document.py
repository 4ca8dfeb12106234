"""Plans as one JSON document.

    exact   {"version": 1, "nodes": [{"kind": "tool", "id": "1", "tool": "search", "arguments": {…}}], "output": {"$ref": "1"}}
    short   {"nodes": [{"id": "1", "tool": "search", "args": {…}}, {"id": "2", "prompt": "Sum up $1"}], "output": "$2"}

The exact form is the plan's own JSON, as `dump` writes it; it is told by its `version`, and its strings are literal. Anything
else is the short form of `node_objects`, which models write. Prose and fences around the document are accepted.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from ...errors import PlanError
from ..finding import Finding
from ..plan import Plan, walk
from ..ref import Value, decode, encode
from .base import Parsed, Tools
from .dollar_refs import Dollars
from .drafts import Drafts
from .json_schemas import document_schema
from .node_objects import read_object, write_object
from .objects import ObjectScanner, read_json
from .reading import Unreadable, excerpt
from .round_trip import read_back


class Document:
    """The format. `known` are ids of nodes that exist before the document: of a plan that it continues."""

    name = "document"

    def __init__(self, known: Collection[str] = ()) -> None:
        self._known = frozenset(known)

    def parse(self, text: str, tools: Tools) -> Parsed:
        scanner = ObjectScanner()
        found: list[dict[str, Any]] = []
        broken: list[str] = []
        prose: list[str] = []
        for event in [*scanner.feed(text), *scanner.close()]:
            try:
                if event.what == "object":
                    found.append(read_json(event.text))
                elif event.what != "settled":
                    (broken if event.what == "broken" else prose).append(f"line {event.line}: {event.text}")
            except Unreadable as error:
                broken.append(f"line {event.line}: {error}")
        is_plan = len(found) == 1 and isinstance(found[0].get("nodes"), list)
        document = found[0] if is_plan else {"nodes": []}
        exact = "version" in document
        drafts = Drafts(self._known, literal=exact)
        for line in prose:
            drafts.ignore(line)
        for message in broken:
            drafts.report("syntax", message)
        if not is_plan:
            keys = f" with the keys {excerpt(', '.join(found[0]))}" if found else ""
            drafts.report("syntax", f'a plan is one JSON object {{"nodes": [{{…}}], "output": "$id"}}, got {len(found)}{keys}')
        return _exact(document, drafts) if exact else _short(document, tools, drafts)

    def dump(self, plan: Plan) -> str:
        """`plan` in the exact form, a node a line; parsing gives the same plan. Raises `PlanError` for what no JSON can hold."""
        nodes = ",\n".join(f"  {_json(write_object(node, encode))}" for node in plan.nodes)
        goal = f' "goal": {_json(plan.goal)},\n' if plan.goal else ""
        text = f'{{"version": {plan.version},\n{goal} "nodes": [\n{nodes}\n ],\n "output": {_json(encode(plan.output))}}}\n'
        return read_back(text, plan, self)

    def schema(self, tools: Tools) -> dict[str, Any]:
        """JSON Schema of the short form."""
        return document_schema(tools)


def _short(document: dict[str, Any], tools: Tools, drafts: Drafts) -> Parsed:
    for place, node in enumerate(document["nodes"]):
        try:
            if not isinstance(node, dict):
                raise Unreadable(f"expected an object, got {excerpt(repr(node))}")
            drafts.add(read_object(node, tools))
        except Unreadable as error:
            drafts.report(error.code, f"`nodes[{place}]`: {error}", _id(node))
    drafts.complete()
    return drafts.parsed(drafts.output(document.get("output")), **_rest(document))


def _exact(document: dict[str, Any], drafts: Drafts) -> Parsed:
    for place, node in enumerate(document["nodes"]):
        if isinstance(node, dict):
            drafts.add(node)
        else:
            drafts.report("syntax", f"`nodes[{place}]`: expected an object, got {excerpt(repr(node))}")
    drafts.complete()
    try:
        output = decode(document.get("output"))
    except PlanError as error:
        drafts.report("syntax", f"the output: {error}")
        output = None
    parsed = drafts.parsed(output, **_rest(document))
    return Parsed(parsed.plan, (*parsed.findings, *_literal_dollars(parsed.plan)))


def _rest(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in ("nodes", "output")}


def _id(node: Any) -> str | None:
    return node["id"] if isinstance(node, dict) and isinstance(node.get("id"), str) else None


def _literal_dollars(plan: Plan) -> Iterator[Finding]:
    """Warns of text that would be a reference in every other format: a model that copies a document may have meant one."""
    dollars = Dollars(plan.by_id)
    for node in walk(plan.nodes):
        for text in (text for value in node.values for text in _strings(value) if "$" in text):
            try:
                literal = isinstance(dollars.read(text), str)
            except Unreadable:
                literal = False
            if not literal:
                message = f'{excerpt(text)} is kept as text: a reference in this form is {{"$ref": "id"}}'
                yield Finding("kept-as-text", message, node.id, "warning")


def _strings(value: Value) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _strings(item)
        case dict():
            for item in value.values():
                yield from _strings(item)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
