"""A second opinion on LLMCompiler's text, by regular expressions and Python's own parser; see `oracles`."""

from __future__ import annotations

import ast
import math
import re
import warnings
from dataclasses import dataclass
from typing import Any

from oracles import Refused, Unsure, expected, meant, reference_at

from orchestra.plan.formats.base import Tools


@dataclass
class Statement:
    """A call as it is written: strings not yet read for references."""

    id: str
    tool: str
    arguments: dict[str | int, Any]
    """By name or place; -1 for one text without quotes that is all there is."""
    rest: str = ""
    """What stands after a join on its line."""


def llmcompiler(text: str, tools: Tools, known: tuple[str, ...] = ()) -> str:
    """What the text says, but for thoughts. Raises `Refused` for what a careful reader would not run."""
    calls, join, before, after = _statements(re.sub("[\ud800-\udfff]", "\ufffd", text))
    if join is None:
        raise Refused("no join")
    if any(re.search(r"(?<![\w.])[0-9]{1,9}\s*[.)]\s*[A-Za-z_]\w*\(", line) for line in [*before, *after]):
        raise Refused("a step that is no statement")
    if any(
        re.search(rf"(?<![\w.-]){tool}\(", line) for line in before if not line.lstrip().startswith("Thought:") for tool in tools
    ):
        raise Refused("a call that is no statement")
    ids = {*known, *(call.id for call in calls)}
    nodes = [
        {"kind": "tool", "id": call.id, "tool": call.tool, "arguments": meant(_named(call, tools), ids, int(call.id))}
        for call in calls
    ]
    return expected(nodes, meant(_output(join), ids, max((int(call.id) for call in calls), default=0) + 1))


def _named(call: Statement, tools: Tools) -> dict[str, Any]:
    names = tools[call.tool].parameter_names if call.tool in tools else None
    found: dict[str, Any] = {}
    for place, value in call.arguments.items():
        if place == -1:
            if names is None or len(names) != 1:
                raise Refused("a text that may be several arguments")
            place = 0
        if isinstance(place, int):
            if names is not None and place >= len(names):
                raise Refused("too many arguments")
            place = names[place] if names is not None else str(place)
        if place in found:
            raise Refused("an argument twice")
        found[place] = value
    return found


def _output(join: Statement) -> Any:
    names, values = list(join.arguments), list(join.arguments.values())
    if names and all(isinstance(name, str) for name in names):
        return dict(zip(names, values, strict=True))
    if any(isinstance(name, str) for name in names):
        raise Refused("some arguments of join have names")
    return None if not values else values[0] if len(values) == 1 else values


