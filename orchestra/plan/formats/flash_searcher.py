"""Goals and paths of Flash-Searcher (arXiv 2509.25301): goals are independent, the paths of a goal are alternatives, tried in order.

    ## Goal 1: Find the year
    - Path 1.1: Look it up in an encyclopedia
      - Success: a year with a source
    - Path 1.2: Search the news
      - Success: two reports agree

A path becomes a model call, `goal1_path1`; goals run at the same time. "The next path only if this one has failed" is a question about
meaning, which no edge policy can ask, so the model is asked: path k+1 waits for path k by a `continue` edge (a call that fails does not stop
the goal), its prompt holds path k's answer and criterion and says to give that answer again, unchanged, if the criterion is met. So the last
path's output is the goal's, each path costs a call even when an earlier one was enough, and a goal is lost if its last call fails.
The plan returns a list with one entry a goal, in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..finding import Finding
from ..node import Edge, ModelCall
from ..plan import Plan
from ..ref import Ref, Text
from .base import Parsed, Tools
from .reading import Unreadable, clean, excerpt

MAX_GOALS = 5
MAX_PATHS = 5
"""Of one goal. Both as Flash-Searcher's own prompt has them."""
_GOAL = re.compile(r"#{1,6}[ \t]*Goal[ \t]+([1-9][0-9]{0,3})[ \t]*:[ \t]*(\S.*)", re.IGNORECASE)
_PATH = re.compile(r"[-*][ \t]+Path[ \t]+([1-9][0-9]{0,3})\.([1-9][0-9]{0,3})[ \t]*:[ \t]*(\S.*)", re.IGNORECASE)
_SUCCESS = re.compile(r"[-*][ \t]+Success[ \t]*:[ \t]*(\S.*)", re.IGNORECASE)
_MARKED = re.compile(r"[-*+#]|[0-9]{1,4}[.)]")
_LIKE_A_PART = re.compile(r"\b(?:goal|path)[ \t]*[0-9]|\bsuccess[ \t]*:|^[-*#][-*# \t]*(?:goal|path|success)\b", re.IGNORECASE)
_SWALLOWED = re.compile(r"[-*#][ \t]*(?:goal[ \t]*[0-9]|path[ \t]*[0-9]|success[ \t]*:)", re.IGNORECASE)
"""The beginning of another line's part: text that holds one has lost a line break."""
_EXAMPLE = '"## Goal 1: name", "- Path 1.1: approach", "  - Success: criterion", a line each'


@dataclass(slots=True)
class _Path:
    approach: str
    success: str = ""


@dataclass(slots=True)
class _Goal:
    name: str
    paths: list[_Path] = field(default_factory=list)


class FlashSearcher:
    """The format. With a `task`, every prompt begins with it."""

    name = "flash-searcher"

    def __init__(self, task: str = "") -> None:
        self._task = task

    def parse(self, text: str, tools: Tools) -> Parsed:
        reader = _Reader()
        for line in clean(text).split("\n"):
            reader.take(line.strip())
        reader.end()
        nodes: list[ModelCall] = []
        last: list[Ref] = []
        for number, goal in enumerate(reader.goals, 1):
            nodes += self._nodes(number, goal)
            if goal.paths:
                last.append(Ref(nodes[-1].id))
        return Parsed(Plan(nodes=tuple(nodes), output=last or None), tuple(reader.findings))

    def _nodes(self, number: int, goal: _Goal) -> Iterator[ModelCall]:
        earlier: tuple[str, _Path] | None = None
        for place, path in enumerate(goal.paths, 1):
            id = f"goal{number}_path{place}"
            head = f"{self._task}\n\nGoal: {goal.name}\n" if self._task else f"Goal: {goal.name}\n"
            tail = f"Approach: {path.approach}\nThe goal is reached when: {path.success}"
            if earlier is None:
                yield ModelCall(id=id, prompt=head + tail)
            else:
                before, tried = earlier
                head += f"An earlier approach ({tried.approach}) gave this answer (null if it failed):\n"
                tail = f"\nIf that answer meets the criterion “{tried.success}”, give it again, unchanged. Otherwise go on.\n{tail}"
                yield ModelCall(id=id, prompt=Text((head, Ref(before), tail)), edges={before: Edge(on_failure="continue")})
            earlier = id, path


