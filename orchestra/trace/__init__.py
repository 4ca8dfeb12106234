"""Looking at run trees: as data on disk, as a page, as spans, and in the terminal or a notebook while they run.

`trace` reads run trees and nothing below reads it: engines and threads tell observers what happens and never import this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .showing import Display, display

__all__ = ["Display", "display"]


def __getattr__(name: str) -> object:
    # By name: records are read where nothing is displayed.
    if name in __all__:
        from . import showing

        return getattr(showing, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
