r"""Finds the answer that a text states: the last balanced `\boxed{…}` after the thinking, or what follows "the answer is".

It runs where traces are read, so it must be linear and must not raise, whatever a model wrote.
"""

from __future__ import annotations

import re

_BOXES = ("\\boxed", "\\fbox")
_LONGEST_COMMAND = 16  # "\boxed" and some white space before its brace
_BACKWARDS_BRACE = re.compile(r"[{}](?=(?:\\\\)*(?!\\))")  # in reversed text: one that is not escaped
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)

_MAX_TEXT = 1_000_000  # characters: what reads them does not hold up other traces for long
_TAIL = 4000  # characters: a stated answer is near the end, and earlier ones were withdrawn
_STATED = re.compile(r"\banswer[*_]{0,3}(?:\s{0,3}(?:is|are)\b|\s{0,3}[:=])[*_:=\s]{0,8}", re.IGNORECASE)
_WRAPPED = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]|\*\*(.+?)\*\*", re.DOTALL)
_SENTENCE = re.compile(r"[^\n]*?(?=\n|$|[.!?](?:\s|$))")
_NOISE = " \t\r\n*_`"


def extract(text: str) -> str | None:
    """The answer that `text` states, as it is written there, without white space around it; None when it states none.

    Only what follows the last `</think>` counts, and nothing does while a `<think>` is open. An empty box is a box to be filled, not an
    answer. No more than the last million characters are read, in linear time; nothing raises.
    """
    closed = text.rfind("</think>")
    if text.rfind("<think>") > closed:
        return None
    start = max(closed + len("</think>") if closed >= 0 else 0, len(text) - _MAX_TEXT)
    boxed = _last_box(text, start)
    return _stated(text[max(start, len(text) - _TAIL) :]) if boxed is None else boxed


def _last_box(text: str, start: int) -> str | None:
    """What the box that begins last holds, if it is closed and not empty; else the one before it…"""
    first = min((place for box in _BOXES if (place := text.find(box, start)) >= 0), default=None)
    if first is None:
        return None
    # Backwards, because the last box is what is looked for, and because braces that are never closed then cost nothing.
    backwards = text[first:][::-1]
    unmatched = 0
    for found in _BACKWARDS_BRACE.finditer(backwards):
        if found[0] == "}":
            unmatched += 1
        elif unmatched:
            unmatched -= 1
            opening = len(text) - 1 - found.start()
            if text[max(first, opening - _LONGEST_COMMAND) : opening].rstrip().endswith(_BOXES):
                content = text[opening + 1 : _closing(text, opening)].strip()
                if content:
                    return content
    return None


def _closing(text: str, opening: int) -> int:
    """Where the brace that opens at `opening` is closed. The end of the text where escapes make the two directions disagree."""
    depth = 0
    for found in _BRACE.finditer(text, opening):
        if found[0] == "{":
            depth += 1
        elif found[0] == "}":
            depth -= 1
            if depth == 0:
                return found.start()
    return len(text)


def _stated(tail: str) -> str | None:
    """What follows the last "answer is" or "answer:"."""
    *_, last = [None, *_STATED.finditer(tail)]
    if last is None:
        return None
    if wrapped := _WRAPPED.match(tail, last.end()):
        answer = next(group for group in wrapped.groups() if group is not None)
    else:
        sentence = _SENTENCE.match(tail, last.end())
        answer = sentence[0] if sentence else ""
    return answer.strip(_NOISE) or None
