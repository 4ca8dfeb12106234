"""What stands on a node in a picture, in the same words for every form."""

from __future__ import annotations

from ..changes import one_line
from ..node import Aggregate, Node, Sample, SubPlan, ToolCall


def title(node: Node) -> str:
    """The tool, or what kind of node it is."""
    match node:
        case ToolCall():
            return node.tool
        case Sample():
            return f"{node.n} samples"
        case Aggregate():
            return node.how
        case SubPlan():
            return f"plan of {len(node.nodes)} nodes"
    return f"model {node.model}" if node.model else "model"


def details(node: Node) -> str:
    """What it works on, on one line of printable characters."""
    text = one_line(node)
    if isinstance(node, ToolCall):
        text = text.removeprefix(f"{node.tool}(").partition(" after ")[0].removesuffix(")")
    return printable(text)


def printable(text: str) -> str:
    """`text` without control characters, lone surrogates and what turns the direction of writing around."""
    kept = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(kept.split())


def cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
