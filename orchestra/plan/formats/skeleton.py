"""Skeletons: the points of an answer, written first and then expanded at the same time.

    1. What a mutex is | difficulty: 1
    2. What a semaphore is | difficulty: 1
    3. When to use which | needs: 1, 2 | difficulty: 3

Without `needs` this is Skeleton-of-Thought (arXiv 2307.15337); with `needs` and `difficulty` it is Adaptive Skeleton Graph Decoding (arXiv
2402.12280): a point that needs others sees their text, and the model ladder chooses who writes it. Each point becomes a model call, and the
output is their texts in order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..finding import Code, Finding
from ..node import Aggregate, ModelCall, Node
from ..plan import Plan
from ..ref import Ref, Text
from .base import Parsed, Tools
from .reading import clean, excerpt

_POINT = re.compile(r"[ \t]*([0-9]{1,4})[.)][ \t]+(\S.*)")
_FIELD = re.compile(r"(needs|difficulty)[ \t]*:(.*)", re.IGNORECASE)
_NOT_A_FIELD = re.compile(r"[a-z]{4,12}[ \t]*:", re.IGNORECASE)
"""What looks like a field and is none: probably a slip."""
OUTPUT = "answer"
"""Id of the node that puts the points together."""


class Skeleton:
    """The format, for one task: every point's prompt repeats it."""

    name = "skeleton"

    def __init__(self, task: str) -> None:
        self._task = clean(task)

    def stream(self, tools: Tools) -> SkeletonStream:
        return SkeletonStream(self._task)

    def parse(self, text: str, tools: Tools) -> Parsed:
        stream = self.stream(tools)
        stream.feed(text)
        return stream.close()


class SkeletonStream:
    """One skeleton being written; a point is complete at the end of its line."""

    finished = False  # only the end of the text says so

    def __init__(self, task: str) -> None:
        self._task = task
        self._line: list[str] = []
        self._nodes: list[ModelCall] = []
        self._points: dict[str, str] = {}
        self._findings: list[Finding] = []
        self._parsed: Parsed | None = None

    def feed(self, text: str) -> Sequence[Node]:
        before = len(self._nodes)
        *lines, rest = clean(text).split("\n")
        for line in lines:
            self._take("".join(self._line) + line)
            self._line.clear()
        if rest:
            self._line.append(rest)
        return self._nodes[before:]

    def close(self) -> Parsed:
        if self._parsed is None:
            self._take("".join(self._line))
            if not self._nodes:
                self._findings.append(Finding("empty", 'there are no points: write one a line, such as "1. What it is"'))
            points = [Ref(node.id) for node in self._nodes]
            join = Aggregate(id=OUTPUT, inputs=points, how="concat", separator="\n\n")
            plan = Plan(nodes=(*self._nodes, join), output=Ref(OUTPUT)) if self._nodes else Plan(nodes=())
            self._parsed = Parsed(plan, tuple(self._findings))
        return self._parsed

    def _take(self, line: str) -> None:
        if not (found := _POINT.fullmatch(line.rstrip())):
            if line.strip() and not line.strip().startswith("```"):
                self._warn("syntax", f"this line is no point and is left out: {excerpt(line, 80)}", None)
            return
        id = found[1]
        point, fields = _apart(found[2])
        needs: list[str] = []
        difficulty: int | None = None
        for name, value in fields:
            if name == "needs":
                needs = [part for part in re.split(r"[,\s]+", value) if part and part.lower() not in ("none", "-")]
            elif value.isdecimal() and 1 <= int(value[:2]) <= 5:
                difficulty = int(value[:2])
            else:
                self._warn(
                    "wrong-type", f"difficulty is a number from 1, easy, to 5, got {excerpt(value, 20)}: taken for unknown", id
                )
        if "|" in point and _NOT_A_FIELD.match(point.rpartition("|")[2].strip()):
            self._warn(
                "kept-as-text", f"{excerpt(point.rpartition('|')[2])} is neither `needs:` nor `difficulty:`, kept as text", id
            )
        if wrong := [need for need in needs if need not in self._points]:
            self._findings.append(
                Finding("forward-reference", f"point {id} needs {', '.join(wrong)[:60]}, which does not come before it", id)
            )
            return
        if id in self._points:
            self._findings.append(Finding("duplicate-id", f"there are two points {id}: number them 1, 2, 3, …", id))
            return
        self._points[id] = point
        self._nodes.append(ModelCall(id=id, prompt=self._prompt(point, list(dict.fromkeys(needs))), difficulty=difficulty))

    def _warn(self, code: Code, message: str, id: str | None) -> None:
        self._findings.append(Finding(code, message, id, severity="warning"))

    def _prompt(self, point: str, needs: Sequence[str]) -> Text:
        parts: list[str | Ref] = [f"{self._task}\n\n"]
        for need in needs:
            parts += [f"What was written about “{self._points[need]}”:\n", Ref(need), "\n\n"]
        parts.append(f"Write only the part of the answer about this point, in a few sentences: {point}")
        return Text(tuple(parts))


def _apart(text: str) -> tuple[str, list[tuple[str, str]]]:
    """A point and the fields behind it. What is no field belongs to the point, which may hold a `|` of its own."""
    *before, last = text.split("|")
    fields: list[tuple[str, str]] = []
    while before and (match := _FIELD.fullmatch(last.strip())):
        fields.append((match[1].lower(), match[2].strip()))
        last = before.pop()
    return "|".join([*before, last]).strip(), fields
