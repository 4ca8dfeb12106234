"""Ends vLLM's engine process when the process that started it is killed.

vLLM's engine process outlives a parent that dies of SIGKILL, with all its memory (seen with 0.32: it was still there after minutes). It
loads the plugins of the entry point group `vllm.general_plugins`; this one asks the kernel to end it together with its parent. Its own
workers watch it and follow. It does nothing in a process that `VllmEngine` did not start, and nothing where there is no Linux.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

VARIABLE = "ORCHESTRA_ENGINE_PARENT"
"""Set by `VllmEngine` while its engine process starts: the id of the process to follow."""
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def follow_parent() -> None:
    """Called by vLLM in each of its processes."""
    if sys.platform == "linux" and os.environ.get(VARIABLE) == str(os.getppid()):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
