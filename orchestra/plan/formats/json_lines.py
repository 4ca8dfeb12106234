"""Plans as JSON objects, one a line: a node is known at the end of its line, while the rest of the plan is still being written.

    {"id": "1", "tool": "search", "args": {"query": "tallest mountain"}}
    {"id": "2", "tool": "search", "args": {"query": "height of $1"}, "after": [], "thought": "in metres"}
    {"output": "$2"}

Nodes are as in `node_objects` (short form), references as in `dollar_refs`. The last object is the output, `{"output": null}`
for the outputs of all nodes that nobody waits for; `{"join": …}` means the same. Lists of objects, pretty-printed objects,
fences and prose on lines of their own are accepted.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..node import Node
from ..plan import Plan
from . import dollar_refs
from .base import Parsed, Tools
from .drafts import Drafts
from .grammars import json_lines_grammar
from .json_schemas import line_schema
from .node_objects import SHORT, read_object, write_object
from .objects import Event, ObjectScanner, read_json
from .reading import Unreadable
from .round_trip import read_back

_OUTPUT = {"output", "join", "goal", "version", "thought"}


class JsonLines:
    """The format. `known` are ids of nodes that exist before the text: of a plan that it continues."""

    name = "json-lines"

    def __init__(self, known: Collection[str] = ()) -> None:
        self._known = frozenset(known)

    def stream(self, tools: Tools) -> JsonLinesStream:
        return JsonLinesStream(tools, self._known)

    def parse(self, text: str, tools: Tools) -> Parsed:
        stream = self.stream(tools)
        stream.feed(text)
        return stream.close()

    def dump(self, plan: Plan) -> str:
        """`plan` in this format; parsing gives the same plan. Raises `PlanError` for what cannot be read again."""
        lines = [write_object(node, dollar_refs.write, SHORT.values()) for node in plan.nodes]
        rest = plan.model_dump(mode="json", include={"goal", "version"}, exclude_defaults=True)
        lines.append({"output": dollar_refs.write(plan.output), **rest})
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        return read_back(text, plan, self)

    def schema(self, tools: Tools) -> dict[str, Any]:
        """JSON Schema of one line."""
        return line_schema(tools)

    def grammar(self, tools: Tools, *, max_nodes: int | None = None, max_text: int | None = None) -> str:
        """See `grammars`."""
        return json_lines_grammar(tools, max_nodes=max_nodes, max_text=max_text, known=self._known)


class JsonLinesStream:
    """One plan being written."""

    def __init__(self, tools: Tools, known: Collection[str] = ()) -> None:
        self._tools = tools
        self._drafts = Drafts(known)
        self._scanner = ObjectScanner()
        self._node: Mapping[str, Any] | None = None
        """The node whose line has not ended yet."""
        self._end: Mapping[str, Any] | None = None
        """The object with the output, once it has been written."""
        self._parsed: Parsed | None = None

    @property
    def finished(self) -> bool:
        return self._end is not None

    def feed(self, text: str) -> Sequence[Node]:
        assert self._parsed is None, "the stream is closed"
        for event in self._scanner.feed(text):
            self._take(event)
        return self._drafts.take()

    def close(self) -> Parsed:
        if self._parsed is None:
            for event in self._scanner.close():
                self._take(event)
            self._parsed = self._result()
        return self._parsed

    def _result(self) -> Parsed:
        if self._end is None:
            self._drafts.complete()
            self._drafts.report(
                "missing-join", 'the plan does not end: its last line must be {"output": "$id"} or {"output": null}'
            )
            return self._drafts.parsed(None)
        output = self._end["output"] if "output" in self._end else self._end.get("join")
        if "join" in self._end and (output is True or output in ([], {}, "")):
            output = None
        fields = {name: self._end[name] for name in ("goal", "version") if name in self._end}
        return self._drafts.parsed(self._drafts.output(output), **fields)

    def _take(self, event: Event) -> None:
        match event.what:
            case "object":
                self._read(event)
            case "settled":
                if self._node is not None:
                    self._drafts.add(self._node)
                self._node = None
            case "broken":
                self._node = None
                self._drafts.report("syntax", f"line {event.line}: {event.text}")
            case "prose":
                self._drafts.ignore(event.text)

    def _read(self, event: Event) -> None:
        try:
            found = read_json(event.text)
            if self._end is not None:
                raise Unreadable("nothing may follow the output: write that line last")
            if found.keys() & {"output", "join"} and found.keys() <= _OUTPUT:
                if len(found.keys() & {"output", "join"}) == 2:
                    raise Unreadable("`output` and `join` mean the same: write one of them")
                self._end = found
                self._drafts.complete()
            elif "nodes" in found and "id" not in found:
                raise Unreadable('a plan in this format is one object a line: {"id": "1", "tool": …}, not one object with `nodes`')
            else:
                self._node = read_object(found, self._tools)
        except Unreadable as error:
            self._drafts.report(error.code, f"line {event.line}: {error}")
