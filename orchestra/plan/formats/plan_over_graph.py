"""Subtasks of Plan-over-Graph (arXiv 2502.14563): one JSON list, each subtask with what it uses, what it makes and whom it waits for.

    [{"name": "Subtask1", "source": ["N1"], "target": ["N2"], "dependencies": []},
     {"name": "Subtask2", "source": ["N2", "N3"], "target": ["N4"], "dependencies": ["Subtask1"]}]

Each subtask becomes a call of one tool that takes `source` (a list of names) and `target` (one name), the same tool that `SolvedGraph` plans
for. Prose and fences around the list are accepted; a second list, or objects outside the list, are not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..finding import Finding
from ..node import INPUT, ToolCall
from ..plan import Plan
from .base import Parsed, Tools
from .objects import read_json
from .reading import MAX_DEPTH, Unreadable, clean, excerpt

_BEGIN = re.compile(r"\[\s*\{")
# Possessive, and an open string matches up to the end of the text: each character is looked at once.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+(?P<closed>"?)|[\[{]|[\]}]', re.DOTALL)
_JSON = re.compile(r'[{}]|"\s*:')
_EXAMPLE = '[{"name": "Subtask1", "source": ["N1"], "target": ["N2"], "dependencies": []}]'
_FIELDS = ("name", "source", "target", "dependencies")


class PlanOverGraph:
    """The format; every subtask calls `tool`. Ids are the names with other characters than letters, digits, _ and - made into _."""

    name = "plan-over-graph"

    def __init__(self, tool: str = "transform") -> None:
        self._tool = tool

    def parse(self, text: str, tools: Tools) -> Parsed:
        findings: list[Finding] = []
        try:
            subtasks = read_json(f'{{"subtasks": {_the_list(clean(text))}}}')["subtasks"]
        except Unreadable as error:
            return Parsed(Plan(nodes=()), (Finding(error.code, str(error)),))
        ids = _ids(subtasks, findings)
        nodes: list[ToolCall] = []
        for place, subtask in enumerate(subtasks):
            try:
                nodes.append(self._node(subtask, ids, findings))
            except Unreadable as error:
                findings.append(Finding(error.code, f"`[{place}]`: {error}", ids.get(_name(subtask))))
        return Parsed(Plan(nodes=tuple(nodes)), tuple(findings))

    def _node(self, subtask: Any, ids: Mapping[str, str], findings: list[Finding]) -> ToolCall:
        name = _name(subtask)
        if name not in ids:
            raise Unreadable(f"a subtask is an object with a name, got {excerpt(repr(subtask))}: write {_EXAMPLE}")
        if missing := [field for field in _FIELDS if field not in subtask]:
            raise Unreadable(f"`{missing[0]}` is missing: write {_EXAMPLE}", "missing-argument")
        source, target, needed = (_names(subtask, field) for field in _FIELDS[1:])
        if len(target) != 1:
            raise Unreadable(f"`target` holds one name, got {len(target)}: write a subtask for each target", "wrong-type")
        if unknown := [need for need in needed if need not in ids]:
            raise Unreadable(f"it depends on {excerpt(unknown[0])}, and no subtask has this name", "dangling-reference")
        if extra := sorted(subtask.keys() - set(_FIELDS)):
            findings.append(Finding("unknown-argument", f"`{extra[0][:60]}` is no field of a subtask", ids[name], "warning"))
        return ToolCall(
            id=ids[name],
            tool=self._tool,
            arguments={"source": source, "target": target[0]},
            depends_on=tuple(dict.fromkeys(ids[need] for need in needed)),
        )


def _the_list(text: str) -> str:
    """The JSON list of objects in `text`. Raises `Unreadable` if there is none, if it breaks off, and if there is more beside it."""
    found = _BEGIN.search(text)
    if found is None:
        raise Unreadable(f"there are no subtasks: write {_EXAMPLE}", "empty")
    begin, end, depth = found.start(), len(text), 0
    for token in _TOKEN.finditer(text, begin):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
        elif not token["closed"]:
            break
        if depth > MAX_DEPTH:
            raise Unreadable(f"the list is nested deeper than {MAX_DEPTH} levels", "too-deep")
        if not depth:
            end = token.end()
            break
    if depth:
        raise Unreadable("the list of subtasks breaks off: write it whole, up to its last `]`")
    if _JSON.search(text, 0, begin) or _JSON.search(text, end):
        raise Unreadable("there is something like a subtask outside the list: write all subtasks in one list, and nothing else")
    return text[begin:end]


def _name(subtask: Any) -> str:
    """Empty for none."""
    name = subtask.get("name") if isinstance(subtask, dict) else None
    return name if isinstance(name, str) else ""


def _ids(subtasks: list[Any], findings: list[Finding]) -> dict[str, str]:
    """A node's id for each name."""
    ids: dict[str, str] = {}
    taken: dict[str, str] = {}
    for name in map(_name, subtasks):
        if not name:
            continue
        id = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64]
        id = f"_{id[1:]}" if id[0] == "-" else f"{id}_" if id == INPUT else id
        if id in taken:
            both = f"{excerpt(taken[id])} and {excerpt(name)}" if taken[id] != name else f"two subtasks {excerpt(name)}"
            findings.append(Finding("duplicate-id", f"{both} would be the same node: number them Subtask1, Subtask2, …", id))
        taken.setdefault(id, name)
        ids[name] = id
    return ids


def _names(subtask: Mapping[str, Any], field: str) -> list[str]:
    names = subtask[field]
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise Unreadable(f'`{field}` is a list of names such as ["N1"], got {excerpt(repr(names))}', "wrong-type")
    return names
