"""Checks of every file that is trained on. A file without flaws holds only

* valid units: run through its protocol, a demonstration asks for exactly its own requests, with its own children's ends;
* units without leaks: every target is what `expected` says of its prompt, so it depends on nothing that the prompt does not show;
* problems of its split: no held-out problem is trained on.

Packed rows (`.npz`) hold units without their trees: there the prompts are checked one by one, and the replay is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from orchestra.countdown import notation
from orchestra.countdown.problem import Problem, Split
from orchestra.errors import ConfigError, ProblemError

from .. import packing
from ..rollout import Unit
from .demo import DemoTree, read_trees
from .expected import expected
from .followed import whole_visits
from .replay import differences

SHOWN = 5
"""Flaws of a file that an error quotes: enough to see what they have in common."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What a file holds and what is wrong with it."""

    path: Path
    trees: int = 0
    """Demonstrations that were replayed; 0 for packed rows."""
    units: int = 0
    tokens: int = 0
    """Tokens that would be trained."""
    flaws: list[str] = field(default_factory=list)

    def count(self, units: Sequence[Unit]) -> None:
        self.units += len(units)
        self.tokens += sum(len(unit.sampled) for unit in units)

    def require(self) -> None:
        """Raises `ConfigError` unless the file has units and no flaws."""
        if not self.units:
            raise ConfigError(f"{self.path} holds no units: make it again")
        if self.flaws:
            more = f"\n… and {len(self.flaws) - SHOWN} more" if len(self.flaws) > SHOWN else ""
            raise ConfigError(
                f"{self.path} must not be trained on, {len(self.flaws)} flaws:\n" + "\n".join(self.flaws[:SHOWN]) + more
            )


def check_file(path: Path, *, split: Split = "train") -> Report:
    """Check a file of trees (`.jsonl`) or of packed rows (`.npz`). Raises `ConfigError` for a file that is neither."""
    if path.suffix == ".jsonl":
        return check_trees(path, read_trees(path), split=split)
    if path.suffix != ".npz":
        raise ConfigError(f"{path} is neither .jsonl (trees) nor .npz (packed rows): only these can be checked")
    try:
        rows = packing.load([path])
    except (ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ConfigError(f"{path} holds no packed rows ({error}): make it again") from error
    return check_rows(path, rows, split=split)


def check_trees(path: Path, trees: Iterable[DemoTree], *, split: Split = "train") -> Report:
    """Check what `path` holds, or is to hold."""
    report = Report(path=path)
    for number, tree in enumerate(trees, start=1):
        report.trees += 1
        report.count(tree.units)
        report.flaws += [f"line {number}: {flaw}" for flaw in check_tree(tree, split=split)]
    return report


def check_rows(path: Path, rows: packing.Rows, *, split: Split = "train") -> Report:
    """Check what `path` holds, or is to hold. Raises `ConfigError` for documents that are no prompt followed by a target."""
    report = Report(path=path)
    for place, unit, whole in documents(rows):
        report.count([unit])
        report.flaws += [f"{place}: {flaw}" for flaw in check_unit(unit, split=split, whole=whole)]
    return report


def check_tree(tree: DemoTree, *, split: Split = "train") -> list[str]:
    """The flaws of one demonstration."""
    flaws: list[str] = []
    for unit in tree.units:
        whole = tree.fate_of(unit) != "cut"
        flaws += [f"unit {unit.thread}: {flaw}" for flaw in check_unit(unit, split=split, whole=whole, problem=tree.problem)]
    try:
        expected(tree.units[0].prompt)
    except ProblemError:
        return flaws  # no run can begin so
    return flaws + differences(tree)


def check_unit(unit: Unit, *, split: Split = "train", whole: bool = True, problem: Problem | None = None) -> list[str]:
    """The flaws of one unit: of another split or problem, or with a target that does not follow from its prompt. Where it is not `whole` the
    target may be any beginning of what follows."""
    try:
        asked, target = expected(unit.prompt, unit.sampled)
    except ProblemError as error:
        return [str(error)]
    if asked.split != split:
        return [f"problem {asked.key} belongs to the {asked.split} split, not to {split}"]
    if problem is not None and asked != problem:
        return [f"the prompt poses {asked.key}, the demonstration is of {problem.key}"]
    written = unit.sampled
    if not whole and notation.FREE in (notation.read_numbers(unit.prompt[2:3]) or ()):
        written = whole_visits(written)
    if written != (target if whole else target[: len(written)]):
        return [f"the target does not follow from the prompt: {notation.text(unit.sampled)}, expected {notation.text(target)}"]
    return []


def documents(rows: packing.Rows) -> Iterator[tuple[str, Unit, bool]]:
    """Each unit of packed rows: where it is, the unit, and whether it is whole (one that fills its row may have been cut there).

    Raises `ConfigError` for a document that is not a prompt followed by a target.
    """
    width = rows.token_ids.shape[1]
    for index in range(len(rows)):
        document = rows.document[index]
        for number in range(1, int(document.max(initial=0)) + 1):
            (places,) = np.nonzero(document == number)
            ids, trained = rows.token_ids[index, places].tolist(), rows.trained[index, places]
            given = int(np.argmax(trained)) if trained.any() else len(ids)
            if not 0 < given < len(ids) or not trained[given:].all():
                raise ConfigError(
                    f"row {index} document {number} is no prompt followed by a target: make rows wider than the longest prompt ({width} now)"
                )
            yield f"row {index} document {number}", Unit(tuple(ids[:given]), tuple(ids[given:]), (), "?"), len(ids) < width
