"""What a model has said at the end, without its thinking: what every grader reads."""

from __future__ import annotations

import re

_LONGEST = 1_000_000
"""Characters, the last ones: whatever is longer is not read from its beginning."""
_FENCE = re.compile(r"[ \t]*```([\w-]*)[ \t]*\r?")
_RULE = re.compile(r"[-=*_#`~\s]*")


def said(text: str) -> str:
    """What follows the last `</think>`; empty while a `<think>` is open."""
    closed = text.rfind("</think>")
    if text.rfind("<think>") > closed:
        return ""
    return text[closed + len("</think>") if closed >= 0 else 0 :][-_LONGEST:]


def last_line(text: str) -> str | None:
    """The last line of what was said that is more than a rule or a fence."""
    return next((line.strip() for line in reversed(said(text)[-20_000:].splitlines()) if not _RULE.fullmatch(line)), None)


def last_block(text: str) -> str:
    """What the last fenced block holds that is closed and not empty; all that was said when there is none."""
    spoken = said(text)
    block: str | None = None
    inside: list[str] | None = None
    for line in spoken.split("\n"):
        fence = _FENCE.fullmatch(line)
        if fence is None:
            if inside is not None:
                inside.append(line)
        elif inside is None or fence[1]:  # a fence with a language opens a block, whatever was open
            inside = []
        else:
            block = "\n".join(inside) if any(map(str.strip, inside)) else block
            inside = None
    return spoken if block is None else block
