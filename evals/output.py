"""Where results are printed."""

from __future__ import annotations

import os
import sys

from rich.console import Console

_WIDE = 160


def console() -> Console:
    """Standard output. Piped or written to a file there is no window to fit into, so that no number is cut off."""
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDE
    return Console(highlight=False, width=wide)
