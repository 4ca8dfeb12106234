"""Schemas of ParallelPrompt (arXiv 2506.18728): one prompt that asks the same thing of many items, or the same thing many times.

    {"serial": "Translate these words", "template": "Translate {data}.", "context": "Into German.", "data": ["cat", "dog"]}
    {"serial": "Write three poems", "template": "Write a poem.", "context": null, "n": 3}

With `data` each item becomes a model call, whose prompt is the context and the template with the item in the place of `{data}`; the output is
the list of answers in the order of the items. With `n` it is one `Sample`. Items, templates and context are text and stay it: `$1` or
braces in them refer to nothing. `serial` is kept as the plan's goal. Prose and fences around the object are accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..finding import Finding
from ..node import Aggregate, ModelCall, Node, Sample
from ..plan import Plan
from ..ref import Ref, as_text
from .base import Parsed, Tools
from .objects import ObjectScanner, read_json
from .reading import Unreadable, excerpt

OUTPUT = "answers"
"""Id of the node whose output is the list of answers."""
_SLOT = "{data}"
_KNOWN = frozenset({"serial", "template", "context", "data", "n", "category", "validation_tier"})
_MOST_SAMPLES = 1024  # as `Sample.n`
_MOST_SLOTS = 10  # more are a loop, and every one holds the whole item again


class ParallelPrompt:
    """The format. A schema with more than `width` items or repetitions is refused."""

    name = "parallel-prompt"

    def __init__(self, width: int = 200) -> None:
        self._width = min(width, _MOST_SAMPLES)

    def parse(self, text: str, tools: Tools) -> Parsed:
        findings: list[Finding] = []
        try:
            schema = _the_object(text, findings)
            nodes = self._nodes(schema)
            goal = _text(schema, "serial")
        except Unreadable as error:
            return Parsed(Plan(nodes=()), (*findings, Finding(error.code, str(error))))
        if extra := sorted(schema.keys() - _KNOWN):
            findings.append(Finding("unknown-argument", f"{excerpt(extra[0])} is no field of a schema", severity="warning"))
        return Parsed(Plan(nodes=nodes, output=Ref(OUTPUT), goal=goal), tuple(findings))

    def _nodes(self, schema: Mapping[str, Any]) -> tuple[Node, ...]:
        template, context = _text(schema, "template"), _text(schema, "context")
        _text(schema, "category")
        if not template.strip():
            raise Unreadable(
                "`template` is missing: write the prompt of one item, with {data} where the item goes", "missing-argument"
            )
        prompt = f"{context}\n\n{template}" if context else template
        data, n = schema.get("data"), schema.get("n")
        if data is not None and n is not None:
            raise Unreadable("there are `data` and `n`: write `data` for different items, or `n` to repeat one prompt, not both")
        if data is not None:
            return self._items(data, template, context)
        if n is None:
            raise Unreadable("there is neither `data` nor `n`: write the list of items, or how often to repeat", "missing-argument")
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise Unreadable(f"`n` is a whole number from 1, got {excerpt(repr(n))}", "wrong-type")
        self._check_width(n, "`n` is")
        if _SLOT in template:
            raise Unreadable("the template holds {data}, but there is no `data`: write the items, or a template without {data}")
        return (Sample(id=OUTPUT, prompt=prompt, n=n),)

    def _items(self, data: Any, template: str, context: str) -> tuple[Node, ...]:
        if not isinstance(data, list):
            raise Unreadable(f"`data` is a list of items, got {excerpt(repr(data))}", "wrong-type")
        if not data:
            raise Unreadable("`data` is an empty list: write the items", "empty")
        self._check_width(len(data), "the number of items is")
        if _SLOT not in template:
            raise Unreadable("the template does not say where an item goes: write {data} in it", "missing-argument")
        if (slots := template.count(_SLOT)) > _MOST_SLOTS:
            raise Unreadable(f"the template holds {{data}} {slots:,} times: once is enough, {_MOST_SLOTS} is the most", "too-many")
        before = f"{context}\n\n" if context else ""
        calls = [ModelCall(id=str(k), prompt=before + template.replace(_SLOT, as_text(item))) for k, item in enumerate(data, 1)]
        return (*calls, Aggregate(id=OUTPUT, inputs=[Ref(call.id) for call in calls]))

    def _check_width(self, width: int, subject: str) -> None:
        if width > self._width:
            raise Unreadable(f"{subject} {width:,}, at most {self._width:,} are allowed: split the work", "too-wide")


def _the_object(text: str, findings: list[Finding]) -> dict[str, Any]:
    scanner = ObjectScanner()
    found: list[str] = []
    for event in [*scanner.feed(text), *scanner.close()]:
        if event.what == "object":
            found.append(event.text)
        elif event.what == "broken":
            raise Unreadable(f"line {event.line}: {event.text}")
        elif event.what == "prose" and not event.text.startswith("```") and not any(one.severity == "warning" for one in findings):
            findings.append(Finding("syntax", f"this line is not part of the schema: {excerpt(event.text)}", severity="warning"))
    if len(found) != 1:
        raise Unreadable(f'a schema is one JSON object {{"serial": …, "template": …, "data": […]}}, got {len(found)}')
    return read_json(found[0])


def _text(schema: Mapping[str, Any], field: str) -> str:
    """Empty for null and none."""
    text = schema.get(field)
    if text is not None and not isinstance(text, str):
        raise Unreadable(f"`{field}` is text, got {excerpt(repr(text))}", "wrong-type")
    return text or ""
