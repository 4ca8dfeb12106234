"""Plans as pictures: SVG, Mermaid and DOT."""

from .dot import dot
from .mermaid import mermaid
from .svg import svg

__all__ = ["dot", "mermaid", "svg"]
