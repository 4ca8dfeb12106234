"""Types of command-line arguments, with messages that say what was expected."""

from __future__ import annotations

import argparse
import math


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return int(text)


def count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected 0 or a positive integer, got {text!r}")
    return int(text)


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a positive number of seconds, got {text!r}")
    return value


def share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"expected a share above 0 and up to 1, got {text!r}")
    return value


def add_gpu_memory(parser: argparse._ActionsContainer) -> None:
    """`--gpu-memory`, which `open_engine` and `open_chat` take as `gpu_memory`."""
    parser.add_argument(
        "--gpu-memory",
        type=share,
        metavar="SHARE",
        help="of the GPU's memory for vLLM in this process, where others use the GPU too (default: vLLM's own, nearly all)",
    )
