"""What command-line arguments may be, with messages that say what was expected."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from difflib import get_close_matches


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return int(text)


def count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected 0 or a positive integer, got {text!r}")
    return int(text)


def number(text: str) -> int:
    """One of several."""
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected whole numbers with spaces between them, such as 3 5 7 11, got {text!r}"
        ) from error


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


def add_tools(parser: argparse._ActionsContainer, *, required: bool = False, of: str = "") -> None:
    """`of` says what they are tools of, where that is not clear."""
    parser.add_argument(
        "--tools",
        action="append",
        default=[],
        required=required,
        metavar="FILE.py|MODULE",
        help=f"{of}functions marked by @tool; may be given again",
    )


def parse(parser: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """As `parser.parse_args`, which says of an unknown flag no more than that it is one."""
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        command = _command(parser, argv)
        options = sorted(option for action in command._actions for option in action.option_strings if option.startswith("--"))
        flags = [word.partition("=")[0] for word in unknown if word.startswith("--")]
        near = dict.fromkeys(option for flag in flags for option in get_close_matches(flag, options, n=2))
        meant = f" (did you mean {' or '.join(near)}?)" if near else ""
        command.exit(2, f"{command.prog}: error: unrecognized arguments: {' '.join(unknown)}{meant}; see {command.prog} --help\n")
    return args


def _command(parser: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.ArgumentParser:
    """The innermost command that the words of `argv` name."""
    for word in argv:
        found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if found and word in found[0].choices:
            parser = found[0].choices[word]
    return parser
