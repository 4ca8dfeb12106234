"""A plan while it is being written: its nodes are built as soon as no later text can change what they mean."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from ...errors import PlanError
from ..finding import Code, Finding
from ..node import ANY_NODE, Node
from ..plan import Plan
from ..ref import Value, encode
from .base import Parsed
from .dollar_refs import Dollars
from .node_objects import exact_form
from .pydantic_words import in_words
from .reading import Unreadable, excerpt

Fields = Mapping[str, Any]
"""A node's fields by their names in the schema, with strings still to be read."""
MAX_FINDINGS = 1_000
"""Of one text. More help nobody; a text of a megabyte may hold a hundred thousand mistakes."""
_NUMBER = re.compile(r"[0-9]{1,9}")


class Drafts:
    """Collects nodes in the order of the text.

    A node that mentions, inside text, an id that no node has yet waits for `complete`. After the first error no node is handed out
    any more: what follows may have been cut in the wrong places.
    """

    def __init__(self, known: Collection[str] = (), *, numbered: bool = False, literal: bool = False) -> None:
        """`known` are nodes that exist before this text (a plan that is continued); `numbered` as for `Dollars`. With `literal`
        nodes are in the exact form of the schema already."""
        self._ids = set(known)
        self._numbered = numbered
        self._literal = literal
        self._slots: list[Node | Fields] = []
        self._waiting: list[int] = []
        self._ready: list[Node] = []
        self._failed = False
        self._ignored: list[str] = []
        self._omitted = 0
        self.findings: list[Finding] = []

    def report(self, code: Code, message: str, node: str | None = None) -> None:
        """An error."""
        self._failed = True
        self._note(Finding(code, message, node))

    def warn(self, code: Code, message: str, node: str | None = None) -> None:
        self._note(Finding(code, message, node, "warning"))

    def _note(self, *findings: Finding) -> None:
        room = MAX_FINDINGS - len(self.findings)
        self.findings += findings[:room]
        self._omitted += len(findings[room:])

    def ignore(self, line: str) -> None:
        """A line around the plan that is not part of it; one warning tells of all."""
        self._ignored.append(line)

    def add(self, fields: Fields) -> None:
        """The next node of the text."""
        dollars = self._dollars(fields.get("id"))
        node = self._build(fields, dollars)
        if isinstance(node_id := fields.get("id"), str):
            self._ids.add(node_id)
        if node is None:
            return
        if dollars.undecided:
            self._waiting.append(len(self._slots))
            self._slots.append(fields)
            return
        self._note(*dollars.findings)
        self._slots.append(node)
        self._hand_out(node)

    def complete(self) -> None:
        """No more nodes will come: those that waited are built."""
        for slot in self._waiting:
            fields = self._slots[slot]
            assert isinstance(fields, Mapping)
            dollars = self._dollars(fields["id"])
            if node := self._build(fields, dollars):
                self._note(*dollars.findings)
                self._slots[slot] = node
                self._hand_out(node)
        self._waiting.clear()

    def output(self, value: Any) -> Value:
        """What the plan returns; null when it cannot be read. `complete` must have been called."""
        ids = [slot["id"] if isinstance(slot, Mapping) else slot.id for slot in self._slots]
        highest = max((int(node_id) for node_id in ids if _NUMBER.fullmatch(node_id)), default=0)
        dollars = Dollars(self._ids, below=highest + 1, numbered=self._numbered)
        try:
            output = dollars.read(value)
        except PlanError as error:
            self.report("syntax", f"the output: {error}")
            return None
        self._note(*dollars.findings)
        for item in output if isinstance(output, list) else [output]:
            if isinstance(item, (str, int)) and str(item) in self._ids:
                self.warn("kept-as-text", f"the output is {item!r} itself: write `${item}` for the output of node {item}")
        return output

    def take(self) -> list[Node]:
        """Nodes that can run, each once."""
        ready, self._ready = self._ready, []
        return ready

    def parsed(self, output: Value, **plan_fields: Any) -> Parsed:
        """The plan of all nodes that could be read. `complete` must have been called."""
        if self._ignored:
            lines = "a line that is" if len(self._ignored) == 1 else f"{len(self._ignored):,} lines that are"
            self.warn("syntax", f"{lines} not part of the plan: {excerpt(self._ignored[0])}")
        nodes = tuple(slot for slot in self._slots if not isinstance(slot, Mapping))
        if self._omitted:
            self.findings.append(Finding("syntax", f"{self._omitted:,} more findings are left out"))
        try:
            plan = Plan(nodes=nodes, output=encode(output), **plan_fields)
        except ValidationError as error:
            self.findings += in_words(error, None, "plan")
            plan = Plan(nodes=nodes, output=encode(output))
        return Parsed(plan, tuple(self.findings))

    def _dollars(self, node_id: Any) -> Dollars:
        if not isinstance(node_id, str):
            return Dollars(self._ids)
        number = int(node_id) if _NUMBER.fullmatch(node_id) else 0
        return Dollars(self._ids, node=node_id, below=number, numbered=self._numbered)

    def _hand_out(self, node: Node) -> None:
        if not self._failed:
            self._ready.append(node)

    def _build(self, fields: Fields, dollars: Dollars) -> Node | None:
        node_id = fields.get("id")
        name = node_id if isinstance(node_id, str) else None
        try:
            return ANY_NODE.validate_python(fields if self._literal else exact_form(fields, dollars))
        except ValidationError as error:  # a ValueError, like PlanError, but with a list of findings
            for finding in in_words(error, name, f"{fields.get('kind')} node"):
                self.report(finding.code, finding.message, finding.node)
        except Unreadable as error:
            self.report(error.code, str(error), name)
        except PlanError as error:
            self.report("syntax", str(error), name)
        return None
