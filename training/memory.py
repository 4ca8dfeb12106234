"""Memory that ran out, told from other errors."""

from __future__ import annotations

import torch

_SAID = ("out of memory", "allocate memory")


def ran_out(error: RuntimeError) -> bool:
    """The CPU's allocator and a failed compilation raise no `OutOfMemoryError`."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in _SAID)


def first_line(error: BaseException) -> str:
    """Of its message: torch's and transformers' go on for pages."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
