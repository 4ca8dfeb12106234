"""What kept threads from searching as they wanted to, and which flags change it."""

from __future__ import annotations

from . import notation
from .attempt import Attempt, Setup

_MOST_NUMBERS = 4
"""Of problems that the model which is named takes."""


def limited(attempted: Attempt, setup: Setup) -> list[str]:
    """What kept children from searching as they wanted to, and what to change, a line each."""
    lines, numbers = list[str](), len(attempted.problem.numbers)
    top, deepest = int(attempted.tree.silent_root), setup.limits.max_depth
    children = [thread for thread in attempted.tree.threads if thread.depth > top]
    if deep := sum(child.status == "refused" and child.depth > top + deepest for child in children):
        # No model was shown woven threads below threads.
        change = "" if setup.method == "weave" and deepest else f": --depth {deepest + 1} lets them run"
        lines.append(f"{deep} of {_threads(len(children))} were refused, since they may be nested {deepest} deep{change}")
    if cut := sum(child.status == "cut" for child in children):
        lines.append(f"{cut} of {_threads(len(children))} ran out of tokens {more_tokens(setup, numbers=numbers)}")
    return lines


def more_tokens(setup: Setup, *, numbers: int) -> str:
    """What gives more tokens to threads that ran out of them: of the window, or of those of the whole tree. `numbers`: a problem's."""
    if setup.tree_tokens is None:
        return f"(--window {setup.effective_window}): a larger one gives them more{free_widths(setup, numbers=numbers)}"
    limits = f"(--window {setup.effective_window}, --tree-tokens {setup.tree_tokens})"
    return f"{limits}: larger ones give them more{free_widths(setup, numbers=numbers)}"


def free_widths(setup: Setup, *, numbers: int) -> str:
    """What else fits a narrow window, where it was not asked for. `numbers`: a problem's."""
    if setup.method != "fork" or setup.effective_child_beam == notation.FREE:
        return ""
    such = ", such as models/countdown-6m-nested" if numbers <= _MOST_NUMBERS else ""
    return f"; --beam 0 --child-beam 0 fits narrow ones, with a model that chooses widths{such}"


def _threads(count: int) -> str:
    return f"{count} child thread{'s' * (count != 1)}"
