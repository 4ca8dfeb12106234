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

from ..finding import Finding
from ..node import Aggregate, ModelCall, Node
from ..plan import Plan
from ..ref import Ref, Text
from .base import Parsed, Tools

_POINT = re.compile(r"[ \t]*(\d{1,4})[.)][ \t]+(\S.*)")
_FIELD = re.compile(r"[ \t]*(needs|difficulty)[ \t]*:[ \t]*(.*?)[ \t]*", re.IGNORECASE)
OUTPUT = "answer"
"""Id of the node that puts the points together."""


class Skeleton:
    """The format, for one task: every point's prompt repeats it."""

    name = "skeleton"

    def __init__(self, task: str) -> None:
        self._task = task

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
        *lines, rest = text.split("\n")
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
                self._findings.append(
                    Finding("syntax", f"this line is no point and is left out: {line.strip()[:80]!r}", severity="warning")
                )
            return
        id, rest = found[1], found[2]
        point, *fields = rest.split("|")
        needs: list[str] = []
        difficulty: int | None = None
        for field in fields:
            match = _FIELD.fullmatch(field)
            if match is None:
                self._findings.append(Finding("syntax", f"{field.strip()[:60]!r} is neither `needs:` nor `difficulty:`", id))
            elif match[1].lower() == "needs":
                needs = [part for part in re.split(r"[,\s]+", match[2]) if part and part.lower() not in ("none", "-")]
            elif match[2].isdecimal() and 1 <= int(match[2]) <= 5:
                difficulty = int(match[2])
            else:
                self._findings.append(
                    Finding("wrong-type", f"difficulty is a number from 1, easy, to 5, got {match[2][:20]!r}", id)
                )
        if wrong := [need for need in needs if need not in self._points]:
            self._findings.append(
                Finding("forward-reference", f"point {id} needs {', '.join(wrong)[:60]}, which does not come before it", id)
            )
            return
        if id in self._points:
            self._findings.append(Finding("duplicate-id", f"there are two points {id}: number them 1, 2, 3, …", id))
            return
        self._points[id] = point.strip()
        self._nodes.append(ModelCall(id=id, prompt=self._prompt(point.strip(), needs), difficulty=difficulty))

    def _prompt(self, point: str, needs: Sequence[str]) -> Text:
        parts: list[str | Ref] = [f"{self._task}\n\n"]
        for need in needs:
            parts += [f"What was written about “{self._points[need]}”:\n", Ref(need), "\n\n"]
        parts.append(f"Write only the part of the answer about this point, in a few sentences: {point}")
        return Text(tuple(parts))
