"""What a docstring says about a function and its arguments, in Google's, NumPy's or reStructuredText's style."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise, takewhile

_SECTION = re.compile(
    r"(args|arguments|parameters|params|keyword args|keyword arguments|other parameters|attributes"
    r"|returns?|yields?|raises|notes?|warnings?|examples?|references|see also|todo)(:?)\s*$",
    re.IGNORECASE,
)
_UNDERLINE = re.compile(r"(-{3,}|={3,})\s*$")
_REST = re.compile(r":(\w+)(?:\s+([^:]*))?:(?:\s+(.*))?$")
_PARAMETERS = re.compile(r"(args|arguments|parameters|params|keyword args|keyword arguments|other parameters)$", re.IGNORECASE)
_REST_PARAMETERS = {"param", "parameter", "arg", "argument", "key", "keyword"}
_ENTRY = re.compile(r"([*\w][\w*, ]*?)\s*(?:\(.*?\))?\s*:(?:\s+(.*))?$")
"""`name: text`, `name (type): text`, or NumPy's `name : type`."""


@dataclass(frozen=True, slots=True)
class Docstring:
    description: str = ""
    """The text before the first section."""
    arguments: dict[str, str] = field(default_factory=dict)
    """Descriptions by name, each on one line."""


def parse_docstring(docstring: str | None) -> Docstring:
    """Reads what it understands and leaves out the rest. Never raises."""
    lines = inspect.cleandoc(docstring or "").splitlines()
    found: dict[str, str] = {}
    end: int | None = None
    for start, stop, title, style in _sections(lines):
        end = start if end is None else end
        if style == "rest":
            field_name, _, name = title.partition(" ")
            if field_name in _REST_PARAMETERS and name:
                found[name.split()[-1]] = _joined(lines[start:stop])  # `:param type name:` has the type first
        elif _PARAMETERS.match(title):
            found |= _entries(lines[start + (2 if style == "numpy" else 1) : stop], typed=style == "numpy")
    return Docstring("\n".join(lines[:end]).strip(), found)


def _sections(lines: list[str]) -> Iterator[tuple[int, int, str, str]]:
    """First line, end, title and style of each section."""
    starts: list[tuple[int, str, str]] = []
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if line and not line[0].isspace():
            if match := _REST.match(line):
                starts.append((number, f"{match[1]} {match[2] or ''}".strip(), "rest"))
            elif (match := _SECTION.match(line)) and (_UNDERLINE.match(following) or match[2]):
                starts.append((number, match[1], "numpy" if _UNDERLINE.match(following) else "google"))
    for (start, title, style), (stop, _, _) in pairwise([*starts, (len(lines), "", "")]):
        yield start, stop, title, style


def _entries(lines: list[str], *, typed: bool) -> dict[str, str]:
    """Descriptions in a list of arguments: each begins at the list's own indentation and goes on deeper."""
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line in lines:
        if line.strip() and len(line) - len(line.lstrip()) == margin:
            match = _ENTRY.match(line.strip())
            names = [name.strip().lstrip("*") for name in (match[1] if match else line.strip()).split(",")]
            for name in names:
                found[name] = [match[2] or ""] if match and not typed else []
        else:
            for name in names:
                found[name].append(line)
    return {name: text for name, parts in found.items() if (text := " ".join(" ".join(parts).split()))}


def _joined(lines: list[str]) -> str:
    """The text of a field: the rest of its line, and the indented lines below."""
    match = _REST.match(lines[0])
    assert match
    below = takewhile(lambda line: not line or line[0].isspace(), lines[1:])
    return " ".join(" ".join([match[3] or "", *below]).split())