class _Reader:
    """Takes one line after the other."""

    def __init__(self) -> None:
        self.goals: list[_Goal] = []
        self.findings: list[Finding] = []
        self._inside = False
        """Whether the lines belong to the last goal: another heading ends it."""

    def take(self, line: str) -> None:
        try:
            if _SWALLOWED.search(line, 1) and not line.startswith("##"):
                raise Unreadable(f"two things stand in one line: {excerpt(line)}; write {_EXAMPLE}")
            if found := _GOAL.fullmatch(line):
                self._goal(int(found[1]), found[2])
            elif found := _PATH.fullmatch(line):
                self._path(int(found[1]), int(found[2]), found[3])
            elif found := _SUCCESS.fullmatch(line):
                self._success(found[1])
            elif line:
                self._other(line)
        except Unreadable as error:
            self.findings.append(Finding(error.code, str(error)))

    def end(self) -> None:
        self._close_path()
        self._close_goal()
        if not self.goals:
            self.findings.append(Finding("empty", f"there are no goals: write {_EXAMPLE}"))

    def _goal(self, number: int, name: str) -> None:
        self._close_path()
        self._close_goal()
        self._inside = False  # of a goal that is refused, the paths are, too
        if number != (right := len(self.goals) + 1):
            raise Unreadable(f"goal {number} comes where goal {right} should: number them 1, 2, 3, …", "id-gap")
        if number > MAX_GOALS:
            raise Unreadable(f"there are more than {MAX_GOALS} goals: leave out the least important", "too-wide")
        self.goals.append(_Goal(name))
        self._inside = True

    def _path(self, goal: int, number: int, approach: str) -> None:
        self._close_path()
        if not self._inside or goal != len(self.goals):
            raise Unreadable(f'path {goal}.{number} does not stand under its goal: write "## Goal {goal}: name" above it')
        paths = self.goals[-1].paths
        if number != (right := len(paths) + 1):
            raise Unreadable(
                f"path {goal}.{number} comes where path {goal}.{right} should: number them {goal}.1, {goal}.2, …", "id-gap"
            )
        if number > MAX_PATHS:
            raise Unreadable(f"goal {goal} has more than {MAX_PATHS} paths: leave out the least promising", "too-many")
        paths.append(_Path(approach))

    def _success(self, criterion: str) -> None:
        if not self._inside or not self.goals[-1].paths:
            raise Unreadable(f"this criterion belongs to no path: {excerpt(criterion)}")
        if self.goals[-1].paths[-1].success:
            raise Unreadable(f"the path has two criteria: put {excerpt(criterion)} into the first one's line")
        self.goals[-1].paths[-1].success = criterion

    def _other(self, line: str) -> None:
        marked = _MARKED.match(line)
        if _LIKE_A_PART.search(line) or (marked and self._inside and line[0] != "#"):
            raise Unreadable(f"this line cannot be read: {excerpt(line)}; write {_EXAMPLE}")
        if marked and line[0] == "#":
            self._close_path()
            self._inside = False
        if not line.startswith("```"):
            self.findings.append(Finding("syntax", f"this line is left out: {excerpt(line)}", severity="warning"))

    def _close_path(self) -> None:
        if self._inside and self.goals[-1].paths and not self.goals[-1].paths[-1].success:
            where = f"{len(self.goals)}.{len(self.goals[-1].paths)}"
            message = f'path {where} does not say when it has succeeded: write "- Success: criterion" below it'
            self.findings.append(Finding("missing-argument", message))

    def _close_goal(self) -> None:
        if self.goals and not self.goals[-1].paths:
            number = len(self.goals)
            self.findings.append(Finding("empty", f"goal {number} has no paths: write one, such as Path {number}.1: approach"))
