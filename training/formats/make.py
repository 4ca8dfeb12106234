"""Makes files of demonstrations in one format. A file is written only when the check finds no flaws."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from orchestra.countdown import notation
from orchestra.countdown.problem import Problem, Split
from orchestra.thread import Join

from ..countdown_problems import problems_of
from ..packing import Demonstration, pack
from ..rollout import Unit
from .check import Report, check_rows, check_trees
from .convert import CONVERTERS
from .demo import DemoTree, Format, write_trees
from .search import fates, searched


def demonstrated(problem: Problem, format: Format, rng: random.Random) -> DemoTree:
    """One demonstration, with beams drawn at random so that the prompt becomes a dial for compute, as `countdown_demos` draws them."""
    join: Join = rng.choice(("all", "first"))
    if format == "serial":
        found = searched(problem, beam=1, child_beam=rng.randint(2, 15))
    else:
        found = searched(problem, beam=rng.choice((24, rng.randint(4, 24))), child_beam=rng.randint(4, 15))
    return CONVERTERS[format](found, fates(found, join=join, rng=rng), join)


def thinned(tree: DemoTree, rng: random.Random) -> Iterator[Unit]:
    """The root's units and a few children's, successes ahead of their share: a row for each unit repeats its prompt, and most children
    fail alike. Cut children are left out, because rows do not say that their targets are beginnings."""
    children: dict[bool, list[Unit]] = {True: [], False: []}
    for unit in tree.units:
        if unit.thread == "0":
            yield unit
        elif tree.fate_of(unit) != "cut":
            children[notation.GOAL in unit.sampled].append(unit)
    yield from rng.sample(children[True], min(2, len(children[True])))
    yield from rng.sample(children[False], min(4, len(children[False])))


def make(path: Path, *, format: Format, problems: int, seed: int, split: Split, width: int | None) -> Report:
    """Write the demonstrations of `problems` problems: as trees, or as packed rows of `width` tokens, in which units whose prompt leaves
    no room for a target are left out. Raises `ConfigError`, and writes nothing, where the check finds flaws."""
    rng = random.Random(f"{format}/{split}/{seed}")
    trees = (demonstrated(problem, format, rng) for problem in islice(problems_of(split, rng), problems))
    if width is None:
        kept = list(trees)
        report = check_trees(path, kept, split=split)
        report.require()
        write_trees(path, kept)
        return report
    units = [unit for tree in trees for unit in thinned(tree, rng) if len(unit.prompt) < width]
    rng.shuffle(units)
    rows = pack((Demonstration(unit.prompt, unit.sampled) for unit in units), width=width)
    report = check_rows(path, rows, split=split)
    report.require()
    rows.save(path)
    return report
