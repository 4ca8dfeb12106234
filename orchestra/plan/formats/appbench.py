"""Plans of AppBench (EMNLP 2024): one call of an app's API a line, with the names of its outputs on the left.

    Cinemas: [film, city = find_films(#genre='Drama', #city='Porto')]
    Cabs: [fare = order_cab(#destination=city, #people=2)]

An argument in quotes is text, even if it equals a name; one without is a number, or an output of an earlier line, by its name: of the latest
that has it. An apostrophe inside quoted text needs no backslash ('Ana's Screen'): the quote that closes is the first one before `,` or `)`.
"""

from __future__ import annotations

import re
from typing import Literal

from ..finding import Finding
from ..node import ToolCall
from ..plan import Plan
from ..ref import Ref, Value
from .base import Parsed, Tools
from .reading import Unreadable, clean, excerpt

_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,127}"
_NUMBER = r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?"
_LINE = re.compile(rf"[ \t]*({_NAME})[ \t]*:[ \t]*\[[ \t]*({_NAME}(?:[ \t]*,[ \t]*{_NAME})*)[ \t]*=[ \t]*({_NAME})[ \t]*\(")
_FENCE = re.compile(r"[ \t]*```[A-Za-z]*[ \t]*\r?")
_LIKE_A_LINE = re.compile(r"[\[\]=]")
_ARGUMENT = re.compile(rf"[ \t]*#({_NAME})[ \t]*=[ \t]*(?:(?=(['\"]))|({_NAME})(?=[ \t]*[,)])|({_NUMBER})(?=[ \t]*[,)]))?")
_TEXT = {quote: re.compile(rf"{quote}((?:[^\\{quote}]++|\\.|{quote}(?![ \t]*[,)]))*+){quote}") for quote in "'\""}
_ESCAPED = re.compile(r"\\([\\'\"])")
_INSIDE = re.compile(r"#\w*[ \t]*=|,[ \t]*#|=[ \t]*['\"]")
"""Of text that holds quotes: the beginning of another argument."""
_COMMA = re.compile(r"[ \t]*,")
_END = re.compile(r"[ \t]*\)[ \t]*\][ \t]*")
_EXAMPLE = "App: [out1, out2 = api(#arg='text', #arg2=out_of_an_earlier_line)]"


class AppBench:
    """The format. The tool of `App: [… = api(…)]` is called "App.api", or "App_api" with `separator="_"`."""

    name = "appbench"

    def __init__(self, separator: Literal[".", "_"] = ".") -> None:
        self._separator = separator

    def parse(self, text: str, tools: Tools) -> Parsed:
        nodes: list[ToolCall] = []
        findings: list[Finding] = []
        bound: dict[str, str] = {}
        calls = 0
        for line in clean(text).replace("\r\n", "\n").split("\n"):
            head = _LINE.match(line)
            if head is None:
                if line.strip() and not _FENCE.fullmatch(line):
                    findings.append(_left_out(line))
                continue
            calls += 1
            app, outputs, api = head[1], re.split(r"[ \t]*,[ \t]*", head[2]), head[3]
            id = str(calls)
            try:
                arguments = _arguments(line, head.end(), bound)
                nodes.append(ToolCall(id=id, tool=f"{app}{self._separator}{api}", arguments=arguments))
            except Unreadable as error:
                findings.append(Finding(error.code, str(error), id))
            if len(set(outputs)) < len(outputs):
                findings.append(Finding("duplicate-id", f"two outputs have the same name: {excerpt(head[2])}", id))
            # Also of a line that could not be read: one mistake is reported once, not by every line that uses its outputs.
            bound.update(dict.fromkeys(outputs, id))
        if not calls:
            findings.append(Finding("empty", f"there are no calls: write one a line, such as {_EXAMPLE}"))
        return Parsed(Plan(nodes=tuple(nodes)), tuple(findings))


def _left_out(line: str) -> Finding:
    if _LIKE_A_LINE.search(line):
        return Finding("syntax", f"this line cannot be read: {excerpt(line)}; write {_EXAMPLE}")
    return Finding("syntax", f"this line is no call and is left out: {excerpt(line)}", severity="warning")


def _arguments(line: str, at: int, bound: dict[str, str]) -> dict[str, Value]:
    """From after the parenthesis to the end of the line. Raises `Unreadable`."""
    found: dict[str, Value] = {}
    if _END.fullmatch(line, at):
        return found
    while argument := _ARGUMENT.match(line, at):
        name, quote, output, number = argument.groups()
        if name in found:
            raise Unreadable(f"the argument `#{name}` stands twice", "duplicate-id")
        at = argument.end()
        if quote:
            found[name], at = _text(line, at, quote)
        elif number:
            found[name] = float(number) if "." in number else int(number)
        elif not output:
            raise Unreadable(f"`#{name}` is neither text in quotes, a number nor the name of an output: {excerpt(line[at:])}")
        elif output not in bound:
            raise Unreadable(
                f"`#{name}` is the output `{output}`, which no earlier line has: put text in quotes, or write the line that has it first",
                "dangling-reference",
            )
        else:
            found[name] = Ref(bound[output], (output,))
        if _END.fullmatch(line, at):
            return found
        if not (comma := _COMMA.match(line, at)):
            raise Unreadable(f"expected `,` and `#name=…`, or `)]` and the end of the line, got {excerpt(line[at:])}")
        at = comma.end()
    raise Unreadable(f"expected `#name='text'` or `#name=output`, got {excerpt(line[at:])}")


def _text(line: str, at: int, quote: str) -> tuple[str, int]:
    """What the quotes at `at` hold, and where they end."""
    found = _TEXT[quote].match(line, at)
    if found is None:
        raise Unreadable(f"the text that begins with {excerpt(line[at:])} has no closing {quote}")
    text = found[1]
    if quote in _ESCAPED.sub("", text) and _INSIDE.search(text):
        raise Unreadable(f"a {quote} is missing or has no backslash before it: {excerpt(text)} looks like several arguments")
    return _ESCAPED.sub(r"\1", text), found.end()