_HEADER = re.compile(r"[^\S\n]*(?:([0-9]{1,9})[.)]\s{0,8})?([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})\(")
_STEP_IN_TEXT = re.compile(r"\n\s*[0-9]{1,9}[.)]\s{0,8}[A-Za-z0-9_][A-Za-z0-9_.-]*\(")
_STRING = re.compile(r'"""(?:\\.|(?!""").)*"""|\'\'\'(?:\\.|(?!\'\'\').)*\'\'\'|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'', re.DOTALL)
_BARE = re.compile(r"\$(?:\{[A-Za-z0-9_-]+[^{}]*\}|[A-Za-z0-9_])")
_LITERAL_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*(?:_[0-9]+)*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def _statements(text: str) -> tuple[list[Statement], Statement | None, list[str], list[str]]:
    """The numbered calls, the join, and the other lines before and after it."""
    lines = text.split("\n")
    calls: list[Statement] = []
    join: Statement | None = None
    before: list[str] = []
    after: list[str] = []
    at = 0
    while at < len(lines):
        header = _HEADER.match(lines[at])
        if join is not None or not header or (header[1] is None and header[2] != "join"):
            (before if join is None else after).append(lines[at])
            at += 1
            continue
        statement, at = _statement(lines, at, header)
        if statement.tool == "join":
            join = statement
            after.append(statement.rest)
        else:
            calls.append(statement)
    return calls, join, before, after


def _statement(lines: list[str], at: int, header: re.Match[str]) -> tuple[Statement, int]:
    """From the shortest run of lines in which all brackets close."""
    for end in range(at + 1, min(len(lines), at + 40) + 1):
        text = "\n".join(lines[at:end])[header.end() :]
        masked, strings = _mask(text)
        closed = _closes(masked)
        if closed is None or '"' in masked[:closed] or re.search("[\ue000-\uf8ff]{2}", masked[:closed]):
            continue  # a quote is open, or what looks like two strings side by side is one in triple quotes
        if _STEP_IN_TEXT.search(text):
            raise Refused("a step inside another")
        tail = _unmask(masked[closed + 1 :], strings)
        if header[2] != "join" and not re.fullmatch(r"\s*(#.*|<END_OF_PLAN>\s*)?", tail):
            raise Refused("text after a call")
        arguments = _arguments(masked[:closed], strings)
        return Statement(header[1] or "", header[2], arguments, tail), end
    raise Refused("a call that is never closed")


def _mask(text: str) -> tuple[str, list[str]]:
    """`text` with each string literal replaced by one private-use character, and the literals."""
    strings: list[str] = []

    def keep(found: re.Match[str]) -> str:
        strings.append(found[0])
        return chr(0xE000 + len(strings) - 1)

    if re.search("[\ue000-\uf8ff]", text):
        raise Unsure
    return _STRING.sub(keep, text), strings


def _unmask(masked: str, strings: list[str]) -> str:
    return re.sub("[\ue000-\uf8ff]", lambda found: strings[ord(found[0]) - 0xE000], masked)


def _closes(masked: str) -> int | None:
    expected = [")"]
    for at, character in enumerate(masked):
        if character in "([{":
            expected.append({"(": ")", "[": "]", "{": "}"}[character])
        elif character == expected[-1]:
            expected.pop()
            if not expected:
                return at
    return None


def _arguments(masked: str, strings: list[str]) -> dict[str | int, Any]:
    """By name or place."""
    pieces, depth = [""], 0
    for character in masked:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += character
    if not pieces[-1].strip():
        pieces.pop()
    found: dict[str | int, Any] = {}
    unquoted = 0
    for place, piece in enumerate(pieces):
        keyword = re.match(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=(?!=)", piece)
        name: str | int = keyword[1] if keyword else place
        if name in found or (not keyword and any(isinstance(key, str) for key in found)):
            raise Refused("an argument in the wrong place")
        value = piece[keyword.end() :] if keyword else piece
        try:
            found[name] = _literal(value, strings)
        except (SyntaxError, ValueError):
            found[name] = _unquoted(value, strings)
            unquoted += not keyword
    if unquoted and sum(isinstance(key, int) for key in found) > 1:
        if any(isinstance(key, str) for key in found):
            raise Refused("text without quotes beside other arguments")
        return {-1: _unquoted(masked, strings)}
    return found


def _unquoted(piece: str, strings: list[str]) -> str:
    text = _unmask(piece, strings).strip()
    if not text or text[0] in "[{" or '"' in text or "\n" in text or re.search(r"(?<!\w)'", text):
        raise Refused(f"text without quotes: {text!r}")
    return text


def _literal(piece: str, strings: list[str]) -> Any:
    """What Python's own parser makes of a value, with strings and references as names. Raises `ValueError` for what is no
    literal."""
    names: dict[str, Any] = {"true": True, "false": False, "null": None}
    masked = piece.strip()
    while found := _BARE.search(masked):
        braced = masked[found.start() + 1] == "{"
        reference = reference_at(masked, found.start() + 1 + braced, any_id=braced)
        if not reference:
            raise ValueError(piece)
        end = reference[1] + braced
        if re.match("\\[\\s*[\ue000-\uf8ff]", masked[reference[1] :]):
            raise Unsure  # a key in quotes, which has been taken for a string
        name = f"reference_{len(names)}_"
        names[name] = reference[0]
        masked = f"{masked[: found.start()]} {name} {masked[end:]}"
    for place, string in enumerate(strings):
        names[f"string_{place}_"] = string
        masked = masked.replace(chr(0xE000 + place), f" string_{place}_ ")
    masked = re.sub(r"[^\S\n]", " ", masked)
    if not masked.isascii() or "#" in masked or "\\" in masked or "\0" in masked:
        raise ValueError(piece)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(f"(\n{masked}\n)", mode="eval").body
    except (RecursionError, MemoryError) as error:
        raise ValueError(piece) from error
    return _value(tree, names, f"(\n{masked}\n)")


def _value(tree: ast.expr, names: dict[str, Any], source: str) -> Any:
    match tree:
        case ast.Constant(value=bool() | None as value):
            return value
        case ast.Constant(value=int() | float()) | ast.UnaryOp(operand=ast.Constant(value=int() | float())):
            segment = ast.get_source_segment(source, tree) or ""
            if not _LITERAL_NUMBER.fullmatch(segment):
                raise ValueError(segment)
            value = ast.literal_eval(segment)
            if isinstance(value, float) and not math.isfinite(value):
                raise Refused(segment)
            return value
        case ast.Name(id=name) if name in names:
            return _text(names[name]) if name.startswith("string_") else names[name]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(item, names, source) for item in items]
        case ast.Dict(keys=keys, values=values):
            written = [_key(key, names) for key in keys]
            if len(set(written)) < len(written):
                raise Refused("a key that stands twice")
            return {key: _value(value, names, source) for key, value in zip(written, values, strict=True)}
    raise ValueError(source)


def _key(key: ast.expr | None, names: dict[str, Any]) -> str:
    match key:
        case ast.Name(id=name) if name.startswith("string_"):
            return _text(names[name])
        case ast.Name(id=name) if not name.startswith("reference_"):
            return name
        case ast.Constant(value=bool() | None as value):
            return str(value)
    raise Refused("a key that is no text")


def _text(literal: str) -> str:
    """The value of a string literal that may hold line breaks."""
    quotes = literal[:3] if literal[:3] in ('"""', "'''") and len(literal) >= 6 else literal[:1]
    body = literal[len(quotes) : -len(quotes)]
    plain = re.sub(r"\\?[\x00-\x1f\x7f]|\\.|[\"']", _plain, body, flags=re.DOTALL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = ast.literal_eval(f'"{plain}"')
        except (SyntaxError, ValueError):
            raise Refused(f"string {literal!r}") from None
    try:
        return str(value).encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise Refused("half of a surrogate pair") from None


def _plain(found: re.Match[str]) -> str:
    """Line breaks and quotes as escapes; JSON's `\\/` as what it stands for."""
    match found[0]:
        case "\\\n":
            return ""
        case "\\/":
            return "/"
        case '"' | "'" as quote:
            return f"\\{quote}"
        case str(escape) if escape[0] == "\\" and escape[1:].isprintable():
            return escape
        case str(control):
            return "".join("\\\\" if character == "\\" else f"\\U{ord(character):08x}" for character in control)
